"""What each column of a table may hold, in words: on its dataset's and standard's page.

The rules are those of the standard; a table that follows none has those of its record.
A record may be another city's, so nothing here raises for what it says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from shahrdad.datasets.errors import DataError, Language
from shahrdad.datasets.jalali import format_fa
from shahrdad.datasets.standards import Field, Standard, load, parse
from shahrdad.datasets.templates import rules_of
from shahrdad.node.http.languages import digits
from shahrdad.node.http.portal.amounts import number_of
from shahrdad.node.http.texts import say

CODES_SHOWN = 8  # of a column; the standard's page has them all
WORDS_MAX = 200  # letters of what a record says of a column
TYPES = frozenset(
    {"string", "integer", "number", "boolean", "date", "datetime", "list"}
)
READ = ("format", "title", "title_en", "categories", "constraints")  # unchecked
NUMBER_MAX = 10**15  # a bound above is told as it is written
PATTERNS = {  # in words: the text of the section `column`
    "[0-9]{4}": "pattern_city",
    "[0-9]{1,6}": "pattern_digits_1_6",
    "[0-9]{8,20}": "pattern_digits_8_20",
    "[0-9]{11}": "pattern_digits_11",
    "[0-9]{2}([.][0-9]){0,2}": "pattern_cofog",
    "[a-z0-9][a-z0-9_-]{0,63}": "pattern_slug",
    "[0-9A-Za-z_-]{1,20}": "pattern_short",
    "[0-9A-Za-z][0-9A-Za-z._/-]{0,31}": "pattern_code",
    "[0-9A-Za-zآ-غف-وپچژکگی][0-9A-Za-zآ-غف-وپچژکگی_./-]{0,63}": "pattern_name",
    "ocds-[a-z0-9]{6}-.+": "pattern_ocds",
    "([A-Z]{2}:[^;]+)(;[A-Z]{2}:[^;]+)*": "pattern_pairs",
}


@dataclass(frozen=True, slots=True)
class Column:
    """What is told of a column.

    Attributes:
        kind: Its type, and its unit where it has one.
        meaning: What the schema says that it means; "" where it says nothing.
        limits: Sentences on the values that it may have.
        pattern: The form of its texts where we have no words for it.
        codes: The codes that it may have: code and label.
        refers: The standard whose rows it names: family and title.
        checks: The rules of the standard that judge it.
    """

    name: str
    title: str
    kind: str
    meaning: str
    is_key: bool
    required: bool
    unique: bool
    limits: tuple[str, ...]
    pattern: str
    codes: tuple[tuple[str, str], ...]
    refers: tuple[str, str] | None
    checks: tuple[str, ...]


@cache
def of_standard(standard: Standard, language: Language) -> Mapping[str, Column]:
    """Return the columns of a standard, by name, in its order."""
    described = {str(one.get("name")): one for one in standard.schema["fields"]}
    return {
        field.name: _column(standard, field, described[field.name], language)
        for field in standard.fields
    }


def of_table(
    schema: Mapping[str, Any], standard: Standard | None, language: Language
) -> list[Column]:
    """Return the columns of a published table, in its order.

    Args:
        schema: Of the record.
        standard: The one that it follows.
        language: Of the page.
    """
    known = of_standard(standard, language) if standard else {}
    listed = schema.get("fields")
    listed = listed if isinstance(listed, list) else []
    fields = [one for one in listed if isinstance(one, dict)]
    found = []
    for field in fields:
        name = str(field.get("name", ""))[:WORDS_MAX]
        found.append(known.get(name) or _alone(field, schema, language))
    return found


def _alone(
    field: Mapping[str, Any], schema: Mapping[str, Any], language: Language
) -> Column:
    """Return a column of a record that no standard describes."""
    key = schema.get("primaryKey")
    name = str(field.get("name") or "–")[:WORDS_MAX]
    in_key = name in (key if isinstance(key, list) else [key])
    alone = {"primaryKey": [name] if in_key else []}
    read = {one: field[one] for one in READ if one in field}
    read["type"] = str(field.get("type", "any"))
    try:
        standard = parse({"fields": [{"name": name, **read}], **alone}, name=name)
    except DataError:
        titles = {one: str(field.get(one, "")) for one in ("title", "title_en")}
        standard = parse({"fields": [{"name": name, **titles}], **alone}, name=name)
    return _column(standard, standard.fields[0], field, language)


def _column(
    standard: Standard,
    field: Field,
    described: Mapping[str, Any],
    language: Language,
) -> Column:
    meaning = described.get("description" if language == "fa" else "description_en")
    pattern = str(field.constraints.get("pattern", ""))[:WORDS_MAX]
    is_key = field.name in standard.primary_key
    return Column(
        name=field.name,
        title=field.title(language)[:WORDS_MAX],
        kind=kind(field, language),
        meaning=meaning[:WORDS_MAX] if isinstance(meaning, str) else "",
        is_key=is_key,
        required=field.required,
        unique=field.constraints.get("unique") is True,
        limits=tuple(_limits(field, language)),
        pattern="" if pattern in PATTERNS else pattern,
        codes=tuple(
            (one.value, one.label(language)[:WORDS_MAX]) for one in field.categories
        ),
        refers=_referred(standard, field, language),
        checks=tuple(rule.id for rule in rules_of(standard, field)),
    )


def _referred(
    standard: Standard, field: Field, language: Language
) -> tuple[str, str] | None:
    """Return the standard whose rows a column names."""
    for rule in standard.rules:
        if rule.name == "reference-exists" and rule.params["column"] == field.name:
            family = str(rule.params["family"])
            return family, load(family).title(language)
    return None


def kind(field: Field, language: Language) -> str:
    """Return the type of a column in words, with its unit."""
    name = field.type if field.type in TYPES else "any"
    name = "code" if field.categories else name
    word = say(language, f"type.{field.kind or name}")
    if field.unit not in {"rial", "percent"}:
        return word
    return f"{word} · {say(language, f'type.{field.unit}')}"


def _limits(field: Field, language: Language) -> list[str]:
    """Return the sentences on a column's values."""
    given = field.constraints
    low, high = given.get("minimum"), given.get("maximum")
    pattern, enum = str(given.get("pattern", "")), given.get("enum")
    found: list[str] = []

    def tell(key: str, **values: object) -> None:
        found.append(say(language, f"column.{key}", **values))

    if low is not None and high is not None:
        tell("between", low=value(low, language), high=value(high, language))
    elif low is not None and field.type in {"date", "datetime"}:
        tell("since", low=value(low, language))
    elif low is not None:
        tell("least", low=value(low, language))
    elif high is not None:
        tell("most", high=value(high, language))
    for name, key in (("minLength", "letters_least"), ("maxLength", "letters_most")):
        if isinstance(given.get(name), int):
            tell(key, letters=given[name])
    if field.format == "uri":
        tell("address")
    if pattern in PATTERNS:
        tell(PATTERNS[pattern])
    if isinstance(enum, list) and not field.categories:
        shown = "، " if language == "fa" else ", "
        tell("one_of", values=shown.join(str(one)[:40] for one in enum[:CODES_SHOWN]))
    if field.import_default is not None:
        tell("empty_means", value=_default(field, language))
    return found


def value(given: object, language: Language) -> str:
    """Return a bound as prose has it: a day, a year, an amount.

    >>> value(1380, "en"), value(40.5, "en"), value("1921-03-21", "fa")
    ('1380', '40.5', '۱۳۰۰/۰۱/۰۱')
    """
    if isinstance(given, int | float) and abs(given) < NUMBER_MAX:
        # A year is no amount: 1404 has no thousands separator.
        if isinstance(given, int) and 1000 <= given <= 9999:
            return digits(given, language)
        return number_of(Decimal(str(given)), 2, language)
    text = str(given)[:40]
    try:
        return format_fa(date.fromisoformat(text)) if language == "fa" else text
    except ValueError:
        return text


def _default(field: Field, language: Language) -> str:
    """Return what an empty cell means, by its label."""
    if field.type == "boolean":
        return say(
            language, f"type.{'yes' if field.import_default == 'true' else 'no'}"
        )
    for one in field.categories:
        if one.value == field.import_default:
            return one.label(language)
    return digits(field.import_default, language)


def few(codes: Sequence[tuple[str, str]], language: Language) -> str:
    """Return the first labels of a list of codes, in a line."""
    labels = [label for _, label in codes[:CODES_SHOWN]]
    shown = ("، " if language == "fa" else ", ").join(labels)
    return f"{shown} …" if len(codes) > CODES_SHOWN else shown
