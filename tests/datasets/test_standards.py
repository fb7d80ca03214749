"""The standards load, are complete in both languages, and agree with themselves."""

import copy
import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from shahrdad.datasets import standards
from shahrdad.datasets.errors import DataError, Reason, RequestError

FAMILIES = [
    "active_systems", "budget_lines", "projects", "contracts", "ideas", "kpi_values",
    "org_units", "permit_stats", "resolutions", "studies", "work_sites",
]  # fmt: skip
PLACEHOLDERS = {"row", "column", "value", "expected", "left", "right", "diff"}
PERSIAN = re.compile("[آ-ی]")
COLUMN_KEYS = {
    "column", "column1", "column2", "columns", "else_column2", "minus", "othercolumns",
    "year_column", "start", "end", "lat", "lon", "city", "determinant", "dependent",
    "by", "key", "parent", "flag", "numerator", "denominator", "reference",
    "part", "secondary_by", "marker",
}  # fmt: skip


@pytest.fixture(params=FAMILIES)
def standard(request: pytest.FixtureRequest) -> standards.Standard:
    """Each family in turn, its newest version."""
    return standards.load(request.param)


def test_eleven_families_mandatory_first() -> None:
    """Budget, systems and projects are what every city must publish."""
    mandatory = [
        name for name in standards.families() if standards.load(name).mandatory
    ]

    assert FAMILIES == list(standards.families())
    assert ["active_systems", "budget_lines", "projects"] == mandatory


def test_unknown_family_and_version_are_refused() -> None:
    """The answer names what there is."""
    with pytest.raises(RequestError) as family:
        standards.load("budget")
    with pytest.raises(RequestError) as version:
        standards.load("projects", "9.0.0")
    with pytest.raises(RequestError) as escape:
        standards.load("../codelists")

    assert Reason.STANDARD_UNKNOWN == family.value.reason
    assert "budget_lines" in str(family.value)
    assert Reason.STANDARD_VERSION_UNKNOWN == version.value.reason
    assert "1.0.0" in str(version.value)
    assert Reason.STANDARD_UNKNOWN == escape.value.reason


def test_labels_are_complete(standard: standards.Standard) -> None:
    """Every title, description and code exists in Persian and English."""
    texts_fa = {"title": standard.title_fa, "description": standard.description_fa}
    texts_en = {"title": standard.title_en, "description": standard.description_en}
    for field in standard.fields:
        texts_fa[field.name], texts_en[field.name] = field.title_fa, field.title_en
        for category in field.categories:
            texts_fa[f"{field.name}={category.value}"] = category.label_fa
            texts_en[f"{field.name}={category.value}"] = category.label_en

    assert [] == [name for name, text in texts_fa.items() if not PERSIAN.search(text)]
    assert [] == [name for name, text in texts_en.items() if not text]
    assert [] == [name for name, text in texts_en.items() if PERSIAN.search(text)]


def test_rule_messages_are_complete(standard: standards.Standard) -> None:
    """Every rule speaks both languages, with the same values."""
    for rule in (*standard.rules, *standards.common_rules()):
        named_fa = set(re.findall(r"\{(\w+)\}", rule.message_fa))
        named_en = set(re.findall(r"\{(\w+)\}", rule.message_en))

        assert PERSIAN.search(rule.message_fa), rule.id
        assert rule.message_en, rule.id
        assert not PERSIAN.search(rule.message_en), rule.id
        assert named_fa == named_en, rule.id
        assert named_fa <= PLACEHOLDERS, rule.id


def test_rule_ids_are_unique(standard: standards.Standard) -> None:
    """A report names a rule by its id."""
    ids = [rule.id for rule in (*standard.rules, *standards.common_rules())]

    assert sorted(set(ids)) == sorted(ids)


def named_columns(value: Any, key: str = "") -> set[str]:
    """Return the columns that a rule's parameters name, at any depth."""
    if isinstance(value, dict):
        inner = {k: v for k, v in value.items() if k not in {"value", "pairs", "ranks"}}
        return {name for k, v in inner.items() for name in named_columns(v, k)}
    if isinstance(value, list):
        return {name for item in value for name in named_columns(item, key)}
    named = isinstance(value, str) and key in COLUMN_KEYS and not value.startswith("*")
    return {value} if named else set()


def test_rules_name_columns_that_exist(standard: standards.Standard) -> None:
    """A rule on a column that is not there would be skipped in silence."""
    for rule in standard.rules:
        params = {
            key: value
            for key, value in rule.params.items()
            if key not in {"column2", "on", "then_other", "if_family_missing"}
            or rule.name not in {"reference-exists", "cross-condition"}
        }
        columns = named_columns(params) | named_columns(rule.where or {})

        assert set() == columns - set(standard.field_names), rule.id


def test_references_to_other_families_exist(standard: standards.Standard) -> None:
    """A reference leads to a column of a family that there is."""
    for rule in standard.rules:
        if rule.name == "reference-exists":
            other = standards.load(rule.params["family"])

            assert rule.params["column2"] in other.field_names, rule.id


def test_categories_are_mirrored_in_enum(standard: standards.Standard) -> None:
    """Validators that do not know categories still refuse an unknown code."""
    for field in standard.fields:
        values = [category.value for category in field.categories]

        assert values == list(field.constraints.get("enum", [])), field.name
        assert bool(values) == (field.code_list is not None), field.name


def test_money_is_whole_rial_and_dates_start_in_1300(
    standard: standards.Standard,
) -> None:
    """No amount has a fraction, and no Jalali year passes for a Gregorian one."""
    for field in standard.fields:
        if field.kind == "money":
            assert ("integer", "rial") == (field.type, field.unit)
            assert field.name.endswith("_rial")
        if field.type == "date":
            assert "1921-03-21" == field.constraints["minimum"], field.name


def test_patterns_refuse_persian_digits(standard: standards.Standard) -> None:
    r"""A pattern says [0-9]: \d would let Persian digits into codes."""
    for field in standard.fields:
        pattern = field.constraints.get("pattern", "")

        assert r"\d" not in pattern, field.name
        assert re.compile(pattern)


def test_synonyms_lead_to_one_field(standard: standards.Standard) -> None:
    """A header that equals two fields could not be matched without asking."""
    owners: dict[str, list[str]] = {}
    for field in standard.fields:
        for header in {field.title_fa, *field.synonyms}:
            owners.setdefault(header, []).append(field.name)

    titles = {field.title_fa for field in standard.fields}
    assert [] == [h for h in titles if len(owners[h]) > 1]


def test_digest_is_sha256_of_canonical_json(standard: standards.Standard) -> None:
    """A version can be named, and found changed, by anyone with RFC 8785."""
    path = standards.FOLDER / standard.family / standard.version / "schema.json"
    canonical = rfc8785.dumps(json.loads(path.read_text("utf-8")))

    assert hashlib.sha256(canonical).hexdigest() == standard.digest


def test_examples_are_typed_the_same(standard: standards.Standard) -> None:
    """The CSV and the JSON example are one table with the columns of the standard."""
    path = standards.examples(standard.family)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    typed = json.loads((path.parent / "example.json").read_text("utf-8"))

    assert rows
    assert list(standard.field_names) == list(rows[0])
    assert [list(row) for row in rows] == [list(row) for row in typed]
    for row, values in zip(rows, typed, strict=True):
        for name, cell in row.items():
            value = values[name]
            text = "" if value is None else str(value)
            boolean = standard.field(name).type == "boolean"
            assert cell == (text.lower() if boolean else text)


def test_every_rule_with_a_case_names_it() -> None:
    """The 125 cases are all there, and name rules that there are."""
    count = 0
    for family in FAMILIES:
        known = {r.id for r in standards.load(family).rules}
        known |= {r.id for r in standards.common_rules()}
        found = standards.cases(family)["cases"]
        count += len(found)
        for case in found:
            assert family == case["family"]
            assert set(case["expect"]) <= known

    assert 125 == count


def test_frictionless_reads_every_schema(standard: standards.Standard) -> None:
    """A tool that knows Table Schema alone can still check a file."""
    from frictionless import Schema

    schema = Schema.from_descriptor(copy.deepcopy(standard.schema))

    assert list(standard.field_names) == schema.field_names
    assert list(standard.primary_key) == schema.primary_key


def test_a_foreign_schema_is_read() -> None:
    """A schema without our keys, such as one of SCDL, is a standard too."""
    foreign = {
        "name": "subventions",
        "version": "2.1",
        "fields": [
            {"name": "nom", "title": "Nom"},
            {"name": "montant", "type": "number"},
        ],
        "primaryKey": "nom",
        "custom_checks": [{"name": "french-siret-value", "params": {"column": "nom"}}],
    }

    standard = standards.parse(foreign)

    assert ("nom",) == standard.primary_key
    assert "french-siret-value#1" == standard.rules[0].id
    assert "error" == standard.rules[0].severity
    assert not standard.rules[0].waivable
    assert "any" == standard.field("nom").type


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"fields": []}, "fields"),
        ({"fields": [{"title": "x"}]}, "fields[0]"),
        ({"fields": [{"name": "a", "type": "money"}]}, "fields[0].type"),
        ({"fields": [{"name": "a"}, {"name": "a"}]}, "fields"),
        ({"primaryKey": ["b"]}, "primaryKey"),
        ({"custom_checks": [{"params": {}}]}, "custom_checks[0]"),
        (
            {"custom_checks": [{"name": "x", "severity": "bad"}]},
            "custom_checks[0].severity",
        ),
        ({"shahrdad": []}, "shahrdad"),
    ],
)
def test_a_malformed_schema_is_refused(change: dict[str, Any], place: str) -> None:
    """The error tells the place."""
    schema = {"name": "t", "fields": [{"name": "a"}]} | change

    with pytest.raises(DataError) as caught:
        standards.parse(schema)

    assert Reason.STANDARD_MALFORMED == caught.value.reason
    assert place == caught.value.values["place"]


def test_a_schema_file_that_is_not_json_is_refused(tmp_path: Path) -> None:
    """What a person passes as a schema may be anything."""
    path = tmp_path / "schema.json"
    path.write_text("{", "utf-8")

    with pytest.raises(DataError):
        standards.read_schema(path)
    path.write_text('{"name": "t", "fields": [{"name": "a"}]}', "utf-8")

    assert ("a",) == standards.read_schema(path).field_names
