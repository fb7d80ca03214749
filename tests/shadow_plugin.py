"""Repeat each `Resource.validate` of a test run with our compat mode, and compare.

A pytest plugin: `python -m pytest -p shadow_plugin …` with this folder on the path,
over frictionless' own tests. What they see is always frictionless' report. Beside it,
each call on a table is made twice more on copies, by frictionless and by us, because a
copy does not always say what its original said; the two reports must be equal.

`SHAHRDAD_SHADOW` names a file to which each repeated call adds one line of JSON:
`{"test": …, "route": "kernels", "reason": null, "descriptors": 1, "difference": null}`.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from frictionless import Resource
from frictionless.resources import TableResource

from compat_comparison import differences, frictionless_validate

REPORT = "SHAHRDAD_SHADOW"
OPTIONS = ("limit_rows", "limit_errors", "on_row")  # what both can be told


class Shadow:
    """The second and third call behind each one, and the notes about them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.test = ""
        self._busy = False

    def validate(self, resource: Any, *arguments: Any, **options: Any) -> Any:
        """Validate as frictionless does; compare ours when nothing else runs."""
        if self._busy or not self._repeatable(resource):
            return frictionless_validate(resource, *arguments, **options)
        self._busy = True
        try:
            self._compare(resource, arguments, options)
        except Exception as error:  # such as a copy that cannot be made
            self._note(reason=f"not repeated: {type(error).__name__}")
        finally:
            self._busy = False
        return frictionless_validate(resource, *arguments, **options)

    def _repeatable(self, resource: Any) -> bool:
        return isinstance(resource, TableResource) and resource.closed

    def _compare(self, resource: Any, arguments: Any, options: dict[str, Any]) -> None:
        known = {k: options[k] for k in OPTIONS if k in options}
        checklist = arguments[0] if arguments else options.get("checklist")
        self._note(
            *differences(
                resource.to_copy,
                lambda: None if checklist is None else checklist.to_copy(),
                **known,
            )
        )

    def _note(
        self,
        route: str = "none",
        reason: str | None = None,
        descriptors: int = 0,
        difference: Any = None,
    ) -> None:
        line = {
            "test": self.test,
            "route": route,
            "reason": reason,
            "descriptors": descriptors,
            "difference": difference,
        }
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


shadow = Shadow(Path(os.environ.get(REPORT, "shadow.jsonl")).absolute())


def pytest_configure(config: pytest.Config) -> None:
    """Put the shadow behind every validation of the run, and know their marks."""
    for mark in ("ci", "vcr"):
        config.addinivalue_line("markers", f"{mark}: not run here")

    def validate(resource: Any, *arguments: Any, **options: Any) -> Any:
        return shadow.validate(resource, *arguments, **options)

    type.__setattr__(Resource, "validate", validate)


def pytest_unconfigure() -> None:
    """Take it away."""
    type.__setattr__(Resource, "validate", frictionless_validate)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Remember whose calls are repeated."""
    shadow.test = item.nodeid
    yield
