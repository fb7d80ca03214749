"""Years, permits, map, front page, status, words: each against the data behind it."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from starlette.testclient import TestClient

from http_world import World, make_world
from portal_world import CITIES, PATHS, parquet
from shahrdad.node.analysis import budget, permits
from shahrdad.node.analysis.month import Month
from shahrdad.node.analysis.releases import Input, Releases
from shahrdad.node.http.app import create_app
from shahrdad.node.http.languages import number
from shahrdad.node.http.portal import amounts, front, project_map
from shahrdad.node.http.portal.keeping import Pages
from shahrdad.node.http.portal.prose import PROSE, prose
from shahrdad.node.http.portal.shapes import YEARS_WIDTH, year_groups
from shahrdad.node.http.rendering import PAGE_CSP
from shahrdad.node.http.texts import say


def sql(query: str, *paths: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query over Parquet files."""
    return duckdb.connect().execute(query, list(paths)).fetchall()


def test_persian_numbers_have_persian_separators(client: TestClient) -> None:
    """No page writes a comma or a point between Persian digits."""
    wrong = re.compile("[\u06f0-\u06f9][,.][\u06f0-\u06f9]")
    found = {
        path: match[0]
        for path in PATHS
        if (match := wrong.search(client.get(f"/fa{path}").text))
    }

    assert {} == found
    assert "۱٬۰۰۵ ردیف" == say("fa", "list.rows", count=1005)


@pytest.mark.parametrize("value", [2**53, 2**53 + 1, 28_371_400_000_000_001])
def test_large_amounts_keep_every_digit(value: int) -> None:
    """A national budget passes what a float holds; its last rial is shown too."""
    assert f"{value:,}" == number(value, "en")
    assert f"{value:,} rial" == amounts.exact(value, "en")


def test_budget_over_years(world: World, releases: Releases) -> None:
    """Each year has the sums of its own leaf lines, the earliest first."""
    expected = [
        (
            year,
            *sql(
                "SELECT sum(approved_rial)::HUGEINT, sum(actual_rial)::HUGEINT"
                " FROM read_parquet(?) WHERE side = 'use' AND NOT is_subtotal",
                parquet(world, f"kerman/budget-{year}"),
            )[0],
        )
        for year in (1403, 1404)
    ]
    found = budget.over_years(
        releases.gather("budget_lines"), "kerman", "municipality", "use"
    )

    assert expected == [(one.year, one.approved, one.actual) for one in found]


def test_years_are_drawn_in_the_direction_of_reading() -> None:
    """The earliest year and the first series stand where reading begins."""
    given = [(100, 50), (200, None)]
    english, persian = year_groups(given, "en"), year_groups(given, "fa")

    assert english[0].middle < english[1].middle
    assert persian[0].middle > persian[1].middle
    assert english[0].bars[0].x < english[0].bars[1].x
    assert persian[0].bars[0].x > persian[0].bars[1].x
    assert 1 == len(english[1].bars)  # nobody has told the actual amount
    assert english[1].bars[0].height == 2 * english[0].bars[0].height
    assert YEARS_WIDTH == english[0].middle + persian[0].middle


def statement_of(lines: list[dict[str, Any]], **changes: Any) -> budget.Statement:
    """Return a statement of lines that stand in no log."""
    blank = {**dict.fromkeys(budget.COLUMNS), "is_subtotal": False}
    rows = [{**blank, **line} for line in lines]
    facts: dict[str, Any] = {
        "city": "kerman",
        "year": 1404,
        "period": "annual",
        "scope": "municipality",
        "periods": ("annual",),
        "scopes": ("municipality",),
        "rows": tuple(row for row in rows if not row["is_subtotal"]),
        "subtotals": tuple(row for row in rows if row["is_subtotal"]),
        "input": Input("kerman/budget-1404", 1, "00" * 32),
        "time": "2025-10-01T00:00:00Z",
        "example": False,
    }
    return budget.Statement(**{**facts, **changes})


def line(side: str, code: str, rial: int, parent: str | None = None) -> dict[str, Any]:
    """Return a line of a budget."""
    return {
        "side": side,
        "line_code": code,
        "approved_rial": rial,
        "parent_line_code": parent,
    }


def test_checks_are_told_as_they_are() -> None:
    """Balance, parts and unit hold or fail, each with by how much."""
    whole = 537_718 * 100_000_000  # 100 million rial for each resident
    total = {**line("use", "1", whole), "is_subtotal": True}
    parts = [line("use", "11", whole - 5, "1"), line("use", "12", 5, "1")]
    good = statement_of([line("source", "9", whole), total, *parts])
    wrong = statement_of([line("source", "9", whole), total, parts[0]])
    small = statement_of([line("source", "9", 7), line("use", "1", 7)])

    assert [("balance", True, 0), ("parts", True, 0), ("unit", True, 100_000_000)] == [
        (one.name, one.holds, one.rial) for one in budget.checks(good)
    ]
    assert [("balance", False, 5), ("parts", False, 5)] == [
        (one.name, one.holds, one.rial) for one in budget.checks(wrong)
    ][:2]
    assert [("balance", True), ("unit", False)] == [
        (one.name, one.holds) for one in budget.checks(small)
    ]


def test_unit_is_judged_where_it_can_be() -> None:
    """Half a year, another scope or an unknown population say nothing of the unit."""
    lines = [line("source", "9", 7), line("use", "1", 7)]
    for changes in ({"period": "h1"}, {"scope": "affiliates"}, {"city": "nowhere"}):
        assert ["balance"] == [
            one.name for one in budget.checks(statement_of(lines, **changes))
        ]


def test_permit_speed(world: World, releases: Releases) -> None:
    """The newest period of each service and district, as the table has it (9.10)."""
    expected = sql(
        "WITH rows AS (FROM read_parquet(?)) SELECT service_code, district_no,"
        " median_days, p90_days, within_limit_pct, online_pct, completed FROM rows r"
        " WHERE period_end = (SELECT max(period_end) FROM rows n"
        " WHERE n.service_code = r.service_code) ORDER BY 1, 2",
        parquet(world, "shiraz/permit-stats"),
    )
    found = permits.speeds(releases.gather("permit_stats"))

    assert expected == [
        (one.service, one.district, one.median, one.p90, one.within, one.online,
         one.completed)
        for by_city in found.values()
        for one in by_city["shiraz"]
    ]  # fmt: skip
    assert {"shiraz"} == {city for by_city in found.values() for city in by_city}


def test_suppressed_cells_stay_suppressed() -> None:
    """What a city hides is None, and not the number that stands in the row."""
    row = {
        "service_code": "permit", "district_no": 3, "is_suppressed": True,
        "period_start": date(2025, 1, 1), "period_end": date(2025, 2, 1),
        "received": 2, "completed": 1, "median_days": 4.0, "p90_days": 9.0,
        "legal_limit_days": 30.0, "within_limit_pct": 50.0, "online_pct": 50.0,
    }  # fmt: skip
    one = permits.speed("shiraz", row, Input("shiraz/permit-stats", 1, "00" * 32))

    assert (None, None, None, None, 30.0) == (
        one.received,
        one.median,
        one.within,
        one.online,
        one.limit,
    )


def test_outline_goes_around() -> None:
    """The hull has the corners alone; a line or a point has none."""
    square = [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]

    assert set(square) == set(project_map.outline([*square, (1.0, 1.0), (1.0, 0.0)]))
    assert [] == project_map.outline([(0.0, 0.0), (1.0, 1.0)])


@pytest.mark.parametrize("city", CITIES)
def test_map_has_every_place(client: TestClient, world: World, city: str) -> None:
    """Table, drawing and GeoJSON have the projects that say where they are."""
    expected = sql(
        "SELECT project_id, lon, lat FROM read_parquet(?)"
        " WHERE lat IS NOT NULL AND lon IS NOT NULL ORDER BY 1",
        parquet(world, f"{city}/projects"),
    )
    answer = client.get(f"/en/projects/map.geojson?city={city}").json()
    points = [
        (one["properties"]["project_id"], *one["geometry"]["coordinates"])
        for one in answer["features"]
        if one["geometry"]["type"] == "Point"
    ]
    text = client.get(f"/fa/projects/map?city={city}").text
    drawn = text[text.index('<svg class="drawing map') : text.index("</svg></div>")]

    assert expected == sorted(points)
    assert len(expected) == drawn.count("<circle") + drawn.count("<rect")


def test_headlines_are_sums_over_cities(
    client: TestClient, world: World, releases: Releases
) -> None:
    """The front page sums what the cities publish, and links to the pages behind it."""
    ((setad,),) = sql(
        "SELECT count(DISTINCT contract_id) FROM read_parquet(?)"
        " WHERE registered_setad",
        parquet(world, "kerman/contracts"),
    )
    found = {one["name"]: one["value"] for one in front.headlines(releases)}
    text = client.get("/en/").text

    assert setad == found["contracts_setad"]
    assert f">{found['projects_completed']}<" in text
    assert 'href="/en/projects"' in text
    assert 'href="/en/report/1' in text


def test_month_card_counts_the_month(releases: Releases) -> None:
    """The card has what the month brought; a younger network shows the present one."""
    azar, dey = Month.parse("1404-09"), Month.parse("1404-10")
    found = front.activity_of(releases, azar, dey)
    young = front.activity_of(releases, Month.parse("1404-01"), Month.parse("1404-08"))

    assert (azar, 0, 1, 0) == (
        found.month,
        found.published,
        found.changed,
        found.withdrawn,
    )
    assert "1404-08" == young.month.text
    assert 21 == young.published


def test_figures_are_computed_once_a_state(tmp_path: Path) -> None:
    """The reader is kept until something is published, then it reads anew."""
    world = make_world(tmp_path)
    app = create_app(world)
    reading = app.state.reading
    before = reading.newest(world)
    assert before is reading.newest(world)
    world.publish(
        "kerman", "org-units", "org_units", [], time="2025-10-25T08:00:00Z",
        title=("واحدها", "Units"),
    )  # fmt: skip

    assert before is not reading.newest(world)
    assert 1 == len(reading.newest(world).gather("org_units").releases)


def test_status_names_what_is_wrong(tmp_path: Path) -> None:
    """A quarantined log and a silent peer are told by name; else everything works."""
    world = make_world(tmp_path)
    client = TestClient(create_app(world))
    good = client.get("/en/status").text
    world.status = {
        "logs": [{"origin": "x.example/log", "city": "qom", "state": "quarantined"}],
        "peers": [{"name": "rasht", "error": {"fa": "خاموش", "en": "silent"}}],
    }
    bad = TestClient(create_app(world)).get("/en/status").text

    assert "Everything works" in good
    assert "with limits" in bad
    assert "Qom" in bad
    assert "rasht" in bad


def test_words_have_the_same_shape_in_both_languages() -> None:
    """The pages of prose have as many parts and lines in Persian as in English."""
    persian, english = prose("fa"), prose("en")

    assert set(PROSE) == set(persian) == set(english)
    for name in PROSE:
        assert [len(part["text"]) for part in persian[name]["part"]] == [
            len(part["text"]) for part in english[name]["part"]
        ]


def test_kept_pages_answer_as_new_ones(world: World) -> None:
    """A page that is kept has the bytes, conditions and theme of one that is made."""
    client = TestClient(create_app(world))
    first, second = client.get("/fa/systems"), client.get("/fa/systems")
    again = client.get("/fa/systems", headers={"If-None-Match": first.headers["etag"]})
    dark = client.get("/fa/systems", headers={"Cookie": "theme=dark"})

    assert first.content == second.content
    assert first.headers["etag"] == second.headers["etag"]
    assert 304 == again.status_code
    assert 'data-theme="dark"' in dark.text
    assert "private, no-cache" == dark.headers["cache-control"]
    assert [PAGE_CSP] == second.headers.get_list("content-security-policy")
    assert "fa" == second.headers["content-language"]


@pytest.mark.parametrize(("bound", "is_kept"), [(300, True), (299, False)])
def test_kept_pages_are_bounded(
    monkeypatch: pytest.MonkeyPatch, bound: int, is_kept: bool
) -> None:
    """The page that was not used for the longest time goes first."""
    monkeypatch.setattr("shahrdad.node.http.portal.keeping.PAGES_BYTES_MAX", bound)
    pages = Pages()
    for name in ("a", "b", "c"):
        pages.put(name, b"x" * 100)

    assert is_kept is (pages.get("a") is not None)
    assert pages.get("c") is not None


@pytest.mark.parametrize("language", ["fa", "en"])
def test_a_dataset_is_cited_and_leads_elsewhere(
    client: TestClient, language: str
) -> None:
    """Its page cites the version by an address that never changes, and names others."""
    page = client.get(f"/{language}/d/kerman/projects").text
    cited = page[page.index('id="cite"') :]

    assert "/d/kerman/projects/v/2" in cited
    for form in ("txt", "bib", "csl.json"):
        address = f"/v1/datasets/kerman/projects/v/2/citation.{form}"
        assert address in cited
        assert 200 == client.get(address).status_code
    for city in ("shiraz", "mashhad"):
        assert f'href="/{language}/d/{city}/projects"' in cited
    assert 'id="elsewhere"' not in client.get("/en/d/kerman/contracts").text


def test_each_filter_can_be_dropped(client: TestClient) -> None:
    """What is chosen stands above the list, each with a link that drops it alone."""
    page = client.get("/en/datasets?city=kerman&family=projects").text
    chosen = page[page.index('class="tags section-table"') :]
    chosen = chosen[: chosen.index("</p>")]
    links = re.findall(r'href="([^"]*)"', chosen)

    assert ["?family=projects", "?city=kerman"] == links
    assert "Kerman" in chosen
    assert 'class="tags section-table"' not in client.get("/en/datasets").text
