r"""From a file to a table of text under the columns of a standard.

The order of `standards.md` 4: recognise the container, decode, find the table, match
the columns, ask what is missing. What can be settled without a person is; what cannot
is in `TextTable.questions` and among the findings, and nothing is guessed.

Three things are known without an answer. A template states its unit and calendar
itself. Money columns headed letter by letter as the standard names them are in rial,
since that name or title says so. Date columns headed by machine names hold ISO dates,
the form of our own releases; under other headers a date is Jalali unless a profile says
otherwise.

>>> text = "city_code,name_fa\n1346,x\n".encode()
>>> open_table(text).names
('city_code', 'name_fa')
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.datasets.standards import Field, Standard, parse
from shahrdad.datasets.templates import SHEET_DATA, SHEET_PROPERTIES
from shahrdad.validators import header as headers
from shahrdad.validators import label_findings, template_sheet, totals
from shahrdad.validators import raw_table as raw_tables
from shahrdad.validators.container import Content, look
from shahrdad.validators.header import Header
from shahrdad.validators.import_questions import collect, kind_of
from shahrdad.validators.limits import DEFAULT, Limits
from shahrdad.validators.mapping import ColumnMapping, LabelUse, Output, build, used
from shahrdad.validators.normalise.dates import Calendar
from shahrdad.validators.options import Options
from shahrdad.validators.profile import ColumnRule, Profile
from shahrdad.validators.raw_table import Declared, RawTable
from shahrdad.validators.sheets import columns as sheet_columns
from shahrdad.validators.sheets import notices as sheet_notices
from shahrdad.validators.source import Given, Source
from shahrdad.validators.template_sheet import TemplateFacts
from shahrdad.validators.text_table import (
    Audit,
    Finding,
    ReadingSettings,
    SourceFacts,
    TextBatch,
    TextTable,
)

if TYPE_CHECKING:  # loaded where a workbook is opened, and not before
    from shahrdad.validators.sheets.workbook import Sheet, Workbook

WORKBOOKS = ("xlsx", "xls", "ods")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a table is opened for.

    Attributes:
        fields: The fields of the schema; none takes the labels as they are.
        standard: The standard, where the schema is one of ours.
        fields_match: `fieldsMatch` of another's schema.
    """

    fields: tuple[Field, ...]
    standard: Standard | None
    fields_match: str
    profile: Profile
    options: Options
    limits: Limits


def open_table(
    given: Given | Source,
    *,
    standard: Standard | None = None,
    descriptor: Mapping[str, Any] | None = None,
    profile: Profile | Mapping[str, Any] | None = None,
    options: Options | None = None,
    name: str | None = None,
    limits: Limits = DEFAULT,
) -> TextTable:
    """Open a file as a table under the columns of a schema.

    Args:
        given: A path, bytes or a binary file object.
        standard: The standard that the table is of.
        descriptor: Another Table Schema, where there is no standard; without either the
            columns keep their labels.
        profile: A mapping profile, whole or in part.
        options: What was declared for this run; it goes before the profile.
        name: What reports call the file.
        limits: The bounds.

    Returns:
        The table, its rows not read yet. What must be asked is in `questions`.

    Raises:
        DataError: SOURCE_*; PROFILE_INVALID; SOURCE_QUESTIONS where the header is not
            the one that the profile was made for.
        OSError: the path cannot be opened.
    """
    source = (
        given
        if isinstance(given, Source)
        else Source.of(given, name=name, limits=limits)
    )
    wanted = _wanted(
        standard, descriptor, Profile.of(profile), options or Options(), limits
    )
    content = look(source, limits)
    raw, template = _read_raw(content.inner or source, content, wanted)
    header = _find_header(source, raw, wanted)
    _check_header(source, header.labels, limits)
    mapping = _map(source, raw, header, wanted, template)
    return _table(source, content, raw, header, mapping, wanted, template)


def _wanted(
    standard: Standard | None,
    descriptor: Mapping[str, Any] | None,
    profile: Profile,
    options: Options,
    limits: Limits,
) -> _Wanted:
    fields: tuple[Field, ...] = ()
    fields_match = "exact"
    if standard is not None:
        fields = standard.fields
    elif descriptor is not None:
        fields = parse(descriptor).fields
        given = descriptor.get("fieldsMatch", "exact")
        fields_match = (
            str(given[0]) if isinstance(given, list) and given else str(given)
        )
    return _Wanted(fields, standard, fields_match, profile, options, limits)


def _read_raw(
    source: Source, content: Content, wanted: _Wanted
) -> tuple[RawTable, TemplateFacts | None]:
    """Open the file by its format."""
    if content.format in WORKBOOKS:
        return _read_sheet(source, content, wanted)
    options, profile = wanted.options, wanted.profile
    declared = Declared(
        encoding=options.encoding or profile.encoding,
        delimiter=options.delimiter or profile.delimiter,
        one_column=len(wanted.fields) == 1,
        recognised=_recogniser(wanted),
        block_bytes=options.block_bytes,
    )
    if content.format == "parquet":
        return raw_tables.from_parquet(source, wanted.limits), None
    if content.format in ("json", "jsonl"):
        return raw_tables.from_json(source, content, declared, wanted.limits), None
    return raw_tables.from_text(source, content, declared, wanted.limits), None


def _recogniser(wanted: _Wanted) -> Callable[[Sequence[Sequence[str]]], bool] | None:
    if not wanted.fields:
        return None
    return lambda rows: headers.find(rows, wanted.fields) is not None


def _read_sheet(
    source: Source, content: Content, wanted: _Wanted
) -> tuple[RawTable, TemplateFacts | None]:
    """Open a workbook and choose its sheet."""
    from shahrdad.validators.sheets import workbook as sheets

    workbook = sheets.open_workbook(source, content, wanted.limits)
    template = None
    name = wanted.options.sheet or wanted.profile.sheet
    if template_sheet.is_template(workbook.names):
        template = template_sheet.read(workbook.read(SHEET_PROPERTIES).rows)
        name = name or SHEET_DATA
    if name is not None and name not in workbook.names:
        raise _sheet_question(source, workbook.names)
    if name is not None:
        sheet = workbook.read(name)
    else:
        sheet = _choose_sheet(source, workbook, wanted)
    if sheet.is_empty:
        raise DataError(Reason.SOURCE_EMPTY, name=source.label)
    is_hidden = sheet.name in workbook.hidden
    sheet.findings += sheet_notices.hidden_parts(sheet.facts, is_hidden=is_hidden)
    if template is None:
        others = [one for one in workbook.hidden if one != sheet.name]
        sheet.findings += sheet_notices.hidden_sheets(others)
    return raw_tables.from_sheet(sheet, content.format, wanted.limits), template


def _sheet_question(source: Source, names: Sequence[str]) -> DataError:
    return DataError(
        Reason.SOURCE_SHEET, name=source.label, candidates=", ".join(names) or "-"
    )


def _choose_sheet(source: Source, workbook: "Workbook", wanted: _Wanted) -> "Sheet":
    """Take the single visible sheet, or the single one with the standard's header."""
    if len(workbook.visible) == 1:
        return workbook.read(workbook.visible[0])
    found: list[Sheet] = []
    named: list[str] = []
    for name in workbook.visible if wanted.fields else ():
        sheet = workbook.read(name)
        head = sheet.head(wanted.limits.header_rows_looked_at)
        if headers.find(head, wanted.fields, sheet.facts.merged) is None:
            continue
        same = next((one.name for one in found if one.rows == sheet.rows), None)
        named.append(name if same is None else f"{name} (= {same})")
        found.append(sheet)
    if len(found) == 1:
        return found[0]
    raise _sheet_question(source, named or workbook.visible)


def _find_header(source: Source, raw: RawTable, wanted: _Wanted) -> Header:
    """Find the header, or take the declared one."""
    rows = wanted.profile.header_rows
    if wanted.options.header_row is not None:
        rows = (wanted.options.header_row,)
    if raw.fixed_header:
        return Header((1,), tuple(raw.head[0]), 1)
    if rows:
        if rows[-1] > len(raw.head):
            raise DataError(
                Reason.SOURCE_HEADER, name=source.label, candidates=f"1…{len(raw.head)}"
            )
        return headers.declared(raw.head, rows, raw.merged)
    if wanted.standard is not None:
        if wanted.profile.maps:
            known = _header_of_profile(raw, wanted.profile)
            if known is not None:
                return known
        found = headers.find(raw.head, wanted.fields, raw.merged)
        if found is not None:
            return found
        nearest = headers.nearest(raw.head, wanted.fields)
        raise DataError(
            Reason.SOURCE_HEADER, name=source.label, candidates=nearest or "-"
        )
    first = next(
        (n for n, row in enumerate(raw.head, start=1) if any(map(str.strip, row))), 1
    )
    return Header((first,), tuple(raw.head[first - 1]), first)


def _header_of_profile(raw: RawTable, profile: Profile) -> Header | None:
    """Find the row that holds the labels which a profile names."""
    for number, row in enumerate(raw.head, start=1):
        labels = tuple(" ".join(cell.split()) for cell in row)
        if profile.knows(labels):
            return Header((number,), labels, number)
    return None


def _check_header(source: Source, labels: Sequence[str], limits: Limits) -> None:
    """Refuse a header beyond the bounds.

    Raises:
        DataError: SOURCE_TOO_LARGE.
    """
    size = sum(len(label.encode("utf-8", "replace")) for label in labels)
    for found, unit, found_max in (
        (len(labels), "columns", limits.columns_max),
        (size, "bytes (header)", limits.header_bytes_max),
    ):
        if found > found_max:
            raise DataError(
                Reason.SOURCE_TOO_LARGE,
                name=source.label,
                found=found,
                unit=unit,
                found_max=found_max,
            )


def _map(
    source: Source,
    raw: RawTable,
    header: Header,
    wanted: _Wanted,
    template: TemplateFacts | None,
) -> ColumnMapping:
    """Decide what becomes of the columns."""
    labels = header.labels
    if not wanted.fields:
        return _unmapped(labels)
    profile = wanted.profile
    if profile.maps and profile.signature and not profile.knows(labels):
        found = ", ".join(label for label in labels if label.strip())
        raise DataError(Reason.SOURCE_QUESTIONS, name=source.label, questions=found)
    empty = [
        at
        for at, label in enumerate(labels)
        if not label.strip() and _is_empty(raw, header, at)
    ]
    if wanted.standard is None and not profile.maps:
        return _by_name(labels, wanted.fields)
    mapping = build(labels, wanted.fields, profile, empty=empty)
    mapping = _with_template(mapping, wanted, template.fill if template else {})
    return _with_defaults(mapping, wanted)


def _with_defaults(mapping: ColumnMapping, wanted: _Wanted) -> ColumnMapping:
    """Add required columns that the file lacks, empty, where a default fills them."""
    if wanted.standard is None or not wanted.options.normalise:
        return mapping
    names = set(mapping.names)
    lacking = [
        Output(field.name, (), ColumnRule(to=field.name, constant=""))
        for field in wanted.fields
        if field.required
        and field.import_default is not None
        and field.name not in names
    ]
    return replace(mapping, outputs=(*mapping.outputs, *lacking))


def _with_template(
    mapping: ColumnMapping, wanted: _Wanted, fill: Mapping[str, str]
) -> ColumnMapping:
    """Add what a template says of the whole table; it goes before given constants."""
    said = {
        field.name: fill[field.name] for field in wanted.fields if field.name in fill
    }
    given = {
        output.name
        for output in mapping.outputs
        if output.positions or wanted.profile.maps
    }
    constants = [
        Output(name, (), ColumnRule(to=name, constant=value))
        for name, value in said.items()
        if name not in given
    ]
    if not constants:
        return mapping
    made = {output.name for output in constants}
    others = [output for output in mapping.outputs if output.name not in made]
    return replace(mapping, outputs=(*others, *constants))


def _is_empty(raw: RawTable, header: Header, at: int) -> bool:
    """Tell whether a column has no cell below the header, as far as one can see."""
    if raw.whole is not None:
        return raw.whole.is_column_empty(at, header.last)
    return all(at >= len(row) or not row[at].strip() for row in raw.head[header.last :])


def _unmapped(labels: Sequence[str]) -> ColumnMapping:
    """Give every column its own label, made unique."""
    names: list[str] = []
    for at, label in enumerate(labels):
        name = label.strip() or f"col_{at + 1}"
        while name in names:
            name = f"{name}_{at + 1}"
        names.append(name)
    uses = tuple(
        LabelUse(label, at, "certain", name, 1.0)
        for at, (label, name) in enumerate(zip(labels, names, strict=True))
    )
    return ColumnMapping(
        uses, tuple(Output(name, (at,)) for at, name in enumerate(names))
    )


def _by_name(labels: Sequence[str], fields: Sequence[Field]) -> ColumnMapping:
    """Map by equal names alone, as Data Package has it for another's schema."""
    places: dict[str, int] = {}
    for at, label in enumerate(labels):
        places.setdefault(label, at)
    known = {field.name for field in fields}
    uses = tuple(
        LabelUse(label, at, "certain", label, 1.0)
        if label in known and places[label] == at
        else LabelUse(label, at, "unknown")
        for at, label in enumerate(labels)
    )
    outputs = tuple(
        Output(f.name, (places[f.name],)) for f in fields if f.name in places
    )
    return ColumnMapping(uses, outputs)


def _table(
    source: Source,
    content: Content,
    raw: RawTable,
    header: Header,
    mapping: ColumnMapping,
    wanted: _Wanted,
    template: TemplateFacts | None,
) -> TextTable:
    """Put the parts of the table together."""
    settings, unit_known = _settings(raw, mapping, wanted, template)
    mapping.colours = sheet_columns.colours(source, raw, mapping)
    asked = collect(
        raw, header, mapping, _field_of(wanted), wanted.profile, settings, unit_known
    )
    findings = [
        *raw.findings,
        *_label_findings(mapping, wanted, header.labels),
        *_template_findings(template, wanted),
        *sheet_columns.fill_merged(raw, header, mapping, wanted.fields),
        *sheet_notices.merged_header(header, raw.merged),
        *sheet_notices.colours(raw.facts, header, mapped=bool(mapping.colours)),
    ]
    if asked.money is not None and wanted.options.normalise:
        units = ", ".join(one.unit for one in asked.money.proposals)
        findings.append(Finding("money-unit-missing", "error", {"value": units or "-"}))
    settings = replace(
        settings,
        jalali_text=sheet_columns.jalali_text(raw, header, mapping, wanted.fields),
    )
    audit = Audit()
    key = wanted.standard.primary_key if wanted.standard is not None else ()
    codes = totals.anchors(mapping.outputs, wanted.fields, key)
    rows = totals.RowFilter(wanted.profile.skip_rows, codes)
    facts = SourceFacts(
        name=source.name,
        bytes=source.size,
        sha256=source.sha256,
        format=raw.format,
        container=content.container,
        sheet=raw.sheet,
        header_rows=header.rows,
        encoding=raw.encoding,
        dialect=raw.dialect,
        dialect_how=raw.dialect_how,
        mapping=used(mapping),
    )
    return TextTable(
        labels=header.labels,
        names=mapping.names,
        origins=tuple(output.origin for output in mapping.outputs),
        source=facts,
        settings=settings,
        audit=audit,
        batches=_read(raw, header, mapping, rows, audit, findings),
        findings=findings,
        questions=asked,
        declared={**wanted.profile.declared, **(template.declared if template else {})},
        left_out=rows.skipped,
    )


def _read(
    raw: RawTable,
    header: Header,
    mapping: ColumnMapping,
    rows: totals.RowFilter,
    audit: Audit,
    findings: list[Finding],
) -> Iterator[TextBatch]:
    """Read the rows; what is found on the way is added at the end."""
    if mapping.has_paths:
        ahead = totals.RowFilter(rows.patterns, rows.anchors)
        batches = raw.batches(header.last, len(header.labels))
        mapping.look_ahead(map(ahead.apply, batches))
    dropped = [use for use in mapping.uses if use.use == "empty"]
    filled = dict.fromkeys((use.position for use in dropped), 0)
    for batch in raw.batches(header.last, len(header.labels)):
        for use in dropped:
            filled[use.position] += _texts_in(batch, use.position)
        yield mapping.apply(rows.apply(batch), audit)
    findings += rows.findings()
    for position, count in filled.items():
        if count:
            values = {"value": position + 1, "cells": count}
            findings.append(Finding("label-blank", "error", values))


def _texts_in(batch: TextBatch, position: int) -> int:
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.binary_length(batch.columns[position]), 0)
    return int(pc.sum(pc.greater(lengths, 0)).as_py() or 0)


def _field_of(wanted: _Wanted) -> Mapping[str, Field]:
    return {field.name: field for field in wanted.fields}


def _settings(
    raw: RawTable,
    mapping: ColumnMapping,
    wanted: _Wanted,
    template: TemplateFacts | None,
) -> tuple[ReadingSettings, bool]:
    """Return how cells are read, and whether the money unit is known or not needed."""
    profile, fields = wanted.profile, _field_of(wanted)
    settings = profile.settings()
    money = [out for out in mapping.outputs if kind_of(fields, out) == "money"]
    unit = profile.money_unit or (template.money_unit if template else None)
    if (
        unit is None
        and money
        and all(_is_headed_exactly(mapping, fields, out) for out in money)
    ):
        unit = "rial"
    calendar: Calendar = profile.calendar
    if "calendar" not in profile.descriptor:
        if template is not None and template.calendar is not None:
            calendar = cast(Calendar, template.calendar)
        elif _has_machine_dates(mapping, fields):
            calendar = "gregorian"
    fill = dict(template.fill) if template else {}
    found = replace(settings, money_unit=unit, calendar=calendar, fill=fill)
    return found, unit is not None or not money


def _label(mapping: ColumnMapping, output: Output) -> str:
    """Return the header of a column as read, without the mark of a required one."""
    if output.origin is None:
        return ""
    return mapping.uses[output.origin].label.strip().removesuffix("*").strip()


def _is_headed_exactly(
    mapping: ColumnMapping, fields: Mapping[str, Field], output: Output
) -> bool:
    field = fields[output.name]
    label = _label(mapping, output)
    return label in (field.name, field.title_fa, field.title_en)


def _has_machine_dates(mapping: ColumnMapping, fields: Mapping[str, Field]) -> bool:
    """Tell whether every date column is headed by its machine name."""
    found = [out for out in mapping.outputs if kind_of(fields, out) == "date"]
    return bool(found) and all(_label(mapping, out) == out.name for out in found)


def _label_findings(
    mapping: ColumnMapping, wanted: _Wanted, labels: Sequence[str]
) -> Iterator[Finding]:
    """Return what the report says about the header."""
    yield from label_findings.doubled(mapping, labels)
    if wanted.fields and wanted.standard is None and not wanted.profile.maps:
        names = [field.name for field in wanted.fields]
        yield from label_findings.by_fields_match(labels, names, wanted.fields_match)
    elif wanted.fields:
        yield from label_findings.unsettled(mapping)


def _template_findings(
    template: TemplateFacts | None, wanted: _Wanted
) -> Iterator[Finding]:
    """Warn of a template that was made for another standard or version."""
    if template is None or wanted.standard is None or template.standard is None:
        return
    made_for = f"{template.standard}@{template.version or '?'}"
    if made_for != wanted.standard.id:
        values = {"value": made_for, "expected": wanted.standard.id}
        yield Finding("source-template", "warning", values)


__all__ = ["open_table"]
