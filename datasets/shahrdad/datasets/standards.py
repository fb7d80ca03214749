"""The dataset standards: table schemas with rules, one folder for each version.

    families/<family>/<version>/schema.json    Data Package v2 Table Schema, with rules
                                CHANGELOG.md   what changed, and how to move
                                example.csv    rows of the sample city that pass
                                example.json   the same rows, typed
                                cases.json     changes to them, and which rules report
    families/common.rules.json                 the rules of every table
    codelists/                                 lists that schemas refer to

A version never changes once it is approved; it is named by the SHA-256 of its canonical
JSON (RFC 8785). Schemas from elsewhere (Data Package, SCDL, Validata) are read by the
same parser: what our keys would say is then empty.

>>> from shahrdad.datasets.standards import families, load
>>> len(families())
11
>>> standard = load("budget_lines")
>>> standard.id, standard.mandatory, standard.field("approved_rial").kind
('budget_lines@1.0.0', True, 'money')
>>> standard.rule("B1").severity, standard.rule("B1").waivable
('error', True)
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import rfc8785

from shahrdad.datasets.codelists import City, CodeList, cities, code_list
from shahrdad.datasets.errors import DataError, Language, Reason, RequestError

__all__ = [
    "Category",
    "City",
    "CodeList",
    "Field",
    "Rule",
    "Standard",
    "cases",
    "cities",
    "code_list",
    "common_rules",
    "digest_of",
    "examples",
    "families",
    "load",
    "parse",
    "read_schema",
    "version_key",
    "versions",
]

FOLDER = Path(__file__).parent / "families"
TYPES = frozenset(
    {
        "any", "array", "boolean", "date", "datetime", "duration", "geojson",
        "geopoint", "integer", "list", "number", "object", "string", "time",
        "year", "yearmonth",
    }
)  # fmt: skip
_VERSION = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")

Severity = Literal["error", "warning", "info"]
DatasetPer = Literal["city", "city-year"]
Kind = Literal["code", "date", "money"]


@dataclass(frozen=True, slots=True)
class Category:
    """A code of a field, with its labels."""

    value: str
    label_fa: str
    label_en: str

    def label(self, language: Language) -> str:
        """Return the label in a language."""
        return self.label_fa if language == "fa" else self.label_en


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a standard.

    Attributes:
        kind: `code` (text that is compared, never counted), `money`, `date`, or None.
        unit: `rial`, `percent`, or None.
        code_list: The list that its categories are, by name.
        synonyms: Persian headers that mean this column; its titles are not repeated.
        import_default: What fills an empty cell at import, counted.
        column_type: The Fiscal Data Package type.
    """

    name: str
    type: str
    format: str
    title_fa: str
    title_en: str
    kind: Kind | None
    unit: str | None
    code_list: str | None
    categories: tuple[Category, ...]
    constraints: Mapping[str, Any]
    synonyms: tuple[str, ...]
    import_default: str | None
    column_type: str | None

    @property
    def required(self) -> bool:
        """Whether no cell may be empty."""
        return self.constraints.get("required") is True

    def title(self, language: Language) -> str:
        """Return the title in a language; the name where there is none."""
        return (self.title_fa if language == "fa" else self.title_en) or self.name


@dataclass(frozen=True, slots=True)
class Rule:
    """A check of `custom_checks`; only its name must be given there.

    Attributes:
        id: As in reports; `name#n` where the schema gives none.
        waivable: An error that an approver may waive with a published reason.
        where: The condition on rows that are judged, or None.
        params: What the rule of this name takes, as in the schema.
    """

    id: str
    name: str
    severity: Severity
    waivable: bool
    since: str | None
    where: Mapping[str, Any] | None
    params: Mapping[str, Any]
    message_fa: str
    message_en: str

    def message(self, language: Language) -> str:
        """Return the sentence in a language, its placeholders in braces."""
        return self.message_fa if language == "fa" else self.message_en


@dataclass(frozen=True, slots=True)
class Standard:
    """One version of a family.

    Attributes:
        schema: The descriptor itself; do not change it, it is shared.
        rules: Those of the family; `common_rules()` are not among them.
        max_age_days: Rule G8; 0 where age does not matter.
        digest: SHA-256 of the canonical JSON, 64 hexadecimal digits.
    """

    id: str
    family: str
    version: str
    status: str
    title_fa: str
    title_en: str
    description_fa: str
    description_en: str
    schema: dict[str, Any]
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...]
    rules: tuple[Rule, ...]
    mandatory: bool
    cadence: str
    max_age_days: int
    dataset_per: DatasetPer
    aligned_with: str
    digest: str

    def __hash__(self) -> int:
        """Hash by digest: the descriptor itself cannot be hashed."""
        return hash(self.digest)

    def title(self, language: Language) -> str:
        """Return the title in a language."""
        return (self.title_fa if language == "fa" else self.title_en) or self.family

    def description(self, language: Language) -> str:
        """Return the description in a language."""
        return self.description_fa if language == "fa" else self.description_en

    @property
    def field_names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(field.name for field in self.fields)

    def field(self, name: str) -> Field:
        """Return a column by name.

        Raises:
            KeyError: no such column (a mistake of the caller).
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    def rule(self, rule_id: str) -> Rule:
        """Return a rule of the family by id.

        Raises:
            KeyError: no such rule (a mistake of the caller).
        """
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise KeyError(rule_id)


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(path.name for path in FOLDER.iterdir() if path.is_dir()))


@cache
def families() -> tuple[str, ...]:
    """Return the families, the mandatory ones first, then by name."""
    return tuple(sorted(_names(), key=lambda name: not load(name).mandatory))


@cache
def versions(family: str) -> tuple[str, ...]:
    """Return the versions of a family, oldest first.

    Raises:
        RequestError: STANDARD_UNKNOWN.
    """
    if family not in _names():
        raise RequestError(
            Reason.STANDARD_UNKNOWN, family=family[:100], families=", ".join(_names())
        )
    folder = FOLDER / family
    found = (path.name for path in folder.iterdir() if (path / "schema.json").exists())
    return tuple(sorted(found, key=version_key))


def version_key(version: str) -> tuple[int, int, int]:
    """Return a version's numbers, for sorting.

    Raises:
        ValueError: not MAJOR.MINOR.PATCH (a mistake of the caller).
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ValueError(version)
    return int(match[1]), int(match[2]), int(match[3])


def load(family: str, version: str | None = None) -> Standard:
    """Return a version of a family; the newest where none is named.

    Raises:
        RequestError: STANDARD_UNKNOWN, STANDARD_VERSION_UNKNOWN.
    """
    known = versions(family)
    if version is None:
        return _load(family, known[-1])
    if version not in known:
        raise RequestError(
            Reason.STANDARD_VERSION_UNKNOWN,
            family=family,
            version=version,
            versions=", ".join(known),
        )
    return _load(family, version)


@cache
def common_rules() -> tuple[Rule, ...]:
    """Return the rules of every table; a family without the column skips one."""
    descriptor = json.loads((FOLDER / "common.rules.json").read_text("utf-8"))
    return _rules(descriptor, "common.rules.json")


def examples(family: str, version: str | None = None) -> Path:
    """Return the CSV file of rows of the sample city (code 9999) that pass."""
    return FOLDER / family / load(family, version).version / "example.csv"


def cases(family: str, version: str | None = None) -> dict[str, Any]:
    """Return the rule cases: a context, and changes with the rules that must report."""
    path = FOLDER / family / load(family, version).version / "cases.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def read_schema(path: Path) -> Standard:
    """Read a schema from a JSON file.

    Raises:
        DataError: STANDARD_MALFORMED.
    """
    try:
        descriptor = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise _malformed(path.name, "$", str(error)) from error
    return parse(descriptor, name=path.name)


def digest_of(descriptor: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a schema's canonical JSON, in hexadecimal digits."""
    return hashlib.sha256(rfc8785.dumps(dict(descriptor))).hexdigest()


def parse(descriptor: object, *, name: str = "schema") -> Standard:
    """Read a Table Schema, ours or another's.

    Args:
        descriptor: The JSON value of the schema.
        name: What errors call it.

    Raises:
        DataError: STANDARD_MALFORMED; the value `place` tells where.
    """
    schema = _mapping(descriptor, name, "$")
    ours = _mapping(schema.get("shahrdad", {}), name, "shahrdad")
    fields = _fields(schema, name)
    family = str(ours.get("standard") or schema.get("name") or name)
    version = str(ours.get("version") or schema.get("version") or "0.0.0")
    key = schema.get("primaryKey", [])
    primary_key = (key,) if isinstance(key, str) else tuple(_strings(key, name))
    unknown = [part for part in primary_key if part not in {f.name for f in fields}]
    if unknown:
        raise _malformed(name, "primaryKey", unknown[0])
    try:
        digest = digest_of(schema)
    except rfc8785.CanonicalizationError as error:
        raise _malformed(name, "$", str(error)) from error
    return Standard(
        id=f"{family}@{version}",
        family=family,
        version=version,
        status=str(ours.get("status", "")),
        title_fa=str(schema.get("title", "")),
        title_en=str(schema.get("title_en", "")),
        description_fa=str(schema.get("description", "")),
        description_en=str(schema.get("description_en", "")),
        schema=schema,
        fields=fields,
        primary_key=primary_key,
        rules=_rules(schema, name),
        mandatory=ours.get("mandatory") is True,
        cadence=str(ours.get("cadence", "")),
        max_age_days=int(ours.get("maxAgeDays", 0)),
        dataset_per=cast(DatasetPer, ours.get("datasetPer", "city")),
        aligned_with=str(ours.get("alignedWith", "")),
        digest=digest,
    )


@cache
def _load(family: str, version: str) -> Standard:
    path = FOLDER / family / version / "schema.json"
    return parse(json.loads(path.read_text("utf-8")), name=f"{family}@{version}")


def _fields(schema: Mapping[str, Any], name: str) -> tuple[Field, ...]:
    listed = schema.get("fields")
    if not isinstance(listed, list) or not listed:
        raise _malformed(name, "fields", "a list with one field or more is expected")
    fields = tuple(_field(item, name, f"fields[{n}]") for n, item in enumerate(listed))
    seen: set[str] = set()
    for field in fields:
        if field.name in seen:
            raise _malformed(name, "fields", f"two fields are named {field.name}")
        seen.add(field.name)
    return fields


def _field(item: object, name: str, place: str) -> Field:
    field = _mapping(item, name, place)
    ours = _mapping(field.get("shahrdad", {}), name, f"{place}.shahrdad")
    field_name, field_type = field.get("name"), field.get("type", "any")
    if not isinstance(field_name, str) or not field_name:
        raise _malformed(name, place, "a field has no name")
    if field_type not in TYPES:
        raise _malformed(name, f"{place}.type", str(field_type))
    default = ours.get("importDefault")
    return Field(
        name=field_name,
        type=field_type,
        format=str(field.get("format", "default")),
        title_fa=str(field.get("title", "")),
        title_en=str(field.get("title_en", "")),
        kind=cast("Kind | None", ours.get("kind")),
        unit=ours.get("unit"),
        code_list=ours.get("codeList"),
        categories=_labelled(field.get("categories", []), name, place),
        constraints=_mapping(
            field.get("constraints", {}), name, f"{place}.constraints"
        ),
        synonyms=tuple(_strings(ours.get("synonyms", []), name)),
        import_default=None if default is None else str(default),
        column_type=field.get("columnType"),
    )


def _labelled(items: object, name: str, place: str) -> tuple[Category, ...]:
    if not isinstance(items, list):
        raise _malformed(name, f"{place}.categories", "a list is expected")
    found = []
    for item in items:
        if isinstance(item, Mapping):
            value = str(item.get("value", ""))
            label = str(item.get("label", value))
            found.append(Category(value, label, str(item.get("label_en", label))))
        else:
            found.append(Category(str(item), str(item), str(item)))
    return tuple(found)


def _rules(descriptor: Mapping[str, Any], name: str) -> tuple[Rule, ...]:
    found: list[Rule] = []
    for number, item in enumerate(descriptor.get("custom_checks", []), start=1):
        place = f"custom_checks[{number - 1}]"
        check = _mapping(item, name, place)
        check_name = check.get("name")
        if not isinstance(check_name, str) or not check_name:
            raise _malformed(name, place, "a rule has no name")
        severity = check.get("severity", "error")
        if severity not in {"error", "warning", "info"}:
            raise _malformed(name, f"{place}.severity", str(severity))
        message = str(check.get("message", ""))
        found.append(
            Rule(
                id=str(check.get("id", f"{check_name}#{number}")),
                name=check_name,
                severity=cast(Severity, severity),
                waivable=check.get("waivable") is True,
                since=check.get("since"),
                where=check.get("where"),
                params=_mapping(check.get("params", {}), name, f"{place}.params"),
                message_fa=message,
                message_en=str(check.get("message_en", message)),
            )
        )
    return tuple(found)


def _mapping(value: object, name: str, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _malformed(name, place, "an object is expected")
    return cast("dict[str, Any]", value)


def _strings(value: object, name: str) -> Sequence[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _malformed(name, "$", "a list of texts is expected")
    return cast("list[str]", value)


def _malformed(name: str, place: str, detail: str) -> DataError:
    return DataError(Reason.STANDARD_MALFORMED, name=name, place=place, detail=detail)
