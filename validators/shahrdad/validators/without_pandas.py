"""Arrow without pandas, in a process that is ours alone.

Where pandas is installed, pyarrow loads it to ask whether a list is a Series: half a
second and some 40 MB for nothing, in every command and every worker.
"""

import sys
from importlib.abc import MetaPathFinder
from typing import Any


class _NoPandas(MetaPathFinder):
    def find_spec(self, name: str, *_: Any) -> None:
        """Refuse pandas; leave every other module to the finders behind."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas is left out of this process", name=name)


def leave_pandas_out() -> None:
    """Let `import pandas` fail from here on, unless it is loaded already."""
    sys.meta_path.insert(0, _NoPandas())
