"""The report: stable codes, both languages, reproducible bytes, safe pages."""

import json
import re
import tomllib
from html.parser import HTMLParser
from importlib.resources import files
from string import Formatter
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from shahrdad.validators import Context, Options, Report, validate
from shahrdad.validators.codes import REGISTRY, sentence
from shahrdad.validators.explain import column_letters, shown
from shahrdad.validators.normalise import dates
from shahrdad.validators.render.html import SHOWN_MAX, STYLE_SHA256

SCHEMA: dict[str, Any] = {
    "fields": [
        {
            "name": "id",
            "title": "شناسه",
            "title_en": "Id",
            "type": "integer",
            "constraints": {"minimum": 1},
        },
        {"name": "day", "title": "تاریخ شروع", "title_en": "Start", "type": "date"},
        {
            "name": "kind",
            "type": "string",
            "categories": [{"value": "a", "label": "الف", "label_en": "A"}],
        },
    ],
    "primaryKey": "id",
    "custom_checks": [
        {
            "id": "X1",
            "name": "row-condition",
            "severity": "warning",
            "params": {"then": {"column": "id", "op": "<", "value": 5}},
            "message": "شماره «{value}» بزرگ است.",
            "message_en": "{value} is large.",
        }
    ],
}
TEXT = "id,day,kind\n0,1404/12/30,a\n1,2025-01-01,<b>x</b>\n7,,a\n1,,a\n"


def report(block: int = 1 << 20) -> Report:
    """Return a report with errors and a warning."""
    options = Options(delimiter=",", block_bytes=block)
    return validate(TEXT.encode(), schema=SCHEMA, options=options, context=Context())


@pytest.mark.parametrize("code", sorted(REGISTRY))
def test_every_code_has_both_sentences_with_the_same_placeholders(code: str) -> None:
    """What is said in one language is said in the other."""

    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    persian, english = sentence(code, "fa"), sentence(code, "en")

    assert names(persian.message + persian.fix) == names(english.message + english.fix)
    assert names(english.message + english.fix) <= {"value", "expected", "rows"}


def test_no_sentence_without_a_code() -> None:
    """The files of sentences hold the registry, no more and no less."""
    for language in ("fa", "en"):
        file = files("shahrdad.validators") / "messages" / f"{language}.toml"
        assert sorted(REGISTRY) == sorted(tomllib.loads(file.read_text("utf-8")))


def test_codes_of_the_document_are_there() -> None:
    """The families of codes that the engine promises exist."""
    for family in (
        "source",
        "schema",
        "label",
        "row",
        "cell",
        "type",
        "value",
        "key",
        "count",
    ):
        assert any(code.startswith(f"{family}-") for code in REGISTRY), family
    assert {"number-ambiguous-separator", "date-no-such-day", "money-fraction"} <= set(
        REGISTRY
    )


def test_every_reason_of_normalisation_has_a_code() -> None:
    """What a number or a date is refused for can be said."""
    vectors = [f"date-{reason}" for reason in dates.REASONS]

    assert set() == set(vectors) - set(REGISTRY)
    assert {f"money-{reason}" for reason in ("fraction", "overflow")} <= set(REGISTRY)


def test_message_says_where_what_and_how() -> None:
    """Row, column, the text as written between isolates, and the way out."""
    found = {issue.code: issue for issue in report().issues}
    issue = found["value-minimum"]

    assert "ردیف ۲، ستون «شناسه»: \u20680\u2069 از ۱ کمتر است." == report().message(
        issue, "fa"
    )
    assert 'Row 2, column "Id": \u20680\u2069 is less than 1.' == report().message(
        issue, "en"
    )
    assert "A2" == report().explainer.address(issue)


def test_rule_brings_its_own_sentence() -> None:
    """A rule's message is the standard's, with its values in the reader's digits."""
    found = report()
    issue = next(issue for issue in found.issues if issue.rule == "X1")

    assert "شماره «\u20687\u2069» بزرگ است." in found.message(issue, "fa").replace(
        "۷", "\u20687\u2069"
    )
    assert "warning" == issue.severity


def test_severities_stand_apart() -> None:
    """`errors` holds errors alone; the rest is in our member, with exact counts."""
    found = report().to_dict()

    assert {"error"} == {error["severity"] for error in found["tasks"][0]["errors"]}
    assert ["rule:X1"] == [notice["code"] for notice in found["shahrdad"]["notices"]]
    assert found["shahrdad"]["counts"]["errors"] == len(found["tasks"][0]["errors"])
    assert [("X1", "violated", 1)] == [
        (rule["id"], rule["outcome"], rule["count"])
        for rule in found["shahrdad"]["rules"]
    ]


@pytest.mark.parametrize("block", [16, 20, 64, 1000])
def test_same_inputs_same_bytes(block: int) -> None:
    """A stored report is reproduced byte for byte, whatever the block size."""
    assert report().to_json(stored=True) == report(block).to_json(stored=True)


def test_kernels_and_reference_report_the_same() -> None:
    """With the kernels off, the report is the same but for its route."""
    options = Options(delimiter=",", kernels=False)

    slow = validate(TEXT.encode(), schema=SCHEMA, options=options, context=Context())

    assert report().to_json(stored=True) == slow.to_json(stored=True)


class Page(HTMLParser):
    """Collects what a strict Content-Security-Policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.html: dict[str, str | None] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note scripts, inline handlers, style attributes and outside links."""
        if tag == "html":
            self.html = dict(attrs)
        if tag in ("script", "link", "img", "iframe", "object", "b"):
            self.refused.append(tag)
        self.refused += [
            n for n, _ in attrs if n.startswith("on") or n in ("style", "src", "href")
        ]


@pytest.mark.parametrize(("language", "direction"), [("fa", "rtl"), ("en", "ltr")])
def test_page_is_self_contained_and_safe(language: Any, direction: str) -> None:
    """No script, no attribute of style, no outside link; cells cannot become markup."""
    page = Page()
    text = report().to_html(language)
    page.feed(text)

    assert [] == page.refused
    assert (language, direction) == (page.html["lang"], page.html["dir"])
    assert "&lt;b&gt;x&lt;/b&gt;" in text
    assert re.fullmatch(r"sha256-[A-Za-z0-9+/]{43}=", STYLE_SHA256)


def test_page_shows_the_first_of_many() -> None:
    """Two hundred of a group are shown, the rest is counted."""
    text = "id,day,kind\n" + "x,,a\n" * (SHOWN_MAX + 5)
    found = validate(text.encode(), schema=SCHEMA, options=Options(delimiter=","))

    page = found.to_html("en")

    assert SHOWN_MAX == page.count("is not a whole number.")
    assert "and 5 more" in page


@pytest.mark.parametrize("language", ["fa", "en"])
def test_terminal_text_ends_in_what_to_do(language: Any) -> None:
    """The verdict first, the findings, then the next step."""
    lines = report().to_text(language, 2).splitlines()

    assert lines[0].startswith("✘")
    assert 2 == sum(line.startswith(("✘ ", "! ")) for line in lines[1:])
    assert lines[-1]


def test_report_is_json_with_sorted_keys() -> None:
    """The report is JSON; a program that sorts keys gets the same text."""
    text = report().to_json(stored=True)

    assert text == json.dumps(
        json.loads(text), ensure_ascii=False, sort_keys=True, indent=1
    )


def test_values_are_shown_as_people_read_them() -> None:
    """Persian digits and Jalali dates, English digits and ISO dates."""
    from datetime import date

    assert ("۱٬۲۳۴", "1,234") == (shown(1234, "fa"), shown(1234, "en"))
    assert ("۱۴۰۴/۰۶/۳۱", "2025-09-22") == (
        shown(date(2025, 9, 22), "fa"),
        shown(date(2025, 9, 22), "en"),
    )
    assert ["A", "Z", "AA", "AB"] == [column_letters(n) for n in (1, 26, 27, 28)]


@pytest.mark.parametrize(
    "data", [TEXT.encode(), b"", b"\x00\xff", b"id,day,kind\n1,,a\n"]
)
def test_report_has_its_published_shape(data: bytes) -> None:
    """Every report, of good and of hopeless files, satisfies the JSON Schema."""
    file = files("shahrdad.validators") / "messages" / "report.schema.json"
    checker = Draft202012Validator(json.loads(file.read_text("utf-8")))
    found = validate(data, schema=SCHEMA, options=Options(delimiter=","))

    assert [] == [error.message for error in checker.iter_errors(found.to_dict())]
