"""What is due of the resolutions, as a calendar: well formed, the same bytes again."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from http_world import World, example_rows, make_world
from shahrdad.node.http.app import create_app
from shahrdad.node.http.portal.due_calendar import LINE_BYTES_MAX, folded

ADDRESS = "/fa/resolutions.ics"
DUE = "2026-03-05"


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A node with an open resolution that is due, one that is done, one undated."""
    world = make_world(tmp_path_factory.mktemp("calendar"))
    one = example_rows("resolutions", "kerman")[0]
    rows = [
        {**one, "item_no": 91, "status": "open", "due_date": DUE},
        {**one, "item_no": 92, "status": "done", "due_date": DUE},
        {**one, "item_no": 93, "status": "open", "due_date": None},
    ]
    rows[0]["text_fa"] = "گزارش، سپس\nتصمیم; " + "بلند " * 40
    world.publish(
        "kerman",
        "resolutions",
        "resolutions",
        rows,
        time="2025-12-01T08:00:00Z",
        title=("مصوبات", "Resolutions"),
    )
    return world


def test_only_what_is_open_and_dated_is_due(dated: World) -> None:
    """One whole day; its text whole again when the lines are put together."""
    with TestClient(create_app(dated)) as client:
        answer = client.get(ADDRESS)
        again = client.get(ADDRESS)
    lines = answer.content.decode().replace("\r\n ", "").split("\r\n")

    assert "text/calendar; charset=utf-8" == answer.headers["content-type"]
    assert ("BEGIN:VCALENDAR", "END:VCALENDAR", "") == (lines[0], *lines[-2:])
    assert 1 == lines.count("BEGIN:VEVENT")
    assert "DTSTART;VALUE=DATE:20260305" in lines
    assert "DTEND;VALUE=DATE:20260306" in lines
    assert "DTSTAMP:20251201T080000Z" in lines
    (summary,) = [line for line in lines if line.startswith("SUMMARY:")]
    assert "SUMMARY:گزارش، سپس\\nتصمیم\\; " in summary
    assert answer.content == again.content


@pytest.mark.parametrize("text", ["a" * 200, "ش" * 200, "", "\U0001f642" * 60])
def test_lines_are_short_and_letters_whole(text: str) -> None:
    """No piece is above 75 bytes, and nothing is lost."""
    pieces = folded(text).split("\r\n")

    assert max(len(piece.encode()) for piece in pieces) <= LINE_BYTES_MAX
    assert text == pieces[0] + "".join(piece[1:] for piece in pieces[1:])


def test_the_page_leads_to_it(dated: World, tmp_path: Path) -> None:
    """Whoever reads the list finds the calendar; an empty node has an empty one."""
    empty = make_world(tmp_path)
    with TestClient(create_app(dated)) as client:
        page = client.get("/fa/resolutions").text
    with TestClient(create_app(empty)) as client:
        none = client.get(ADDRESS).text

    assert f'href="{ADDRESS}"' in page
    assert "BEGIN:VEVENT" not in none
