"""What only a whole column of a sheet tells: merges, colours, dates in two forms."""

from collections.abc import Iterator, Sequence

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.datasets.standards import Field
from shahrdad.validators.header import Header
from shahrdad.validators.limits import DEFAULT
from shahrdad.validators.mapping import ColumnMapping
from shahrdad.validators.normalise import dates
from shahrdad.validators.raw_table import RawTable
from shahrdad.validators.sheets.scan import place_of
from shahrdad.validators.source import Source
from shahrdad.validators.text_table import Finding

CELLS_LOOKED_AT = 10_000


def fill_merged(
    raw: RawTable, header: Header, mapping: ColumnMapping, fields: Sequence[Field]
) -> Iterator[Finding]:
    """Fill cells merged downwards, in columns of codes and labels alone."""
    if raw.whole is None:
        return
    by_name = {field.name: field for field in fields}
    names = {
        output.origin: output.name
        for output in mapping.outputs
        if output.origin is not None
        and (field := by_name.get(output.name)) is not None
        and (field.kind == "code" or field.categories)
    }
    counts: dict[str, int] = {}
    for (top, left), (bottom, right) in raw.merged:
        name = names.get(left - 1)
        if name is None or left != right or top <= header.last or bottom == top:
            continue
        rows = raw.whole.rows
        for row in rows[top : min(bottom, len(rows))]:
            if left <= len(row):
                row[left - 1] = rows[top - 1][left - 1]
                counts[name] = counts.get(name, 0) + 1
    for name, count in counts.items():
        yield Finding("source-filled-down", "warning", {"value": count}, column=name)


def colours(
    source: Source, raw: RawTable, mapping: ColumnMapping
) -> dict[int, dict[int, str]]:
    """Return the colours that the profile maps: by column from 0, by row of the file.

    Raises:
        DataError: PROFILE_INVALID: only XLSX has colours that are read;
            SOURCE_TOO_LARGE: more coloured cells than the bound.
    """
    rules = [out for out in mapping.outputs if out.rule and out.rule.colour]
    if not rules:
        return {}
    if raw.format != "xlsx" or raw.facts is None:
        raise DataError(
            Reason.PROFILE_INVALID,
            place="columns",
            detail=f"{rules[0].name}: colour ({raw.format})",
        )
    if raw.facts.colours_cut:
        bound = DEFAULT.coloured_cells_max
        raise DataError(
            Reason.SOURCE_TOO_LARGE,
            name=source.label,
            found=f"> {bound}",
            unit="coloured cells",
            found_max=bound,
        )
    found: dict[int, dict[int, str]] = {out.positions[0]: {} for out in rules}
    for colour, packed in raw.facts.colours.items():
        for row, column in map(place_of, packed):
            if column - 1 in found:
                found[column - 1][row] = colour
    return found


def jalali_text(
    raw: RawTable, header: Header, mapping: ColumnMapping, fields: Sequence[Field]
) -> frozenset[str]:
    """Return the date columns of a sheet that hold Jalali texts beside typed dates."""
    if raw.whole is None:
        return frozenset()
    by_name = {field.name: field for field in fields}
    found = set()
    for output in mapping.outputs:
        if output.origin is None or not _is_date(by_name.get(output.name)):
            continue
        texts = raw.whole.texts_beside_dates(
            output.origin, header.last, CELLS_LOOKED_AT
        )
        if any(map(_is_jalali, texts)):
            found.add(output.name)
    return frozenset(found)


def _is_date(field: Field | None) -> bool:
    return field is not None and (field.type == "date" or field.kind == "date")


def _is_jalali(text: str) -> bool:
    """Tell whether a text is a Jalali date, its century perhaps left out."""
    return (
        bool(text)
        and dates.parse(text, calendar="jalali", century=1300).value is not None
    )
