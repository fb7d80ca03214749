"""What a node did not take: numbers by month, on the page of its status."""

import sqlite3
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from shahrdad.node.analysis.month import Month
from shahrdad.node.http.portal.refusals import CHECKS, MONTHS, Refusals, refusals

INSIDE, EARLIER, AFTER = (
    "2025-10-23T08:00:00Z",
    "2025-10-22T20:29:59Z",
    "2025-11-21T20:30:00Z",
)
MONTH = Month(1404, 8)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """The tables that tell of it, without the rows that they refer to."""
    found = sqlite3.connect(":memory:")
    found.executescript(
        "CREATE TABLE submission(at, state, original);"
        "CREATE TABLE draft_try(at, verdict, original);"
        "CREATE TABLE problem(at, peer, origin, idx, reason);"
    )
    yield found
    found.close()


def test_a_file_counts_once_a_month(connection: sqlite3.Connection) -> None:
    """From the desk and from the command line; a mended file is another one."""
    connection.executemany(
        "INSERT INTO submission VALUES(?,?,?)",
        [
            (INSIDE, "refused", b"a"),
            (INSIDE, "published", b"b"),
            (INSIDE, "received", b"c"),
            (AFTER, "refused", b"d"),
        ],
    )
    connection.executemany(
        "INSERT INTO draft_try VALUES(?,?,?)",
        [
            (INSIDE, "errors", b"a"),
            (INSIDE, "errors", b"e"),
            (INSIDE, "valid", b"e"),
            (INSIDE, "valid", None),
            (EARLIER, "errors", b"e"),
        ],
    )
    found = refusals(connection, MONTH)

    assert MONTHS == len(found)
    assert [Refusals(MONTH, 3, 2, 0), Refusals(MONTH.before, 1, 1, 0)] == found[:2]


def test_a_refused_entry_counts_once_and_silence_never(
    connection: sqlite3.Connection,
) -> None:
    """Each round tells of the same entry again; who did not answer broke nothing."""
    rows = [
        (INSIDE, "shiraz", "shiraz.example/catalog", 7, "BAD_PROOF"),
        (INSIDE, "shiraz", "shiraz.example/catalog", 7, "BAD_PROOF"),
        (INSIDE, "shiraz", "shiraz.example/catalog", 8, "BAD_PROOF"),
        (INSIDE, "shiraz", None, None, "PEER_UNREACHABLE"),
    ]
    connection.executemany("INSERT INTO problem VALUES(?,?,?,?,?)", rows)

    assert 2 == refusals(connection, MONTH)[0].entries
    assert "PEER_UNREACHABLE" not in CHECKS


@pytest.mark.parametrize("language", ["fa", "en"])
def test_the_status_page_has_the_months(client: TestClient, language: str) -> None:
    """A node that refused nothing shows noughts, with what is counted in words."""
    text = client.get(f"/{language}/status").text
    part = text[text.index('id="refused"') :].partition("</section>")[0]

    assert 1 + MONTHS == part.count("<tr>")
    assert f'href="/{language}/report/14' in part
    assert f'href="/{language}/help"' in part
    for path in ("/federation", "/cities/kerman"):
        assert f"/{language}/status#refused" in client.get(f"/{language}{path}").text
    assert "#refused" not in client.get(f"/{language}/cities/shiraz").text
