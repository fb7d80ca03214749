"""A schema made ready for the engine: parsed once, its faults collected, no I/O.

>>> year = {"name": "year", "type": "integer", "constraints": {"minimum": 1380}}
>>> plan = Plan.of({"fields": [year]})
>>> plan.fields[0].bounds["minimum"], plan.faults
(1380, ())
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TYPES = frozenset(
    {
        "string", "number", "integer", "boolean", "object", "array", "list", "datetime",
        "date", "time", "year", "yearmonth", "duration", "geopoint", "geojson", "any",
    }
)  # fmt: skip
BOUNDED = frozenset(
    {"integer", "number", "date", "time", "datetime", "year", "yearmonth", "duration"}
)
MEASURED = frozenset({"string", "list", "array", "object"})  # those with a length
BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
TRUE_VALUES = ("true", "True", "TRUE", "1")
FALSE_VALUES = ("false", "False", "FALSE", "0")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a schema: a code, what it is about, and why."""

    code: str
    value: str
    expected: str = ""


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """One field of a schema, as `plan_field` reads it from its descriptor.

    Attributes:
        bounds: `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum` as given.
        enum: The allowed values as given; None allows all.
        categories: The values of `categories`, of `enum`'s shape.
        missing: The texts that stand for no value.
        kind: `shahrdad.kind`: code, money, date, or None.
        descriptor: The field's descriptor as given.
    """

    name: str
    type: str = "string"
    format: str = "default"
    title_fa: str = ""
    title_en: str = ""
    required: bool = False
    unique: bool = False
    min_length: int | None = None
    max_length: int | None = None
    bounds: Mapping[str, Any] = field(default_factory=dict)
    pattern: str | None = None
    enum: tuple[Any, ...] | None = None
    categories: tuple[Any, ...] | None = None
    json_schema: Mapping[str, Any] | None = None
    missing: tuple[str, ...] = ("",)
    true_values: tuple[str, ...] = TRUE_VALUES
    false_values: tuple[str, ...] = FALSE_VALUES
    group_char: str = ""
    decimal_char: str = "."
    bare_number: bool = True
    delimiter: str = ","
    item_type: str = "string"
    kind: str | None = None
    unit: str | None = None
    code_list: str | None = None
    descriptor: Mapping[str, Any] = field(default_factory=dict)

    def title(self, language: str) -> str:
        """Return the field's title in a language, else its name."""
        return (self.title_fa if language == "fa" else self.title_en) or self.name


@dataclass(frozen=True, slots=True)
class Plan:
    """A schema made ready.

    Attributes:
        fields: The fields in the order of the schema.
        primary_key: Names of the key's fields.
        unique_keys: Each a tuple of names.
        foreign_keys: As given, `fields` and `reference.fields` made lists.
        rules: `custom_checks` as given.
        faults: What is wrong with the schema; with any, nothing is validated.
        sha256: Hash of the descriptor in canonical JSON.
    """

    name: str
    version: str | None
    sha256: str
    descriptor: Mapping[str, Any]
    fields: tuple[FieldPlan, ...]
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[Mapping[str, Any], ...] = ()
    rules: tuple[Mapping[str, Any], ...] = ()
    faults: tuple[Fault, ...] = ()

    @classmethod
    def of(cls, descriptor: Mapping[str, Any]) -> "Plan":
        """Read a Table Schema descriptor; never raises for its content."""
        return _Planner(descriptor).plan()

    def field(self, name: str) -> FieldPlan | None:
        """Return a field by name."""
        return next((field for field in self.fields if field.name == name), None)

    @property
    def own(self) -> Mapping[str, Any]:
        """The schema's member `shahrdad`."""
        own = self.descriptor.get("shahrdad")
        return own if isinstance(own, Mapping) else {}


def canonical_json(value: Any) -> bytes:
    """Return a value as canonical JSON: keys sorted, nothing between the tokens."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def canonical_sha256(value: Any) -> str:
    """Return the SHA-256 of a value as canonical JSON."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _names(value: Any) -> tuple[str, ...]:
    """Return the field names of a key: a string, or a list of strings."""
    return (
        (value,) if isinstance(value, str) else tuple(str(name) for name in value or ())
    )


def _missing(value: Any) -> tuple[str, ...]:
    """Return missing values, which may be texts or objects with `value` and `label`."""
    return tuple(
        str(entry["value"]) if isinstance(entry, Mapping) else str(entry)
        for entry in value
    )


# What Python's `re` and RE2 read differently, or RE2 refuses: look-around, back
# references, possessive and conditional forms, POSIX and Unicode classes, inline flags.
_FOREIGN_PATTERN = re.compile(
    r"\(\?(?!:|P<)|\\[1-9]|\(\?P=|[*+?}]\+|\[\[:|\\[pPQECzZGvkXRNhH]|\\x\{|\\[0-7]{2}"
)


def pattern_fault(pattern: str) -> str | None:
    """Return why a pattern is not usable, or None.

    A pattern must mean the same to RE2 and to Python's `re` with ASCII classes, so that
    the kernels and the reference agree, and no pattern of a foreign schema can run
    away.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found = _FOREIGN_PATTERN.search(pattern)
    if found is not None:
        return f"{found[0]} is not part of RE2"
    try:
        re.compile(pattern, re.ASCII)
        pc.match_substring_regex(pa.array([""], pa.string()), f"^(?:{pattern})$")
    except (re.error, pa.ArrowInvalid, OverflowError) as error:
        return str(error).splitlines()[0]
    return None


class _Planner:
    """Reads a descriptor, collecting faults on the way."""

    def __init__(self, descriptor: Mapping[str, Any]) -> None:
        self.descriptor = descriptor
        self.faults: list[Fault] = []

    def fault(
        self, value: str, code: str = "schema-invalid", expected: str = ""
    ) -> None:
        self.faults.append(Fault(code, value, expected))

    def plan(self) -> Plan:
        source = self.descriptor
        given = source.get("fields")
        if not isinstance(given, list) or not given:
            self.fault("no fields")
            given = []
        fields = tuple(
            self.field(entry) for entry in given if isinstance(entry, Mapping)
        )
        if len(fields) != len(given):
            self.fault("a field is not an object")
        names = [field.name for field in fields]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.fault(f"field {name} is declared twice")
        primary = _names(source.get("primaryKey"))
        unique = tuple(_names(key) for key in source.get("uniqueKeys") or ())
        foreign = tuple(
            self.foreign_key(key) for key in source.get("foreignKeys") or ()
        )
        keys = [*primary, *(n for key in unique for n in key)]
        keys += [n for key in foreign for n in key["fields"]]
        for name in sorted(set(keys) - set(names)):
            self.fault(f"key field {name} is not declared")
        rules = source.get("custom_checks") or ()
        own = source.get("shahrdad")
        own = own if isinstance(own, Mapping) else {}
        return Plan(
            name=str(source.get("name") or own.get("standard") or "table"),
            version=str(own["version"]) if "version" in own else source.get("version"),
            sha256=canonical_sha256(source),
            descriptor=source,
            fields=fields,
            primary_key=primary,
            unique_keys=unique,
            foreign_keys=foreign,
            rules=tuple(rule for rule in rules if isinstance(rule, Mapping)),
            faults=tuple(self.faults),
        )

    def foreign_key(self, key: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = dict(key.get("reference") or {})
        reference["fields"] = list(_names(reference.get("fields")))
        fields = list(_names(key.get("fields")))
        if len(fields) != len(reference["fields"]) or not fields:
            self.fault("a foreign key names different numbers of fields")
        return {"fields": fields, "reference": reference}

    def field(self, entry: Mapping[str, Any]) -> FieldPlan:
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            self.fault("a field has no name")
            name = "?"
        type_ = entry.get("type", "any" if "type" not in entry else "string")
        if type_ not in TYPES:
            self.fault(f"{name}: type {type_} is not known")
            type_ = "any"
        constraints = entry.get("constraints") or {}
        own = entry.get("shahrdad")
        own = own if isinstance(own, Mapping) else {}
        true, false = self.booleans(name, type_, entry)
        enum, categories = self.choices(name, constraints, entry)
        return FieldPlan(
            name=name,
            type=type_,
            format=str(entry.get("format") or "default").removeprefix("fmt:"),
            title_fa=str(entry.get("title") or ""),
            title_en=str(entry.get("title_en") or ""),
            required=constraints.get("required") is True,
            unique=constraints.get("unique") is True,
            min_length=self.length(name, type_, constraints, "minLength"),
            max_length=self.length(name, type_, constraints, "maxLength"),
            bounds=self.bounds(name, type_, constraints),
            pattern=self.pattern(name, type_, constraints),
            enum=enum,
            categories=categories,
            json_schema=constraints.get("jsonSchema"),
            missing=_missing(
                entry.get("missingValues", self.descriptor.get("missingValues", [""]))
            ),
            true_values=true,
            false_values=false,
            group_char=str(entry.get("groupChar", "")),
            decimal_char=str(entry.get("decimalChar", ".")),
            bare_number=entry.get("bareNumber", True) is not False,
            delimiter=str(entry.get("delimiter", ",")),
            item_type=str(entry.get("itemType", "string")),
            kind=own.get("kind"),
            unit=own.get("unit"),
            code_list=own.get("codeList"),
            descriptor=entry,
        )

    def booleans(
        self, name: str, type_: str, entry: Mapping[str, Any]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        true = tuple(str(text) for text in entry.get("trueValues", TRUE_VALUES))
        false = tuple(str(text) for text in entry.get("falseValues", FALSE_VALUES))
        if type_ == "boolean" and set(true) & set(false):
            self.fault(f"{name}: {min(set(true) & set(false))} is both true and false")
        return true, false

    def choices(
        self, name: str, constraints: Mapping[str, Any], entry: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...] | None, tuple[Any, ...] | None]:
        enum = (
            tuple(constraints["enum"]) if constraints.get("enum") is not None else None
        )
        given = entry.get("categories")
        if given is None:
            return enum, None
        categories = tuple(
            choice["value"] if isinstance(choice, Mapping) else choice
            for choice in given
        )
        if enum is not None and not {str(v) for v in enum} <= {
            str(v) for v in categories
        }:
            self.fault(f"{name}: enum is not a subset of categories")
        return enum, categories

    def length(
        self, name: str, type_: str, constraints: Mapping[str, Any], key: str
    ) -> int | None:
        value = constraints.get(key)
        if value is None:
            return None
        if type_ not in MEASURED or not isinstance(value, int) or value < 0:
            self.fault(f"{name}: {key} does not apply")
            return None
        return value

    def bounds(
        self, name: str, type_: str, constraints: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        bounds = {key: constraints[key] for key in BOUNDS if key in constraints}
        if bounds and type_ not in BOUNDED:
            self.fault(f"{name}: {', '.join(bounds)} does not apply to {type_}")
            return {}
        return bounds

    def pattern(
        self, name: str, type_: str, constraints: Mapping[str, Any]
    ) -> str | None:
        pattern = constraints.get("pattern")
        if pattern is None:
            return None
        if type_ not in ("string", "any"):
            self.fault(f"{name}: pattern does not apply to {type_}")
            return None
        why = pattern_fault(str(pattern))
        if why is not None:
            self.fault(str(pattern), "schema-pattern", why)
            return None
        return str(pattern)


__all__ = ["Fault", "FieldPlan", "Plan", "canonical_sha256", "pattern_fault"]
