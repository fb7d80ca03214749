"""The file that a command writes: there whole, or as it was before."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shahrdad.datasets.errors import Reason, RequestError


@contextmanager
def output_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes its name when all of it is written.

    Raises:
        RequestError: PATH_REFUSED: the name is a folder's.
    """
    require_no_folder(path)
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("wb") as file:
            yield file
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def require_no_folder(path: Path) -> None:
    """Refuse a folder's name for a file.

    Raises:
        RequestError: PATH_REFUSED.
    """
    if path.is_dir():
        raise RequestError(
            Reason.PATH_REFUSED, path=str(path), detail="it is a folder; add a name"
        )
