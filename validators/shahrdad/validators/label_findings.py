"""What the report says about the labels of a file.

>>> [found.code for found in by_fields_match(["a", "c"], ["a", "b"], "exact")]
['label-extra', 'label-missing']
"""

from collections.abc import Iterator, Sequence

from shahrdad.validators.mapping import ColumnMapping
from shahrdad.validators.text_table import Finding, Severity


def doubled(mapping: ColumnMapping, labels: Sequence[str]) -> Iterator[Finding]:
    """Report labels that occur twice; gravely where one of them is used."""
    seen: set[str] = set()
    for label in labels:
        if label.strip() and label in seen:
            used = any(
                use.label == label and use.name in mapping.names for use in mapping.uses
            )
            severity: Severity = "error" if used else "warning"
            yield Finding("label-duplicate", severity, {"value": label})
        seen.add(label)


def unsettled(mapping: ColumnMapping) -> Iterator[Finding]:
    """Report the columns that wait for a person."""
    for use in mapping.uses:
        if use.use == "unknown" and use.label.strip():
            yield Finding("label-extra", "warning", {"value": use.label})
        elif use.use == "proposed":
            values = {"value": use.label, "expected": use.name or ""}
            yield Finding("label-proposed", "warning", values)


def by_fields_match(
    labels: Sequence[str], names: Sequence[str], match: str
) -> Iterator[Finding]:
    """Judge a header by `fieldsMatch` of Data Package v2.

    Args:
        labels: The header as read.
        names: Names of the schema's fields, in order.
        match: `exact`, `equal`, `subset`, `superset` or `partial`.
    """
    known = set(names)
    for at, label in enumerate(labels, start=1):
        if not label.strip():
            yield Finding("label-blank", "error", {"value": at})
        elif label not in known:
            strict = match in ("exact", "equal", "superset")
            yield Finding(
                "label-extra", "error" if strict else "warning", {"value": label}
            )
    missing = [name for name in names if name not in labels]
    if match in ("exact", "equal", "subset"):
        reported = missing
    else:
        reported = (
            missing[:1] if match == "partial" and len(missing) == len(names) else []
        )
    for name in reported:
        yield Finding("label-missing", "error", {"expected": name}, column=name)
    if match == "exact" and not missing:
        yield from _misplaced([label for label in labels if label in known], names)


def _misplaced(found: Sequence[str], names: Sequence[str]) -> Iterator[Finding]:
    """Report the first label that stands in the place of another."""
    for label, name in zip(found, names, strict=False):
        if label != name:
            yield Finding("label-wrong", "error", {"value": label, "expected": name})
            return
