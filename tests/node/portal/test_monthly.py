"""The monthly report: from checkpoints alone, the same on every node, explained."""

import json
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest

from demo_tables import rows_of
from http_world import World
from portal_world import CITIES, make_portal_world, publish
from shahrdad.datasets.demo_set import demo_datasets
from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.node.analysis import checkpoints, monthly, workbook
from shahrdad.node.analysis.month import Month
from shahrdad.node.commands.report import compare

NOW = datetime(2026, 1, 10, tzinfo=UTC)
AZAR = Month.parse("1404-09")
ABAN = Month.parse("1404-08")


@pytest.fixture(scope="module")
def azar(world: World) -> dict[str, object]:
    """The report of Azar 1404, in which Kerman changed its projects."""
    return monthly.compute(world, AZAR, NOW)


def test_month_bounds() -> None:
    """A month begins and ends at midnight in Tehran."""
    assert ("2025-10-22T20:30:00Z", "2025-11-21T20:29:59Z") == (ABAN.start, ABAN.end)
    assert (date(2025, 10, 23), date(2025, 11, 21)) == (ABAN.first, ABAN.last)
    assert ("1404-07", "1405-01") == (ABAN.before.text, Month(1404, 12).after.text)


@pytest.mark.parametrize(
    "text", ["1404-8", "1404-13", "2025-08", "۱۴۰۴-۰۸", "1404", ""]
)
def test_month_is_written_one_way(text: str) -> None:
    """A month has one spelling, so that a report has one address."""
    with pytest.raises(RequestError) as caught:
        Month.parse(text)

    assert Reason.MONTH_UNKNOWN == caught.value.reason


def test_a_month_to_come_has_no_report(world: World) -> None:
    """Nothing is reported before it began."""
    with pytest.raises(RequestError) as caught:
        monthly.compute(world, Month.parse("1404-11"), NOW)

    assert Reason.MONTH_UNKNOWN == caught.value.reason


def test_another_node_computes_the_same_bytes(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A node that holds more makes the same report of a month."""
    other = make_portal_world(tmp_path_factory.mktemp("other"))
    later = next(one for one in demo_datasets() if one.family == "studies")
    publish(other, later, "2025-12-25T08:00:00Z")
    ours = monthly.content(monthly.compute(world, AZAR, NOW))
    theirs = monthly.content(
        monthly.compute(other, AZAR, datetime(2026, 5, 1, tzinfo=UTC))
    )

    assert ours == theirs
    assert ours == monthly.content(monthly.recompute(other, json.loads(ours)))


def test_checkpoints_must_be_held(world: World) -> None:
    """A report that stands on another root, or on more, is not computed here."""
    report = json.loads(monthly.content(monthly.compute(world, ABAN, NOW)))
    wrong_root = json.loads(json.dumps(report))
    wrong_root["checkpoints"][0]["root"] = "00" * 32
    ahead = json.loads(json.dumps(report))
    ahead["checkpoints"][0]["size"] += 1000
    for spoilt in (wrong_root, ahead):
        with pytest.raises(RequestError) as caught:
            monthly.recompute(world, spoilt)

        assert Reason.CHECKPOINT_NOT_HELD == caught.value.reason
    with pytest.raises(RequestError):
        monthly.recompute(world, {**report, "checkpoints": [{"origin": "x"}]})


def test_checkpoints_are_those_of_the_month(world: World) -> None:
    """A log's size is that after its last entry of the month, not today's."""
    aban = {one.city: one.size for one in checkpoints.checkpoints(world, ABAN.end)}
    azar = {one.city: one.size for one in checkpoints.checkpoints(world, AZAR.end)}

    assert set(CITIES) == set(aban)
    assert aban["kerman"] + 1 == azar["kerman"]
    assert aban["shiraz"] == azar["shiraz"]
    assert () == checkpoints.checkpoints(world, "2025-01-01T00:00:00Z")


def test_activity_and_deltas(azar: dict[str, object]) -> None:
    """The month tells what was published and changed, and figures against the last."""
    activity = {one["city"]: one for one in azar["activity"]}  # type: ignore[attr-defined]
    counters = {
        (one["name"], one["city"]): one
        for one in azar["counters"]  # type: ignore[attr-defined]
    }

    assert (0, 1, 0) == tuple(
        activity["kerman"][name] for name in ("published", "changed", "withdrawn")
    )
    assert (0, 0) == tuple(
        activity["shiraz"][name] for name in ("published", "changed")
    )
    assert "0" == counters["projects_completed", "kerman"]["delta"]
    assert counters["contracts_setad", "mashhad"]["value"] is None


def test_every_figure_names_its_versions(azar: dict[str, object]) -> None:
    """Each input of a figure is among the report's, with number and digest."""
    listed = [tuple(one.values()) for one in azar["inputs"]]  # type: ignore[attr-defined]

    def inputs(part: object) -> list[dict[str, object]]:
        if isinstance(part, dict):
            own = part.get("inputs") or []
            return [*own, *(one for value in part.values() for one in inputs(value))]
        if isinstance(part, list):
            return [one for item in part for one in inputs(item)]
        return []

    used = {
        tuple(one.values())
        for name, part in azar.items()
        if name != "inputs"
        for one in inputs(part)
        if isinstance(one, dict)
    }
    assert used
    assert used <= set(listed)


def test_what_is_missing_is_told(azar: dict[str, object]) -> None:
    """A city without a family stands among what was not computed."""
    gaps = {
        (one["family"], one["city"])
        for one in azar["not_computed"]  # type: ignore[attr-defined]
        if one["cause"] == "not_published"
    }

    assert {("contracts", "mashhad"), ("ideas", "kerman")} <= gaps
    assert ("projects", "kerman") not in gaps


def test_workbook_has_every_part(azar: dict[str, object]) -> None:
    """The workbook has a sheet for each part, and the figures as numbers."""
    file = BytesIO()
    workbook.write(azar, file, "en")
    book = openpyxl.load_workbook(BytesIO(file.getvalue()))
    sheet = book["Counters"]
    head = [cell.value for cell in sheet[1]]
    rows = [dict(zip(head, row, strict=True)) for row in sheet.values][1:]
    completed = next(
        row
        for row in rows
        if (row["name"], row["city"]) == ("projects_completed", "kerman")
    )

    assert [one[1] for one in workbook.SHEETS.values()] == book.sheetnames
    assert 34 == completed["value"]


@pytest.mark.parametrize(
    ("text", "is_number"),
    [("1", True), ("-2.5", True), ("9" * 15, True), ("9" * 16, False), ("0123", False)],
)
def test_numbers_that_excel_would_change_stay_text(text: str, is_number: bool) -> None:
    """Sixteen digits and leading zeros are text: a float would alter them."""
    assert is_number is workbook.numeric(text)


def test_a_report_that_differs_is_refused(
    azar: dict[str, object], tmp_path: Path
) -> None:
    """Computing again tells which part differs."""
    path = tmp_path / "report.json"
    path.write_bytes(monthly.content(azar))
    compare(monthly.content(azar), path)
    path.write_bytes(monthly.content({**azar, "budget_year": 1403}))
    with pytest.raises(PeerError) as caught:
        compare(monthly.content(azar), path)

    assert Reason.REPORT_DIFFERS == caught.value.reason
    assert "budget_year" == caught.value.values["parts"]


def test_the_world_holds_the_demonstration(world: World) -> None:
    """The tables under these tests are the demonstration's files."""
    projects = next(
        one
        for one in demo_datasets()
        if (one.city, one.family) == ("kerman", "projects")
    )

    assert len(rows_of(projects)) == world.catalog.get("kerman/projects").rows
