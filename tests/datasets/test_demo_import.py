"""The demonstration's files pass the real import and the rules of their standard."""

from pathlib import Path
from typing import Any

import pytest

from shahrdad.datasets.demo_set import DemoDataset, demo_datasets, release_date
from shahrdad.datasets.standards import cases, examples, families
from shahrdad.validators import Report, validate


def imported(
    dataset: DemoDataset, refs: dict[str, Path], parquet: Path | None = None
) -> Report:
    """Validate one file with its profile, as the node does before it publishes."""
    return validate(
        dataset.path,
        schema=dataset.family,
        profile=dataset.profile,
        refs=dict(refs),
        context={
            "city_code": dataset.city_code,
            "release_date": release_date(),
            "declared": dataset.declared,
        },
        parquet=parquet,
    )


def outcomes(report: Report) -> dict[str, Any]:
    """Return the outcome of each rule by id."""
    return {rule["id"]: rule for rule in report.to_dict()["shahrdad"]["rules"]}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[DemoDataset, Report]:
    """Every file imported once, in publishing order, with the tables before it."""
    folder = tmp_path_factory.mktemp("demo")
    refs: dict[str, dict[str, Path]] = {}
    found = {}
    for dataset in demo_datasets():
        known = refs.setdefault(dataset.city, {})
        path = folder / f"{dataset.city}-{dataset.path.stem}.parquet"
        report = imported(
            dataset, known, path if dataset.expect == "published" else None
        )
        if report.valid:
            known[dataset.family] = path
        found[dataset] = report
    return found


def test_every_file_is_published_or_refused_as_meant(
    reports: dict[DemoDataset, Report],
) -> None:
    """No good file has an error, or a warning beside those that are meant."""
    for dataset, report in reports.items():
        said = {issue.code for issue in report.issues}
        if dataset.expect == "published":
            assert report.valid, (dataset.path.name, said)
            assert 0 == report.error_count
            assert said <= {"rule:G9", "rule:P15", "rule:S9", "rule:D10", "row-skipped"}
            assert dataset.slug != "resolutions" or "rule:D10" in said


def test_the_bad_file_reports_exactly_what_was_planted(
    reports: dict[DemoDataset, Report],
) -> None:
    """Ten errors, each in its row, with its code."""
    (bad,) = [dataset for dataset in reports if dataset.expect == "refused"]
    report = reports[bad]
    errors = [(i.row, i.code) for i in report.issues if i.severity == "error"]

    assert not report.valid
    assert sorted((e["row"], e["code"]) for e in bad.expect_errors) == sorted(errors)
    for issue in report.issues:
        assert "۰۹۱۲۳۴۵۶۷۸۹" not in str(issue.value)


def test_announced_figures_were_compared(reports: dict[DemoDataset, Report]) -> None:
    """The control totals are judged, and hold."""
    judged = []
    for dataset, report in reports.items():
        if dataset.expect == "refused":
            continue
        rules = outcomes(report)
        for rule_id in {"B18", "P18", "W10", "C14", "I5", "I6"} & set(rules):
            if dataset.declared:
                judged.append(rule_id)
                assert "passed" == rules[rule_id]["outcome"], (dataset.slug, rule_id)

    assert ["B18", "C14", "I5", "I6", "P18", "P18", "W10"] == sorted(judged)


@pytest.mark.parametrize("family", families())
def test_the_example_of_a_standard_passes_it(family: str) -> None:
    """The rows of the sample city are valid under every rule."""
    context = cases(family)["context"]
    code = context["city_code"].get(family, context["city_code"]["default"])
    report = validate(
        examples(family),
        schema=family,
        profile={"calendar": "gregorian", "money_unit": "rial"},
        context={"city_code": code, "release_date": context["release_date"]},
    )

    assert report.valid
    assert 0 == report.error_count
