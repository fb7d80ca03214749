"""What each district has, beside the others, and for each 1,000 residents."""

import pytest
from starlette.testclient import TestClient

from http_world import World
from shahrdad.node.http.app import create_app


def test_districts_are_compared_by_residents(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the population of districts is known, each figure has its rate."""
    monkeypatch.setattr(
        "shahrdad.node.analysis.districts.populations",
        lambda city: dict.fromkeys(range(1, 9), 60_000),
    )
    with TestClient(create_app(world)) as client:
        english = client.get("/en/cities/kerman").text
        persian = client.get("/fa/cities/kerman").text

    assert "0.18 per 1,000 residents" in english, "11 projects, 60,000 residents"
    assert "۰٫۱۸ برای هر ۱۰۰۰ نفر" in persian
    assert "billion toman per 1,000 residents" in english


def test_districts_without_residents_have_bars_alone(client: TestClient) -> None:
    """No population, no rate: the page says so and draws the figures."""
    text = client.get("/en/cities/kerman").text
    table = text[text.index("Capital budget</th>") :].partition("</table>")[0]

    assert "per 1,000 residents" not in table
    assert 12 == table.count('class="bar flip"'), "four districts, three measures"
