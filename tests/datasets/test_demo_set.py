"""The demonstration's data obey their standards, and never pass for a city's own."""

import csv
import hashlib
import json
import re
from collections import defaultdict
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from demo_tables import rows_of
from shahrdad.datasets import codelists, demo_set, standards
from shahrdad.datasets.demo_set import DemoDataset, demo_datasets
from shahrdad.datasets.jalali import from_gregorian
from shahrdad.datasets.standards import load
from shared_data import SHARED, needs_shared

Rows = list[dict[str, Any]]
GOOD = [dataset for dataset in demo_datasets() if dataset.expect == "published"]


@cache
def table(dataset: DemoDataset) -> Rows:
    """Return the typed rows of a file, read once."""
    return rows_of(dataset)


@cache
def family_of(city: str, family: str) -> Rows:
    """Return the published rows of a family of a city; none where there is no table."""
    found = [d for d in GOOD if (d.city, d.family) == (city, family)]
    return table(found[0]) if found else []


def named(dataset: DemoDataset) -> str:
    """Return a dataset's name in reports."""
    return f"{dataset.city}/{dataset.path.name}"


def test_three_cities_publish_what_is_mandatory() -> None:
    """Each has budget, systems, projects and units; the forum has its resolutions."""
    families: dict[str, set[str]] = defaultdict(set)
    for dataset in GOOD:
        families[dataset.city].add(dataset.family)
    needed = {"budget_lines", "active_systems", "projects", "org_units"}

    assert {"kerman", "shiraz", "mashhad", "forum"} == set(families)
    assert all(needed <= families[city] for city in ("kerman", "shiraz", "mashhad"))
    assert {"resolutions"} == families["forum"]
    assert set(standards.families()) == {dataset.family for dataset in GOOD}


@pytest.mark.parametrize("dataset", demo_datasets(), ids=named)
def test_invented_data_say_so(dataset: DemoDataset) -> None:
    """An example is called one in both languages; the rest names its source."""
    assert dataset.example == ("نمونه" in dataset.title_fa)
    assert dataset.example == ("Example" in dataset.title_en)
    assert dataset.example == ("ساختگی" in dataset.description_fa)
    assert dataset.example == ("Invented" in dataset.description_en)
    assert dataset.sources
    city = codelists.city(dataset.city)
    assert city is not None
    assert city.code == dataset.city_code
    assert dataset.path.is_file()
    assert re.fullmatch("[a-z0-9][a-z0-9-]*", dataset.slug)
    assert (dataset.fiscal_year is None) == (dataset.family != "budget_lines")


@pytest.mark.parametrize("dataset", GOOD, ids=named)
def test_cells_fit_their_columns(dataset: DemoDataset) -> None:
    """Nothing required is empty, and codes, numbers and dates are what they must be."""
    standard = load(dataset.family)
    for row in table(dataset):
        assert dataset.city_code == row["city_code"]
        for field in standard.fields:
            cell, limits = row[field.name], field.constraints
            if cell is None:
                assert not field.required, field.name
                continue
            if "enum" in limits:
                assert cell in limits["enum"], field.name
            if "pattern" in limits:
                assert re.fullmatch(limits["pattern"], cell), field.name
            if field.type in {"integer", "number"}:
                assert (
                    limits.get("minimum", cell) <= cell <= limits.get("maximum", cell)
                )
            if field.type == "date":
                assert cell.isoformat() >= limits["minimum"]
            if field.format == "uri":
                assert cell.startswith("https://")


@pytest.mark.parametrize("dataset", GOOD, ids=named)
def test_keys_are_complete_and_unique(dataset: DemoDataset) -> None:
    """Rule G2."""
    standard = load(dataset.family)
    keys = [tuple(row[name] for name in standard.primary_key) for row in table(dataset)]

    assert keys
    assert len(keys) == len(set(keys))
    assert all(part is not None for key in keys for part in key)


@pytest.mark.parametrize("dataset", GOOD, ids=named)
def test_references_lead_to_rows(dataset: DemoDataset) -> None:
    """Every unit, project, system and line that a row names is in its table."""
    for rule in load(dataset.family).rules:
        if rule.name != "reference-exists":
            continue
        params = rule.params
        other = family_of(dataset.city, params["family"])
        known = {row[params["column2"]] for row in other}
        for row in table(dataset) if other else []:
            cell = row[params["column"]]
            parts = (cell or "").split(params.get("separator", "\0"))
            assert set(parts) - {""} <= known, (rule.id, cell)


@pytest.mark.parametrize(
    "dataset", [d for d in GOOD if d.family == "budget_lines"], ids=named
)
def test_budgets_balance_and_fit_the_population(dataset: DemoDataset) -> None:
    """Rules B1, B3, B4, B5 and B7."""
    rows = table(dataset)
    sums = {
        side: sum(row["approved_rial"] for row in rows if row["side"] == side)
        for side in ("source", "use")
    }
    city = codelists.city(dataset.city)
    band = codelists.code_list("per_capita_band").row("1404")

    assert sums["source"] == sums["use"]
    assert city is not None
    assert city.population is not None
    assert band is not None
    assert (
        int(band["low_rial"]) <= sums["use"] / city.population <= int(band["high_rial"])
    )
    pairs = load("budget_lines").rule("B5").params["pairs"]
    for row in rows:
        assert row["economic_class"] in pairs[row["side"]]
        if row["amended_rial"] is not None:
            assert row["amended_rial"] == row["approved_rial"] + row["supplement_rial"]
        if row["actual_rial"] is not None:
            assert row["actual_rial"] <= row["amended_rial"]
        if row["budget_stage"] == "performance":
            assert row["actual_rial"] is not None


@pytest.mark.parametrize(
    "dataset", [d for d in GOOD if d.family == "projects"], ids=named
)
def test_projects_are_consistent(dataset: DemoDataset) -> None:
    """Rules P1 to P9, P11, P12 and P14."""
    done = {"completion", "maintenance"}
    for row in table(dataset):
        begin, end = row["start_date"], row["actual_end_date"]
        assert (row["status"] in done) == (end is not None)
        if end is not None:
            assert 100 == row["physical_progress"]
            assert begin <= end <= row["as_of_date"]
        if begin is not None:
            assert row["approval_date"] <= begin
            assert begin <= row["planned_end_date"]
        if row["spent_total_rial"] is not None:
            spent = row["spent_before_rial"] + row["spent_year_rial"]
            assert spent == row["spent_total_rial"]
            share = Decimal(100 * spent) / row["budget_rial"]
            assert abs(share - row["financial_progress"]) <= 1
            assert share <= 125
        assert (row["lat"] is None) == (row["lon"] is None)
        if row["is_smart_city"] == "true" and row["status"] in done:
            assert row["lessons_fa"]


def test_systems_tell_what_their_disclosure_asks() -> None:
    """Rules S1 to S5, S10 and S12."""
    empty = load("active_systems").rule("S4").params["columns"]
    for city in ("kerman", "shiraz", "mashhad"):
        for row in family_of(city, "active_systems"):
            assert (row["lifecycle_status"] == "retired") == (
                row["retire_date"] is not None
            )
            assert len(row["function_fa"]) >= 20
            if row["disclosure"] == "name_only":
                assert all(row[name] is None for name in empty)
            else:
                assert row["vendor_name"] or row["acquisition"] == "in_house"
                assert row["data_categories"]
            if row["reuse_offer"] == "code":
                assert row["source_url"]
                assert row["license"] in codelists.code_list("spdx").values
            if row["yearly_cost_rial"] is not None:
                assert 1404 == row["cost_fiscal_year"]


def test_permits_add_up_and_hide_small_counts() -> None:
    """Rules R1, R3, R4 and R5."""
    rows = family_of("shiraz", "permit_stats")
    groups: dict[Any, Rows] = defaultdict(list)
    for row in rows:
        groups[row["service_code"], row["period_start"]].append(row)
        closed = row["completed"] + row["rejected"]
        assert row["open_at_end"] == row["open_at_start"] + row["received"] - closed
        assert (1, 31) == (
            from_gregorian(row["period_start"])[2],
            from_gregorian(row["period_end"])[2],
        )

    assert 8 == len(groups)
    for group in groups.values():
        (whole,) = [row for row in group if row["district_no"] == 0]
        parts = [row for row in group if row["district_no"] != 0]
        assert 11 == len(parts)
        for name in load("permit_stats").rule("R3").params["columns"]:
            assert whole[name] == sum(part[name] for part in parts)
            assert not any(1 <= part[name] <= 4 for part in parts if "open" not in name)


def test_announced_figures_come_out() -> None:
    """The control totals: 34 projects, 85 sites, 63 contracts, 130 and 20 ideas."""
    done = [
        row
        for row in family_of("kerman", "projects")
        if row["actual_end_date"] and from_gregorian(row["actual_end_date"])[0] == 1404
    ]
    sites = [
        r for r in family_of("kerman", "work_sites") if r["site_status"] == "active"
    ]
    contracts = {
        row["contract_id"]
        for row in family_of("kerman", "contracts")
        if row["registered_setad"] == "true"
    }
    ideas = family_of("mashhad", "ideas")
    uses = [
        row["approved_rial"]
        for row in family_of("kerman", "budget_lines")
        if row["side"] == "use"
    ]

    assert 34 == len(done)
    assert 85 == len(sites)
    assert 63 == len(contracts)
    assert 130 == len(ideas)
    assert list(range(1, 21)) == sorted(
        r["rank"] for r in ideas if r["rank"] is not None
    )
    assert 12 * 10**12 * 10 == sum(uses)
    declared = {k: v for d in GOOD if d.city != "shiraz" for k, v in d.declared.items()}
    assert {
        "projects_completed": "34",
        "work_sites_active": "85",
        "contracts_setad": "63",
        "ideas_submitted": "130",
        "ideas_selected": "20",
        "budget_municipality_rial": "۱۲ هزار میلیارد تومان",
    } == declared


def test_contracts_keep_their_identities() -> None:
    """Rules C1, C5, C6, C7 and C10."""
    numbers: dict[str, set[str]] = defaultdict(set)
    amendments: dict[str, list[int]] = defaultdict(list)
    weights = (29, 27, 23, 19, 17, 29, 27, 23, 19, 17)
    for row in family_of("kerman", "contracts"):
        amendments[row["contract_id"]].append(int(row["amendment_no"]))
        if row["setad_no"]:
            numbers[row["setad_no"]].add(row["contract_id"])
        if row["cash_rial"] is not None:
            assert row["amount_rial"] == row["cash_rial"] + row["noncash_rial"]
        if digits := row["supplier_id"]:
            shift = int(digits[9]) + 2
            total = sum(
                (shift + int(digit)) * weight
                for digit, weight in zip(digits, weights, strict=False)
            )
            assert int(digits[10]) == total % 11 % 10

    assert all(len(owners) == 1 for owners in numbers.values())
    assert all(sorted(n) == list(range(len(n))) for n in amendments.values())


def test_the_rasht_statement_keeps_both_lists() -> None:
    """Five items on culture and seventeen on the smart city, each from 1."""
    rows = family_of("forum", "resolutions")
    items = [(int(row["section_no"]), int(row["item_no"])) for row in rows]

    assert [(1, n) for n in range(1, 6)] + [(2, n) for n in range(1, 18)] == items
    assert all(row["session_date"] is None for row in rows)
    assert {"1129"} == {row["host_city"] for row in rows}


@needs_shared
def test_texts_are_quoted_as_published() -> None:
    """Figures and items stand in the source texts as they are given here."""
    seeds = "\n".join(
        path.read_text("utf-8") for path in sorted((SHARED / "seeds").glob("*.txt"))
    )
    published = " ".join(seeds.replace("\u00a0", " ").split())
    for row in family_of("forum", "resolutions"):
        assert row["text_fa"] in published
    for figure in demo_set.texts()["figures"]:
        if ":" not in figure["text"]:
            assert figure["text"] in published, figure["text"]


def test_inconsistencies_of_the_texts_are_reported() -> None:
    """Date, missing currency and sixth domain are named, in both languages."""
    findings = {item["id"]: item for item in demo_set.texts()["findings"]}
    budget = next(f for f in demo_set.texts()["figures"] if f["id"] == "KER-5")

    assert {"TXT-1", "TXT-2", "TXT-3", "TXT-4", "TXT-5", "TXT-6"} == set(findings)
    assert all(item["fa"] and item["en"] for item in findings.values())
    assert budget["unit"] is None
    assert [True, False] == [reading["in_band"] for reading in budget["readings"]]


def test_the_bad_file_has_ten_kinds_of_errors() -> None:
    """Each planted error stands in its cell, with a reason in both languages."""
    (bad,) = [dataset for dataset in demo_datasets() if dataset.expect == "refused"]
    codes = [error["code"] for error in bad.expect_errors]

    assert 10 == len(set(codes)) == len(codes)
    assert bad.profile is not None
    headers = {c["to"]: c["from"] for c in bad.profile["columns"] if "from" in c}
    with bad.path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    for error in bad.expect_errors:
        column = lines[0].index(headers[error["field"]])
        assert error["cell"] == lines[error["row"] - 1][column]
        assert error["why_fa"]
        assert error["why_en"]


def test_open_examples_name_licence_source_and_changes() -> None:
    """What others made is shipped as they allow, and unchanged since."""
    folder = demo_set.open_examples()
    package = json.loads((folder / "datapackage.json").read_text("utf-8"))
    files = {path.name for path in folder.iterdir()} - {"datapackage.json"}

    assert files == {resource["path"] for resource in package["resources"]}
    for resource in package["resources"]:
        content = (folder / resource["path"]).read_bytes()
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == resource["hash"]
        assert len(content) == resource["bytes"]
        assert resource["licenses"][0]["path"].startswith("https://")
        assert resource["sources"][0]["path"].startswith("https://github.com/")
        assert resource["shahrdad"]["attribution"]
        assert resource["shahrdad"]["changes"]


def test_units_that_the_shiraz_text_names() -> None:
    """Eleven districts, two deputies, the landscape organisation and the council."""
    path = demo_set.FOLDER / "texts" / "shiraz-org-units.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert list(load("org_units").field_names) == list(rows[0])
    assert 11 == sum(row["unit_type"] == "district" for row in rows)
    assert 1 == sum(row["unit_type"] == "municipality" for row in rows)
    assert 17 == len(rows)
