"""What differs between two versions of a standard, and which number that moves.

The class of a change is computed, never declared:

- PATCH: labels, descriptions, synonyms; a rule made milder or dropped.
- MINOR: a new optional column, a new code, a looser constraint, a new warning or note.
  All data that the old version accepts, the new one accepts too.
- MAJOR: anything by which a formerly valid file may fail, or a column change meaning.

>>> from shahrdad.datasets.standards import load, parse
>>> old = load("ideas")
>>> new = dict(old.schema, title_en="Ideas")
>>> comparison = compare(old, parse(new))
>>> comparison.level.name, next_version("1.0.0", comparison.level)
('PATCH', '1.0.1')
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from shahrdad.datasets.standards import Field, Rule, Standard, version_key

_SEVERITIES = ("info", "warning", "error")
_AT_LEAST = frozenset({"minimum", "minLength"})  # a lower bound loosens downwards
_AT_MOST = frozenset({"maximum", "maxLength"})


class Level(IntEnum):
    """Which number of a version must move."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        place: `field:name`, `rule:id`, or a member of the schema.
        what: A stable word for what happened, as `code-removed`.
        detail: The values, as `open → closed`; empty where the place says all.
    """

    level: Level
    place: str
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences, the gravest first."""

    changes: tuple[Change, ...]

    @property
    def level(self) -> Level:
        """The gravest class among the changes."""
        return max((change.level for change in self.changes), default=Level.NONE)

    @property
    def breaking(self) -> tuple[Change, ...]:
        """The changes by which data of the old version may fail."""
        return tuple(c for c in self.changes if c.level is Level.MAJOR)


def compare(old: Standard, new: Standard) -> Comparison:
    """Return what changed from one version of a standard to another."""
    changes = [*_of_schema(old, new), *_of_fields(old, new), *_of_rules(old, new)]
    return Comparison(tuple(sorted(changes, key=lambda c: (-c.level, c.place, c.what))))


def next_version(version: str, level: Level) -> str:
    """Return the smallest version that a change of this class may carry."""
    major, minor, patch = version_key(version)
    return {
        Level.NONE: version,
        Level.PATCH: f"{major}.{minor}.{patch + 1}",
        Level.MINOR: f"{major}.{minor + 1}.0",
        Level.MAJOR: f"{major + 1}.0.0",
    }[level]


def declared_level(old: str, new: str) -> Level:
    """Return the class that two version numbers claim.

    Raises:
        ValueError: the second is not above the first.
    """
    before, after = version_key(old), version_key(new)
    if after <= before:
        raise ValueError(f"{new} is not above {old}")
    if after[0] > before[0]:
        return Level.MAJOR
    return Level.MINOR if after[1] > before[1] else Level.PATCH


def _of_schema(old: Standard, new: Standard) -> Iterator[Change]:
    if old.primary_key != new.primary_key:
        detail = f"{', '.join(old.primary_key)} → {', '.join(new.primary_key)}"
        yield Change(Level.MAJOR, "primaryKey", "key-changed", detail)
    if old.dataset_per != new.dataset_per:
        detail = f"{old.dataset_per} → {new.dataset_per}"
        yield Change(Level.MAJOR, "datasetPer", "changed", detail)
    missing = [standard.schema.get("missingValues", [""]) for standard in (old, new)]
    if missing[0] != missing[1]:
        yield Change(
            Level.MAJOR, "missingValues", "changed", f"{missing[0]} → {missing[1]}"
        )
    for name in ("mandatory", "cadence", "max_age_days"):
        if getattr(old, name) != getattr(new, name):
            detail = f"{getattr(old, name)} → {getattr(new, name)}"
            yield Change(Level.MINOR, name, "changed", detail)
    for name in (
        "title_fa", "title_en", "description_fa", "description_en", "aligned_with",
        "status",
    ):  # fmt: skip
        if getattr(old, name) != getattr(new, name):
            yield Change(Level.PATCH, name, "text-changed")


def _of_fields(old: Standard, new: Standard) -> Iterator[Change]:
    before = {field.name: field for field in old.fields}
    after = {field.name: field for field in new.fields}
    for name in before.keys() - after.keys():
        yield Change(Level.MAJOR, f"field:{name}", "column-removed")
    for name in after.keys() - before.keys():
        if after[name].required and after[name].import_default is None:
            yield Change(Level.MAJOR, f"field:{name}", "required-column-added")
        else:
            yield Change(Level.MINOR, f"field:{name}", "optional-column-added")
    for name in before.keys() & after.keys():
        yield from _of_field(before[name], after[name])
    stay = [name for name in before if name in after]
    if stay != [name for name in after if name in before]:
        yield Change(Level.MINOR, "fields", "order-changed")


def _of_field(old: Field, new: Field) -> Iterator[Change]:
    place = f"field:{old.name}"
    for name in ("type", "format", "kind", "unit"):
        if getattr(old, name) != getattr(new, name):
            detail = f"{getattr(old, name)} → {getattr(new, name)}"
            yield Change(Level.MAJOR, place, f"{name}-changed", detail)
    if old.import_default != new.import_default:
        # Rows whose cell is empty would get another value, or be refused.
        level = Level.MINOR if old.import_default is None else Level.MAJOR
        detail = f"{old.import_default} → {new.import_default}"
        yield Change(level, place, "import-default-changed", detail)
    yield from _of_constraints(place, old.constraints, new.constraints)
    labels = [
        {c.value: (c.label_fa, c.label_en) for c in f.categories} for f in (old, new)
    ]
    if any(labels[1].get(value, label) != label for value, label in labels[0].items()):
        yield Change(Level.PATCH, place, "labels-changed")
    for name in ("title_fa", "title_en", "synonyms", "column_type", "code_list"):
        if getattr(old, name) != getattr(new, name):
            yield Change(Level.PATCH, place, f"{name}-changed".replace("_", "-"))


def _of_constraints(
    place: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Change]:
    for name in sorted({*old, *new} - {"enum"}):
        before, after = old.get(name), new.get(name)
        if before == after or not (before or after):
            continue
        loosened = after in (None, False) or (
            before is not None and _LOOSER.get(name, _never)(before, after)
        )
        level, what = (
            (Level.MINOR, "loosened") if loosened else (Level.MAJOR, "tightened")
        )
        yield Change(level, place, f"{name}-{what}", f"{before} → {after}")
    if old.get("enum") == new.get("enum"):
        return
    if old.get("enum") is None or new.get("enum") is None:
        level = Level.MAJOR if old.get("enum") is None else Level.MINOR
        yield Change(level, place, "list-changed")
        return
    for value in sorted(set(old["enum"]) - set(new["enum"])):
        yield Change(Level.MAJOR, place, "code-removed", str(value))
    for value in sorted(set(new["enum"]) - set(old["enum"])):
        yield Change(Level.MINOR, place, "code-added", str(value))


def _never(_before: Any, _after: Any) -> bool:
    """Whether a pattern accepts all that another does cannot be told."""
    return False


_LOOSER: dict[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(_AT_LEAST, lambda before, after: after < before),
    **dict.fromkeys(_AT_MOST, lambda before, after: after > before),
}


def _of_rules(old: Standard, new: Standard) -> Iterator[Change]:
    before = {rule.id: rule for rule in old.rules}
    after = {rule.id: rule for rule in new.rules}
    for rule_id in before.keys() - after.keys():
        yield Change(Level.PATCH, f"rule:{rule_id}", "rule-dropped")
    for rule_id in after.keys() - before.keys():
        error = after[rule_id].severity == "error"
        level = Level.MAJOR if error else Level.MINOR
        yield Change(level, f"rule:{rule_id}", "rule-added", after[rule_id].severity)
    for rule_id in before.keys() & after.keys():
        yield from _of_rule(before[rule_id], after[rule_id])


def _of_rule(old: Rule, new: Rule) -> Iterator[Change]:
    place = f"rule:{old.id}"
    if old.severity != new.severity:
        milder = _SEVERITIES.index(new.severity) < _SEVERITIES.index(old.severity)
        worse = Level.MAJOR if new.severity == "error" else Level.MINOR
        detail = f"{old.severity} → {new.severity}"
        level = Level.PATCH if milder else worse
        yield Change(level, place, "severity-changed", detail)
    if old.waivable != new.waivable:
        level = Level.PATCH if new.waivable else Level.MAJOR
        yield Change(
            level, place, "waivable-changed", f"{old.waivable} → {new.waivable}"
        )
    if (old.name, old.where, old.params) != (new.name, new.where, new.params):
        # What other parameters accept cannot be told in general: an error may be new.
        level = Level.MAJOR if new.severity == "error" else Level.MINOR
        yield Change(level, place, "rule-changed")
    if (old.message_fa, old.message_en) != (new.message_fa, new.message_en):
        yield Change(Level.PATCH, place, "message-changed")
