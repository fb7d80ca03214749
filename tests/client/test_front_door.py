"""What `shahrdad.client` exports, and what it costs to import."""

import subprocess
import sys

import pytest

import shahrdad.client as client
from shahrdad.datasets.errors import ShahrdadError


def test_exports_are_there_and_sorted() -> None:
    """`__all__` is the public surface, in order."""
    assert sorted(client.__all__) == client.__all__
    assert [] == [name for name in client.__all__ if not hasattr(client, name)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NotFound", "RequestError"),
        ("ApiError", "RequestError"),
        ("Withdrawn", "ConflictError"),
        ("VerificationError", "PeerError"),
        ("NetworkError", "UnavailableError"),
    ],
)
def test_friendly_names_are_the_one_tree(name: str, kind: str) -> None:
    """The names of the documentation are classes of the tree, not a second tree."""
    error = getattr(client, name)

    assert kind == error.__name__
    assert issubclass(error, ShahrdadError)


def test_import_is_light() -> None:
    """Neither Arrow nor an HTTP client is loaded before it is used."""
    code = "import sys, shahrdad.client\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    loaded = set(run.stdout.split())

    assert set() == loaded & {"pyarrow", "httpx2", "pandas", "polars", "duckdb", "ssl"}
    assert set() == loaded & {"sqlite3", "asyncio", "grpc", "persiantools"}


def test_version_and_time_exclude_each_other() -> None:
    """Asking for both is a mistake of the program, and is said at once."""
    node = client.connect("https://a.example.ir", cache=False)

    with node, pytest.raises(ValueError, match="not both"):
        node.dataset("kerman/trees", version=1, as_of="1404-01-01")


@pytest.mark.parametrize("as_of", ["1404-13-01", "yesterday", "2026-01-01T00:00:00"])
def test_time_that_is_none_is_refused(as_of: str) -> None:
    """A day that does not exist, and an instant without a zone, are refused."""
    node = client.connect("https://a.example.ir", cache=False)

    with node, pytest.raises(client.NotFound, match="as_of"):
        node.dataset("kerman/trees", as_of=as_of)
