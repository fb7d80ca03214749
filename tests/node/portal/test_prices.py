"""Real terms: amounts at the prices of one year, by a published index."""

import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

import duckdb
import pytest
from starlette.testclient import TestClient

from http_world import World
from portal_world import make_portal_world, parquet
from shahrdad.datasets.jalali import month_days, to_gregorian
from shahrdad.node.analysis.budget import Year
from shahrdad.node.analysis.prices import (
    PriceIndex,
    at_prices,
    price_index,
    whole_year,
)
from shahrdad.node.analysis.releases import Input, Releases
from shahrdad.node.config import PortalSection
from shahrdad.node.http.app import create_app
from shahrdad.node.http.portal.amounts import milliard

LEVELS = {1403: 200.0, 1404: 280.0}
PAGE = "/en/budget/kerman/1404"


def indicator(year: int, value: float, **changes: Any) -> dict[str, Any]:
    """Return a row of the index for a whole year."""
    return {
        "city_code": "1346",
        "framework": "local",
        "indicator_code": "cpi",
        "title_fa": "شاخص بهای نمونه",
        "period_start": to_gregorian(year, 1, 1).isoformat(),
        "period_end": to_gregorian(year, 12, month_days(year, 12)).isoformat(),
        "value": value,
        "unit": "1400=100",
        "numerator": None,
        "denominator": None,
        "kind": None,
        "target": None,
        "benchmark": None,
        "sum_group": None,
        "verification": "self_reported",
        "source": "invented for this test",
        **changes,
    }


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A node that holds an index of two years and names it."""
    world = make_portal_world(tmp_path_factory.mktemp("prices"))
    rows = [indicator(year, value) for year, value in LEVELS.items()]
    half = to_gregorian(1402, 6, 31).isoformat()
    rows.append(indicator(1402, 150.0, period_end=half))
    world.publish(
        "kerman",
        "prices",
        "kpi_values",
        rows,
        time="2025-11-01T08:00:00Z",
        title=("شاخص‌ها", "Indicators"),
    )
    portal = PortalSection(price_index="kerman/prices")
    world.config = replace(world.config, portal=portal)
    return world


def test_only_whole_years_count(priced: World) -> None:
    """A half year says nothing of a year; the index names source and version."""
    index = price_index(Releases(priced), "kerman/prices", "cpi")

    assert index is not None
    assert LEVELS == {year: float(level) for year, level in index.levels.items()}
    assert ("1400=100", "invented for this test") == (index.unit, index.source)
    assert "kerman/prices" == index.input.ref
    assert price_index(Releases(priced), "kerman/prices", "ppi") is None
    assert price_index(Releases(priced), "kerman/nothing", "cpi") is None


def test_a_period_is_a_year_from_its_first_to_its_last_day() -> None:
    """Neither a day less nor a day more."""
    first, last = to_gregorian(1403, 1, 1), to_gregorian(1403, 12, 30)

    assert 1403 == whole_year(first, last)
    assert whole_year(first, to_gregorian(1403, 12, 29)) is None
    assert whole_year(to_gregorian(1403, 1, 2), last) is None
    assert whole_year(first, to_gregorian(1404, 12, 29)) is None


def test_a_year_without_an_index_has_no_real_amount() -> None:
    """It is left out, not shown as it is."""
    named = Input("kerman/prices", 1, "0" * 64)
    index = PriceIndex("", "", "", {1403: Fraction(2), 1404: Fraction(3)}, named)
    years = [Year(year, "annual", 100, None, named) for year in (1402, 1403, 1404)]
    found = at_prices(index, years, 1404)

    assert [(1403, 150, None), (1404, 100, None)] == [
        (one.year, one.approved, one.actual) for one in found
    ]
    assert index.real(7, 1405, 1404) is None


def test_the_page_has_duckdb_s_amounts(priced: World) -> None:
    """Nominal amounts by default; real ones are those of DuckDB times the index."""
    client = TestClient(create_app(priced))
    nominal, real = client.get(PAGE).text, client.get(f"{PAGE}?prices=real").text
    (row,) = duckdb.sql(
        "select sum(approved_rial)::HUGEINT * 280 / 200 from"
        f" read_parquet('{parquet(priced, 'kerman/budget-1403')}')"
        " where side = 'use' and not is_subtotal"
    ).fetchall()
    expected = milliard(round(row[0]))
    years = real[real.index('id="years"') :]

    assert "Prices of 1404" in nominal
    assert expected in re.findall(r'<td class="num digits"[^>]*>(.*?)</td>', years)
    assert expected not in nominal
    for word in ("شاخص بهای نمونه", "1400=100", "invented for this test"):
        assert word in years
    assert "/en/d/kerman/prices/v/1" in years


def test_cities_are_compared_at_the_prices_of_one_year(priced: World) -> None:
    """The amount of a year is DuckDB's times the index, here and over the years."""
    client = TestClient(create_app(priced))
    asked = "/en/compare?measure=uses&year=1403&city=kerman"
    nominal, real = client.get(asked).text, client.get(f"{asked}&prices=real").text
    (row,) = duckdb.sql(
        "select sum(coalesce(amended_rial, approved_rial))::HUGEINT * 280 / 200 from"
        f" read_parquet('{parquet(priced, 'kerman/budget-1403')}') where side = 'use'"
        " and not is_subtotal and budget_scope = 'municipality'"
    ).fetchall()
    cell = f">{milliard(round(row[0]))}</td>"

    assert 2 == real.count(cell)
    assert cell not in nominal
    assert "measure=uses&amp;year=1403&amp;city=kerman&amp;prices=real" in nominal
    for word in ("Prices of 1404", "1400=100", "invented for this test"):
        assert word in real
    assert "kerman/prices/v/1" in real
    assert "Prices of 1404" not in client.get("/en/compare?measure=systems").text


def test_a_year_that_the_index_does_not_know_has_no_real_value(
    priced: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is guessed: the city stands there with the reason in words."""
    levels = {1403: Fraction(200)}
    found = PriceIndex("Index", "", "", levels, Input("kerman/prices", 1, "0" * 64))
    monkeypatch.setattr("shahrdad.node.http.portal.compare.index_of", lambda *_: found)
    client = TestClient(create_app(priced))
    text = client.get("/en/compare?measure=uses&year=1404&prices=real").text

    assert "Prices of 1403" in text
    assert "The price index has no value for this year" in text
    assert "Not known to the index:" in text


def test_a_node_that_names_no_index_says_so(client: TestClient) -> None:
    """Nothing is adjusted in silence, and the choice is not offered."""
    page = client.get(f"{PAGE}?prices=real").text

    assert "no published price index" in page
    assert "Prices of 1404" not in page


def test_the_option_is_read() -> None:
    """`[portal] price_index` names dataset and indicator; neither is built in."""
    from shahrdad.node.config import parse

    tree = {"node": {"city": "kerman", "city_code": "1346"}}
    assert PortalSection("", "cpi") == parse(tree, environ={}).portal
    named = {**tree, "portal": {"price_index": "forum/prices"}}
    assert "forum/prices" == parse(named, environ={}).portal.price_index
