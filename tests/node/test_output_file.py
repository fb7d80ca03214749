"""What a command writes is there whole, or as it was before."""

from pathlib import Path

import pytest

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.commands.output_file import output_file


def test_file_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    """Until then, and after an error, the old file is there, and nothing beside it."""
    path = tmp_path / "budget.csv"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), output_file(path) as file:
        file.writelines([b"half", "no bytes"])  # type: ignore[list-item]

    assert {"budget.csv": b"old"} == {
        found.name: found.read_bytes() for found in tmp_path.iterdir()
    }

    with output_file(path) as file:
        file.write(b"new")

    assert {"budget.csv": b"new"} == {
        found.name: found.read_bytes() for found in tmp_path.iterdir()
    }


@pytest.mark.parametrize("name", ["", "/", ".", "folder"])
def test_folder_is_no_file(name: str, tmp_path: Path) -> None:
    """`-o .` is said in a sentence."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(RequestError) as caught, output_file(tmp_path / name):
        pass

    assert Reason.PATH_REFUSED is caught.value.reason
