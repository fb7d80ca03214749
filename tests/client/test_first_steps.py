"""How somebody names a node in the first minutes."""

from pathlib import Path

import pytest

from shahrdad.client import NotFound, Reason, connect


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("data.kerman.ir", "https://data.kerman.ir"),
        ("localhost.example:8443/", "https://localhost.example:8443"),
        ("https://data.kerman.ir/en/d/kerman/budget-1404", "https://data.kerman.ir"),
        (
            "https://files.example.ir/kerman/mirror",
            "https://files.example.ir/kerman/mirror",
        ),
    ],
)
def test_a_node_is_named_as_people_write_it(given: str, address: str) -> None:
    """A host alone is asked by https; a page is of the node at the root of its host."""
    with connect(given, cache=False) as node:
        assert address in repr(node)


def test_a_folder_of_the_name_of_a_host_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies on the disk is not looked for on the net."""
    (tmp_path / "data.kerman.ir").mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NotFound) as caught:
        connect("data.kerman.ir", cache=False)

    assert Reason.PLACE_UNKNOWN is caught.value.reason
