"""Which objects a dataset's page names to a browser that reads Parquet itself."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from shahrdad.federation.verify.digest import Digest
from shahrdad.node.http.in_browser import browser_parts
from shahrdad.node.http.limits import BROWSER_PARTS_MAX
from shahrdad.node.http.record_view import PartView, TableView
from shahrdad.node.http.static_files import folder
from shahrdad.node.store.limits import PRESIGNED_BYTES_MIN

SCRIPTS_BYTES_MAX = 30_000  # compressed; asked for when the button is pressed


def table(parts: int, size: int = 1000, rows: int | None = 10) -> TableView:
    """Return a table of so many parts."""
    listed = tuple(
        PartView(Digest.of(bytes([n])), size, rows, ()) for n in range(parts)
    )
    return TableView("lines", {}, None, size * parts, listed)


def shown(serve: str = "node") -> Any:
    """Return a version on a node that serves its objects so."""
    return SimpleNamespace(
        config=SimpleNamespace(store=SimpleNamespace(serve=serve)),
        dataset=SimpleNamespace(name="kerman--lines"),
        record=SimpleNamespace(tables=(table(1),)),
    )


def test_addresses_are_of_this_node() -> None:
    """Each object by content, with size and rows: what a range request needs."""
    (found,) = browser_parts(shown(), table(1))

    assert (
        f"/files/{Digest.of(bytes([0])).hex}/kerman--lines.parquet" == found["address"]
    )
    assert (1000, 10) == (found["bytes"], found["rows"])


@pytest.mark.parametrize("parts", [BROWSER_PARTS_MAX, BROWSER_PARTS_MAX + 1])
def test_a_page_names_a_bounded_number(parts: int) -> None:
    """A table of very many objects does not fill its page with their digests."""
    found = browser_parts(shown(), table(parts))

    assert BROWSER_PARTS_MAX == len(found)
    assert BROWSER_PARTS_MAX == len({one["address"] for one in found})


def test_nothing_where_a_browser_could_not_read() -> None:
    """Not where a row count is unknown, nor where another host would answer."""
    large = table(1, PRESIGNED_BYTES_MIN + 1)

    assert [] == browser_parts(shown(), table(2, rows=None))
    assert [] == browser_parts(shown("presigned"), large)
    assert 1 == len(browser_parts(shown("presigned"), table(1, PRESIGNED_BYTES_MIN)))
    assert 1 == len(browser_parts(shown(), large))
    assert [] == browser_parts(shown(), replace(large, parts=()))


def test_scripts_are_small_and_allowed() -> None:
    """What the button brings is bounded, and needs nothing that the policy forbids."""
    _, files = folder()
    names = [name for name in files if re.match(r"parquet-|hyparquet|fzstd", name)]
    packed = [files[name].packed for name in names]
    text = b"".join(files[name].plain for name in names)

    assert 6 == len(names)
    assert sum(len(one or b"") for one in packed) < SCRIPTS_BYTES_MAX
    assert not re.search(rb"\beval\(|new Function|WebAssembly", text)
