"""A city whose population is not known: nothing per head is computed, or said to be 0.

The list gives no figure where no published table was read; every reader of it must say
so instead of dividing, guessing or showing nothing.
"""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import http_world
from shahrdad.datasets.codelists import cities, city, code_list
from shahrdad.datasets.demo_set import demo_datasets
from shahrdad.datasets.standards import load
from shahrdad.node.analysis import budget
from shahrdad.node.analysis.releases import Releases
from shahrdad.node.commands.import_file import Import
from shahrdad.node.console import Common
from shahrdad.node.http.app import create_app
from shahrdad.validators import Options, validate

TIME = "2025-10-25T08:00:00Z"
UNKNOWN = {
    *("sanandaj", "shahrekord", "khorramabad", "yasuj"),
    *("zanjan", "semnan", "qazvin", "gorgan"),
}
CSV = (
    "city_code,fiscal_year,budget_stage,as_of_date,org_unit_id,side,economic_class,"
    "line_code,line_title,approved_rial\n"
    "{code},1404,approved,2025-09-22,mali,use,current_expense,1,حقوق,{amount}\n"
)


def test_an_unknown_population_is_empty_and_never_zero() -> None:
    """The list leaves the cell empty; what reads it gives None."""
    rows = {row["slug"]: row["population"] for row in code_list("cities").rows}
    found = {one.slug: one.population for one in cities()}

    assert UNKNOWN == {slug for slug, text in rows.items() if not text} - {"forum"}
    assert UNKNOWN == {slug for slug in found if found[slug] is None} - {"forum"}
    assert all(people is None or people > 10_000 for people in found.values())


def b7(slug: str) -> tuple[str, str]:
    """Judge a budget that is plausible for no city; return what B7 says."""
    known = city(slug)
    assert known is not None
    text = CSV.format(code=known.code, amount=5)
    report = validate(
        text.encode(),
        schema="budget_lines",
        context={"city_code": known.code, "release_date": "2026-11-22"},
    )
    return next((r.outcome, r.why or "") for r in report.rules if r.id == "B7")


def test_the_per_head_check_is_skipped_and_says_why() -> None:
    """B7 judges a city with a population, and names the one without."""
    outcome, why = b7("zanjan")

    assert "violated" == b7("kerman")[0]
    assert "skipped" == outcome
    assert "population is not known of: 1534" in why


def test_the_question_of_the_unit_says_so(tmp_path: Path) -> None:
    """A person is told that there is no figure per head, and asked all the same."""
    file = tmp_path / "budget.csv"
    file.write_text("کد ردیف,شرح ردیف,مصوب\n1,حقوق,12\n", "utf-8")
    said: list[str] = []

    class Listening(Common):
        """Keeps what it would print."""

        def say(self, fa: str, en: str) -> None:
            """Keep a line."""
            said.append(en)

    def answer(question: str) -> str:
        return "million_rial\n" if "In which unit" in question else "1\n"

    standard = load("budget_lines")
    constants = [
        {"to": field.name, "constant": "1"}
        for field in standard.fields
        if field.required
        and field.name not in {"line_code", "line_title", "approved_rial"}
    ]
    started = Import(
        Listening(lang="en"),
        file,
        standard,
        {"columns": constants},
        Options(),
        population=None,
        read=answer,
    )
    profile, _ = started.settle()

    assert "million_rial" == profile["money_unit"]
    assert any("population of the city is not known" in line for line in said)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> http_world.World:
    """A node that holds the budget of a city without a known population."""
    http_world.CODES["zanjan"], http_world.NAMES["zanjan"] = "1534", ("زنجان", "Zanjan")
    made = http_world.make_world(tmp_path_factory.mktemp("zanjan"))
    title = ("بودجهٔ ۱۴۰۴", "Budget 1404")
    made.publish(
        *("zanjan", "budget-1404", "budget_lines"),
        lines(),
        time=TIME,
        title=title,
        fiscal_year=1404,
    )
    return made


def lines() -> list[dict[str, Any]]:
    """Return the demonstration budget of Kerman under the code of Zanjan."""
    from portal_world import rows

    example = next(
        one
        for one in demo_datasets()
        if (one.city, one.family, one.expect) == ("kerman", "budget_lines", "published")
    )
    return [{**row, "city_code": "1534"} for row in rows(example)]


def test_comparison_and_checks_have_no_figure_per_head(world: http_world.World) -> None:
    """None, not 0; and the check of the unit, which needs it, is not made."""
    gathered = Releases(world).gather("budget_lines", 1404)
    (line,) = budget.compare(gathered)
    statement = budget.statement(gathered.releases[0])
    assert statement is not None

    assert (None, None) == (line.population, line.per_resident)
    assert {"balance", "parts"} >= {check.name for check in budget.checks(statement)}


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "no confirmed population"), ("fa", "جمعیت تأییدشده‌ای نداریم")],
)
@pytest.mark.parametrize("page", ["/budget", "/budget/zanjan/1404"])
def test_pages_say_that_it_is_not_known(
    page: str, language: str, words: str, world: http_world.World
) -> None:
    """Where the amount per head would stand, a sentence stands in both languages."""
    with TestClient(create_app(world)) as client:
        text = client.get(f"/{language}{page}").text

    assert words in text


def test_a_report_of_such_a_city_is_no_worse() -> None:
    """The rows are valid: a check that cannot be made is no error."""
    report = validate(
        CSV.format(code="1534", amount=10**15).encode(),
        schema="budget_lines",
        context={
            "city_code": "1534",
            "release_date": "2026-11-22",
            "waived": {"B1": "منابع در فایل دیگری است"},
        },
    )

    assert report.valid, report.to_text("en")
