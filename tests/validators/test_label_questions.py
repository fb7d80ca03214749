"""Texts that name no code: found with their counts, with the nearest codes first."""

from dataclasses import replace

import pytest

from shahrdad.datasets.standards import load
from shahrdad.validators import Options, validate
from shahrdad.validators.importing import open_table
from shahrdad.validators.label_questions import ask, nearest
from shahrdad.validators.limits import DEFAULT
from shahrdad.validators.questions import Answers, Questions, to_profile, with_values

LINES = load("budget_lines")
HEADER = "کد ردیف,سمت,مرحله بودجه\n"
ROWS = (
    "1,منابع شهرداری,مصوب\n"
    "2,مصرف,مصوب\n"
    "3,منابع شهر\u0640داری,قانونی\n"
    "4,use,\n"
    "5,مصارف,settled\n"
)


def table_of(rows: str = ROWS, **profile: object) -> bytes:
    """Return a file of budget lines whose labels are a city's own."""
    return (HEADER + rows).encode()


def test_unknown_labels_are_counted_once_each() -> None:
    """Spellings of one key form are one question, with count and first row.

    Codes and their labels, empty cells included, are none.
    """
    found = ask(open_table(table_of(), standard=LINES), LINES.fields)

    assert [
        ("side", "منابع شهرداری", 2, 2),
        ("side", "مصرف", 1, 3),
        ("budget_stage", "قانونی", 1, 4),
    ] == sorted(
        ((one.field, one.label, one.count, one.row) for one in found),
        key=lambda one: (one[0] != "side", one[3]),
    )


def test_the_most_similar_code_comes_first() -> None:
    """All codes of the list are offered; nothing is taken however near it comes."""
    side = LINES.field("side")

    assert ["use", "source"] == [one.value for one in nearest("مصرف", side)]
    assert ["source", "use"] == [one.value for one in nearest("منابع شهرداری", side)]
    assert len(side.categories) == len(nearest("?", side))


def test_too_many_labels_are_no_labels() -> None:
    """A column with more unknown texts than the bound asks nothing; at it, it does."""
    at = replace(DEFAULT, labels_asked_max=2)
    below = replace(DEFAULT, labels_asked_max=1)

    def asked(limits: object) -> set[str]:
        table = open_table(table_of(), standard=LINES)
        return {one.field for one in ask(table, LINES.fields, limits)}  # type: ignore[arg-type]

    assert {"side", "budget_stage"} == asked(at)
    assert {"budget_stage"} == asked(below)


def test_missing_tokens_and_mapped_texts_are_no_questions() -> None:
    """What the profile says already is not asked: missing tokens and values."""
    profile = {
        "missing": ["قانونی"],
        "columns": [
            {"to": "line_code", "from": "کد ردیف"},
            {"to": "budget_stage", "from": "مرحله بودجه"},
            {"to": "side", "from": "سمت", "values": {"مصرف": "use"}},
        ],
    }
    table = open_table(table_of(), standard=LINES, profile=profile)

    assert ["منابع شهرداری"] == [one.label for one in ask(table, LINES.fields)]


def test_the_report_names_each_label_with_its_count() -> None:
    """Beside an error for each cell, one warning sums a text up, in both languages."""
    report = validate(table_of(), schema="budget_lines")
    found = [issue for issue in report.issues if issue.code == "label-unknown"]
    cells = [issue for issue in report.issues if issue.code == "value-enum"]
    (doubled,) = [issue for issue in found if issue.values["rows"] == 2]
    texts = [report.message(doubled, language) for language in ("fa", "en")]

    assert 4 == len(cells)
    assert {"warning"} == {issue.severity for issue in found}
    assert {"منابع شهرداری": 2, "مصرف": 1, "قانونی": 1} == {
        issue.value: issue.values["rows"] for issue in found
    }
    assert "source (منابع" in texts[0]
    assert "source (منابع" in texts[1]
    assert "۲" in texts[0]
    assert "2" in texts[1]
    assert "--value" in report.explainer.fix(found[0], "en")


def test_a_process_of_its_own_reports_the_same() -> None:
    """A file from outside, judged in a worker, has its labels summed up too."""
    options = Options(isolate=True)
    report = validate(table_of(), schema="budget_lines", options=options)
    found = {
        issue.value: issue.values["rows"]
        for issue in report.issues
        if issue.code == "label-unknown"
    }

    assert {"منابع شهرداری": 2, "مصرف": 1, "قانونی": 1} == found


def test_a_report_without_unknown_labels_sums_nothing_up() -> None:
    """Refused cells of other columns are no labels."""
    report = validate(table_of("x y,source,approved\n"), schema="budget_lines")

    assert "label-unknown" not in {issue.code for issue in report.issues}


@pytest.mark.parametrize("values", [{}, {"side": {"مصرف": "source"}}])
def test_answers_about_labels_are_part_of_the_profile(
    values: dict[str, dict[str, str]],
) -> None:
    """The answer goes to the column's value map; a later one wins, others stay."""
    answers = Answers(values={"side": {"مصرف": "use"}})
    certain = {"کد ردیف": "line_code", "سمت": "side"}
    made = to_profile("p", "budget_lines", "1.0.0", list(certain), certain, answers, {})
    changed = with_values(made, values)
    by_field = {rule["to"]: rule.get("values") for rule in changed["columns"]}

    assert {"مصرف": "source" if values else "use"} == by_field["side"]
    assert by_field["line_code"] is None


def test_questions_as_json_hold_the_labels() -> None:
    """A form gets field, text, count, first row and the codes with both labels."""
    labels = ask(open_table(table_of(), standard=LINES), LINES.fields)
    found = Questions(labels=labels).to_dict()["labels"]
    side = next(one for one in found if one["label"] == "مصرف")
    category = LINES.field("side").categories[1]

    assert ("side", 1, 3) == (side["field"], side["count"], side["row"])
    assert {
        "code": "use",
        "fa": category.label_fa,
        "en": category.label_en,
    } == side["nearest"][0]
