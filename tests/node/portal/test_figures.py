"""Figures over the cities, each computed again by DuckDB over the same Parquet."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from http_world import World, example_rows, make_world
from portal_world import CITIES, parquet
from shahrdad.node.analysis import (
    budget,
    counters,
    districts,
    duties,
    limits,
    projects,
    resolutions,
    scorecard,
    systems,
)
from shahrdad.node.analysis.releases import (
    Moment,
    Releases,
    Tables,
    conform,
    inputs_digest,
)
from shahrdad.node.analysis.share import Share, per

USES = (
    "side = 'use' AND NOT is_subtotal AND budget_scope = 'municipality'"
    " AND report_period = (SELECT any_value(report_period) FROM read_parquet(?))"
)


def sql(query: str, *paths: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query over Parquet files."""
    return duckdb.connect().execute(query, list(paths)).fetchall()


def budget_of(releases: Releases, city: str) -> budget.Statement:
    """Return a city's statement of 1404."""
    release = releases.gather("budget_lines", 1404).first(city)
    assert release is not None
    found = budget.statement(release)
    assert found is not None
    return found


@pytest.mark.parametrize("city", CITIES)
def test_budget_totals(world: World, releases: Releases, city: str) -> None:
    """Approved, amended, current and actual sums are those of the leaf lines."""
    path = parquet(world, f"{city}/budget-1404")
    expected = sql(
        "SELECT side, sum(approved_rial)::HUGEINT, sum(amended_rial)::HUGEINT,"
        " sum(coalesce(amended_rial, approved_rial))::HUGEINT,"
        " sum(actual_rial)::HUGEINT, count(*)"
        " FROM read_parquet(?) WHERE NOT is_subtotal GROUP BY side ORDER BY side",
        path,
    )
    found = []
    for side in ("source", "use"):
        sums = budget_of(releases, city).total(side)
        row = (side, sums.approved, sums.amended, sums.current, sums.actual, sums.lines)
        found.append(row)

    assert expected == found


@pytest.mark.parametrize(
    ("by", "column"),
    [
        ("class", "economic_class"),
        ("mission", "coalesce(mission_code, '')"),
        ("unit", "org_unit_id"),
        ("line", "line_code"),
    ],
)
def test_budget_parts(world: World, releases: Releases, by: str, column: str) -> None:
    """The parts of a side are its groups, the largest first, and add up to it."""
    path = parquet(world, "kerman/budget-1404")
    expected = sql(
        f"SELECT {column} AS key, sum(coalesce(amended_rial, approved_rial))::HUGEINT"
        f" AS total FROM read_parquet(?) WHERE {USES} GROUP BY key"
        " ORDER BY total DESC, key",
        path,
        path,
    )
    rows = budget_of(releases, "kerman").side("use")
    parts = budget.parts(rows, by)

    assert expected == [(part.key, part.amounts.current) for part in parts]
    assert budget.total(rows).current == sum(part.amounts.current for part in parts)


def test_smart_share(world: World, releases: Releases) -> None:
    """The narrow share has smart projects' lines, the wide one the mission's too."""
    lines = parquet(world, "kerman/budget-1404")
    known = parquet(world, "kerman/projects")
    ((narrow, wide, whole),) = sql(
        "WITH smart AS (SELECT project_id FROM read_parquet(?) WHERE is_smart_city),"
        " uses AS (SELECT *, coalesce(amended_rial, approved_rial) AS now"
        " FROM read_parquet(?) WHERE side='use' AND NOT is_subtotal"
        " AND NOT coalesce(is_intra_transfer, false))"
        " SELECT sum(now) FILTER (project_id IN (FROM smart))::HUGEINT,"
        " sum(now) FILTER (project_id IN (FROM smart)"
        " OR mission_code = 'management_smart')::HUGEINT, sum(now)::HUGEINT FROM uses",
        known,
        lines,
    )
    budgets = releases.gather("budget_lines", 1404).first("kerman")
    assert budgets is not None
    found = budget.smart_share(budgets, releases.gather("projects").first("kerman"))

    assert found is not None
    assert (Share(narrow, whole), Share(wide, whole)) == (found.narrow, found.wide)
    assert {"kerman/budget-1404", "kerman/projects"} == {
        one.ref for one in found.inputs
    }


def test_smart_share_of_the_worked_example() -> None:
    """Standards 9.3: consolidated says neither project nor mission, so 3 of 95."""
    blank = dict.fromkeys(budget.COLUMNS)
    line = {**blank, "report_period": "annual", "side": "use", "is_subtotal": False}
    ours = {**line, "budget_scope": "municipality"}
    rows = [
        {**ours, "approved_rial": 5, "is_intra_transfer": True},
        {
            **ours,
            "approved_rial": 3,
            "project_id": "P",
            "mission_code": "management_smart",
        },
        {**ours, "approved_rial": 42, "mission_code": "transport"},
        {**ours, "approved_rial": 50, "mission_code": "urban_services"},
        {**line, "budget_scope": "affiliates", "approved_rial": 20},
        {**line, "budget_scope": "consolidated", "approved_rial": 115},
    ]
    found = budget.smart_share(
        made("budget_lines", rows),
        made("projects", [{"project_id": "P", "is_smart_city": True}]),
    )

    assert found is not None
    assert (Share(3, 95), Share(3, 95), True, "municipality") == (
        found.narrow,
        found.wide,
        found.fell_back,
        found.scope,
    )
    assert "3.16" == str(found.narrow.percent())


def made(family: str, rows: Sequence[dict[str, Any]]) -> Any:
    """Return a release of rows that stand in no log."""
    from shahrdad.datasets.standards import load
    from shahrdad.node.analysis.releases import Release

    standard = load(family)
    table = conform(pa.Table.from_pylist(list(rows)), standard)
    return Release(
        "kerman", family, f"kerman/{family}", 1, 0, "2025-10-01T00:00:00Z", "00" * 32,
        "kerman.example/catalog", 1404, {}, False, table,
    )  # fmt: skip


def test_comparison(world: World, releases: Releases) -> None:
    """The capital share and the amount per resident are those of the leaf lines."""
    path = parquet(world, "shiraz/budget-1404")
    ((capital, whole),) = sql(
        "SELECT sum(coalesce(amended_rial, approved_rial))"
        " FILTER (economic_class = 'capital_asset_acquisition')::HUGEINT,"
        " sum(coalesce(amended_rial, approved_rial))::HUGEINT FROM read_parquet(?)"
        " WHERE side = 'use' AND NOT is_subtotal",
        path,
    )
    found = {
        one.city: one for one in budget.compare(releases.gather("budget_lines", 1404))
    }

    assert set(CITIES) == set(found)
    assert Share(capital, whole) == found["shiraz"].capital_share
    assert per(whole, 1_565_572) == found["shiraz"].per_resident
    assert found["shiraz"].cash_share is None  # every line says "mixed"


def test_systems_matrix(world: World, releases: Releases) -> None:
    """Each cell counts the systems that run; an unpublished city is not 0."""
    matrix = systems.matrix(releases.gather("active_systems"))
    for city in CITIES:
        expected = dict(
            sql(
                "SELECT business_area, count(*) FILTER (lifecycle_status IN"
                " ('operational', 'phasing_in', 'phasing_out')) FROM read_parquet(?)"
                " GROUP BY business_area",
                parquet(world, f"{city}/active-systems"),
            )
        )

        assert expected == {
            area: matrix.running(area, city)
            for area in matrix.areas
            if (area, city) in matrix.cells
        }
    assert matrix.running("revenue", "qom") is None


def test_duplicates(world: World, releases: Releases) -> None:
    """A product counts where two cities run it, with the costs of one year."""
    paths = [parquet(world, f"{city}/active-systems") for city in CITIES]
    expected = dict(
        duckdb.connect()
        .execute(
            "SELECT product_name, count(DISTINCT city_code) FROM read_parquet(?)"
            " WHERE disclosure = 'full' AND product_name IS NOT NULL AND"
            " lifecycle_status IN ('operational', 'phasing_in', 'phasing_out')"
            " GROUP BY product_name HAVING count(DISTINCT city_code) > 1",
            [paths],
        )
        .fetchall()
    )
    found = systems.duplicates(systems.systems(releases.gather("active_systems")))

    assert expected == {one.name: len(one.cities) for one in found}
    for one in found:
        values = sorted(one.costs.values())
        assert one.spread is None or one.spread * values[0] == values[-1]


def test_delays(world: World, releases: Releases) -> None:
    """Days late follow rule P15 on the day that the release speaks of."""
    found = projects.projects(releases.gather("projects"))
    for city in CITIES:
        expected = sql(
            "SELECT project_id, as_of_date - planned_end_date AS days"
            " FROM read_parquet(?) WHERE status IN ('implementation', 'suspended')"
            " AND planned_end_date < as_of_date ORDER BY project_id",
            parquet(world, f"{city}/projects"),
        )
        late = [(one.key, one.days_late) for one in found if one.city == city]

        assert expected == sorted((key, days) for key, days in late if days)


def test_promises_keep_what_was_said_before(releases: Releases) -> None:
    """The history of a project has each release that said something new."""
    found = projects.promises(releases, "kerman/projects")

    assert [1, 2] == [one.version for one in found["P-1400-041"]]
    assert found["P-1400-041"][0].planned_end != found["P-1400-041"][1].planned_end
    assert date(2026, 6, 15) == found["P-1400-041"][1].planned_end
    assert [1] == [one.version for one in found["P-1402-002"]]


def test_counters(world: World, releases: Releases) -> None:
    """Counters follow their rules; a city without the family has None, never 0."""
    gathered = {family: releases.gather(family) for family in counters.FAMILIES}
    found = {(one.name, one.city): one for one in counters.counters(gathered)}
    ((setad,),) = sql(
        "SELECT count(DISTINCT contract_id) FROM read_parquet(?)"
        " WHERE registered_setad",
        parquet(world, "kerman/contracts"),
    )
    ((sites,),) = sql(
        "SELECT count(*) FROM read_parquet(?) WHERE site_status = 'active'",
        parquet(world, "kerman/work-sites"),
    )

    assert setad == found["contracts_setad", "kerman"].value
    assert sites == found["work_sites_active", "kerman"].value
    assert 34 == found["projects_completed", "kerman"].value
    assert (130, 20) == (
        found["ideas_submitted", "mashhad"].value,
        found["ideas_selected", "mashhad"].value,
    )
    assert found["contracts_setad", "mashhad"].value is None
    assert found["contracts_setad", "mashhad"].input is None


def test_equity(world: World, releases: Releases) -> None:
    """Each district has its own sums; what names no district is told."""
    found = districts.equity(
        "kerman",
        releases.gather("projects").first("kerman"),
        releases.gather("work_sites").first("kerman"),
        releases.gather("budget_lines", 1404).first("kerman"),
    )
    expected = sql(
        "SELECT district_no, sum(coalesce(amended_rial, approved_rial))::HUGEINT"
        " FROM read_parquet(?) WHERE district_no > 0 AND side = 'use'"
        " AND economic_class = 'capital_asset_acquisition' GROUP BY 1 ORDER BY 1",
        parquet(world, "kerman/budget-1404"),
    )

    assert found is not None
    assert expected == [(one.number, one.capital) for one in found.districts]
    assert found.placeless["capital"].numerator > 0
    assert {} == found.ratio  # no population of districts is published


def test_resolutions(world: World, releases: Releases) -> None:
    """What is open is counted by body, overdue by the day of the question."""
    gathered = releases.gather("resolutions")
    found = resolutions.follow(gathered, date(2025, 11, 25))
    ((number,),) = sql(
        "SELECT count(*) FROM read_parquet(?) WHERE status IN ('open', 'in_progress')",
        parquet(world, "mashhad/resolutions"),
    )

    assert number == sum(one.number for one in found.counts) > 0


def test_scorecard(world: World, releases: Releases) -> None:
    """The ICT organisation's figures carry their two numbers; missing ones are None."""
    families = ("org_units", "active_systems", "projects", "permit_stats")
    gathered = {family: releases.gather(family) for family in families}
    card = scorecard.scorecard("kerman", gathered, None, [])
    ((unit,),) = sql(
        "SELECT org_unit_id FROM read_parquet(?) WHERE ict_org",
        parquet(world, "kerman/org-units"),
    )
    ((count, with_api),) = duckdb.connect().execute(
        "SELECT count(*), count(*) FILTER (has_api) FROM read_parquet(?)"
        " WHERE lifecycle_status = 'operational' AND ? IN"
        " (owner_unit_id, custodian_unit_id)",
        [parquet(world, "kerman/active-systems"), unit],
    ).fetchall()  # fmt: skip

    assert (count, Share(with_api, count)) == (card.systems, card.with_api)
    assert card.online_pct is None
    assert card.on_time is None


def test_duties_of_a_half_year(releases: Releases) -> None:
    """A half-year's statement is met by performance of that half or later, in time."""
    judged = duties.judge(releases, date(2026, 5, 1), date(2025, 10, 26))
    found = {(one.city, one.due.duty, one.due.period): one for one in judged}
    second = found["kerman", "art71-h2", "h2"]

    assert (date(2026, 4, 4), "missing", 27) == (
        second.due.due,
        second.state,
        second.days,
    )
    # Shiraz published the performance of the first half alone.
    assert "missing" == found["shiraz", "art71-h2", "h2"].state
    # What fell due before the first publication is not judged.
    assert not [one for one in judged if one.due.due < date(2025, 10, 25)]


def test_duty_met_and_late() -> None:
    """The day of the earliest version that covers the period decides."""
    due = next(one for one in duties.dues(1404) if one.duty == "art71-h1")
    row = {
        **dict.fromkeys(budget.COLUMNS),
        "budget_stage": "performance",
        "report_period": "h1",
    }

    assert date(2025, 10, 7) == due.due
    assert duties.covers(made("budget_lines", [row]), due)
    assert not duties.covers(
        made("budget_lines", [{**row, "budget_stage": "approved"}]), due
    )
    assert not duties.covers(
        made("budget_lines", [{**row, "report_period": "q1"}]), due
    )


def test_moment_hides_what_came_later(world: World, releases: Releases) -> None:
    """A reader of a moment sees neither later times nor entries above a log's size."""
    origin = "kerman.example/catalog"
    sizes = {origin: world.frontiers[origin].size}
    before = Moment("2025-11-01T00:00:00Z", sizes, ("kerman",))
    short = Moment("2026-11-01T00:00:00Z", {origin: 3}, ("kerman",))

    assert [1] == [
        one.version for one in releases.at(before).gather("projects").releases
    ]
    assert [2] == [one.version for one in releases.gather("projects").of("kerman")]
    assert 2 == sum(
        len(releases.at(short).gather(family).releases)
        for family in ("org_units", "projects", "budget_lines")
    )


def test_quarantined_and_foreign_are_left_out_by_name(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A quarantined log counts nowhere, and the page can say why."""
    world = make_world(tmp_path_factory.mktemp("quarantine"))
    world.publish(
        "rasht", "active-systems", "active_systems",
        example_rows("active_systems", "rasht"),
        time="2025-11-18T06:00:00Z", title=("س", "S"),
    )  # fmt: skip
    world.status = {
        "logs": [
            {"origin": "rasht.example/catalog", "city": "rasht", "state": "quarantined"}
        ]
    }
    found = Releases(world).gather("active_systems")

    assert () == found.releases
    assert [("rasht", "quarantined")] == [
        (one.city, one.cause) for one in found.excluded
    ]
    assert ("kerman", "rasht") == found.cities


@pytest.mark.parametrize(("rows_max", "counted"), [(29, True), (28, False)])
def test_tables_above_the_bound_are_left_out(
    world: World, monkeypatch: pytest.MonkeyPatch, rows_max: int, counted: bool
) -> None:
    """A table above the bound is named as left out, on both sides of the bound."""
    monkeypatch.setattr("shahrdad.node.analysis.releases.TABLE_ROWS_MAX", rows_max)
    found = Releases(world, tables=Tables()).gather("active_systems")

    assert counted is bool(found.releases)
    assert counted is not bool(
        [one for one in found.excluded if one.cause == "too_large"]
    )


def test_kept_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest tables go when the bound is passed, and none above it is kept."""
    table = pa.table({"a": pa.array(range(100), pa.int64())})
    monkeypatch.setattr(
        "shahrdad.node.analysis.releases.CACHE_BYTES_MAX", 2 * table.nbytes
    )
    tables = Tables()
    for name in ("a", "b", "c"):
        tables.put(name, table)

    assert [None, True, True] == [
        None if tables.get(name) is None else True for name in ("a", "b", "c")
    ]
    assert limits.CACHE_BYTES_MAX > 0


def test_inputs_digest_ignores_order(releases: Releases) -> None:
    """The digest of inputs pins which versions were used, in whatever order."""
    inputs = releases.gather("projects").inputs

    assert inputs_digest(inputs) == inputs_digest(inputs[::-1])
    assert inputs_digest(inputs) != inputs_digest(inputs[1:])
