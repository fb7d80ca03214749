"""One row under an address of its own, and files of what the address chooses."""

import re
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from portal_world import KERMAN

PAGE = "/en/d/kerman/projects"


def test_row_has_its_history(client: TestClient) -> None:
    """The page says what each version did to the row, the newest first."""
    text = client.get(f"{PAGE}/row?project_id=P-1400-041").text
    changed, added = text.index("</a> · changed"), text.index("</a> · added")

    assert changed < added
    assert "2026-06-15" in text
    assert ">+6</bdi>" in text, "82 % became 88 %"
    assert KERMAN[0] in text


def test_rows_lead_to_each_row(client: TestClient) -> None:
    """Every line of the table of rows has a link to its row, named by the key."""
    text = client.get(f"{PAGE}/rows").text
    links = re.findall(r'href="(/en/d/kerman/projects/row\?[^"]+)"', text)

    assert 50 == len(links) == len(set(links))
    assert 200 == client.get(links[7].replace("&amp;", "&")).status_code


def test_row_that_never_was(client: TestClient) -> None:
    """A key that no version has is told, and so is one that fits several rows."""
    unknown = client.get(f"{PAGE}/row?project_id=P-0")
    several = client.get(f"{PAGE}/row?status=implementation")

    assert (404, 400) == (unknown.status_code, several.status_code)
    assert "project_id=P-0" in unknown.text


def test_selection_is_downloaded_as_it_is_seen(client: TestClient) -> None:
    """Filters, columns and order of the page are those of the files below it."""
    query = urlencode(
        {"status__exact": "implementation", "fields": "project_id,status"}
    )
    text = client.get(f"{PAGE}/rows?{query}").text
    total = re.search(r'role="status">([\d,]+)', text)
    link = re.search(r'href="(/v1/[^"]+\.csv\?[^"]+)"', text)
    assert total is not None
    assert link is not None
    lines = client.get(link[1].replace("&amp;", "&")).text.splitlines()

    assert "project_id,status" == lines[0].lstrip("\ufeff")
    assert int(total[1]) == len(lines) - 1
    assert 1 == len({line.partition(",")[2] for line in lines[1:]})


def test_columns_are_chosen_by_a_form(client: TestClient) -> None:
    """The form without scripts leads to the address that names the columns."""
    sent = f"{PAGE}/rows?show=project_id&show=title_fa&sort=title_fa"
    answer = client.get(sent)

    assert 303 == answer.status_code
    assert "fields=project_id%2Ctitle_fa" in answer.headers["location"]
    text = client.get(answer.headers["location"]).text
    assert "columns hidden" in text


def test_large_table_is_shown_by_pages(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the bound a process of its own finds the rows; a card is refused."""
    whole = client.get(f"{PAGE}/rows?sort=-physical_progress").text
    monkeypatch.setattr("shahrdad.node.http.portal.rows.TABLE_ROWS_MAX", 71)
    large = client.get(f"{PAGE}/rows?sort=-physical_progress&limit=50").text
    card = client.get(f"{PAGE}/rows?card=physical_progress")
    bodies = [
        re.sub(
            r"cursor=[^\"]+", "", text[text.index("<tbody>") : text.index("</tbody>")]
        )
        for text in (whole, large)
    ]

    assert bodies[0] == bodies[1]
    assert "card=" in whole
    assert "card=" not in large
    assert 400 <= card.status_code < 500
