"""What an XLSX says about its sheets, found by one streaming pass before it is read.

The reader of sheets gives an error cell as an empty one, lays out the whole rectangle
up to one stray value, and trusts the sizes an archive declares. So the XML is inflated
and counted first, and searched for what the reader would lose: error cells, formulas
without a value, percentages, hidden rows, merged ranges, colours, and where the last
value stands.
"""

import re
import zipfile
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO, Final, cast
from xml.parsers import expat

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.container import Inflating
from shahrdad.validators.limits import DEFAULT, Limits
from shahrdad.validators.sheets.colours import colours_of_styles
from shahrdad.validators.source import Source

BLOCK_BYTES = 1 << 20
PART_BYTES_MAX = 64 << 20  # workbook, relations, styles: small in any honest file
REPORT_NAME = "_shahrdad_report"  # sheets that carry it were added by our report
SHARED_STRINGS = "xl/sharedStrings.xml"

_BUILT_IN_PERCENT: Final[frozenset[int]] = frozenset((9, 10))
_BUILT_IN_DATES: Final[frozenset[int]] = frozenset(
    (*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59))
)

Place = tuple[int, int]  # row and column of a sheet, both from 1
COLUMN_BITS = 16  # of a packed place: a sheet has 16,384 columns


def place_of(packed: int) -> Place:
    """Return the place that a number holds.

    >>> place_of(3 << COLUMN_BITS | 2)
    (3, 2)
    """
    return packed >> COLUMN_BITS, packed & ((1 << COLUMN_BITS) - 1)


@dataclass(frozen=True, slots=True)
class SheetInfo:
    """A sheet of a workbook, by its name and its part."""

    name: str
    part: str
    visible: bool = True
    ours: bool = False  # added by our report; not read


@dataclass(frozen=True, slots=True)
class WorkbookFacts:
    """What a workbook says of itself.

    Attributes:
        sheets: Its sheets in their order.
        percent_styles: Styles of cells that show a percentage, by number.
        date_styles: Styles of cells that show a date.
        colours: Colour by style, for those that have one.
    """

    sheets: tuple[SheetInfo, ...]
    percent_styles: frozenset[int] = frozenset()
    date_styles: frozenset[int] = frozenset()
    colours: Mapping[int, str] = field(default_factory=dict)

    def sheet(self, name: str) -> SheetInfo:
        """Return a sheet by name.

        Raises:
            KeyError: no such sheet (a mistake of the caller).
        """
        return next(sheet for sheet in self.sheets if sheet.name == name)


@dataclass(slots=True)
class SheetFacts:
    """What one pass over a sheet found.

    Attributes:
        rows: Row of the last value.
        columns: Column of the last cell that the file mentions.
        values: Number of cells with a value.
        errors: Text of each error cell, such as `#REF!`.
        empty_formulas: Formulas without a cached value.
        percents: Number cells that are shown as percentages.
        leap_days: Date cells with the serial number 60, a day that never was.
        hidden_rows: First and last of each run of hidden rows.
        hidden_columns: First and last of each run of hidden columns.
        merged: Merged ranges: first place, last place.
        filtered: Whether a filter is set.
        right_to_left: Whether the sheet is shown from right to left.
        colours: Places of the coloured cells with a value, by colour, packed as
            `place_of` reads them.
        colours_cut: Whether there are more coloured cells than the bound.
    """

    rows: int = 0
    columns: int = 0
    values: int = 0
    errors: dict[Place, str] = field(default_factory=dict)
    empty_formulas: list[Place] = field(default_factory=list)
    percents: set[Place] = field(default_factory=set)
    leap_days: list[Place] = field(default_factory=list)
    hidden_rows: list[tuple[int, int]] = field(default_factory=list)
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    merged: list[tuple[Place, Place]] = field(default_factory=list)
    filtered: bool = False
    right_to_left: bool = False
    colours: dict[str, "array[int]"] = field(default_factory=dict)
    colours_cut: bool = False

    def is_sparse(self, limits: Limits) -> bool:
        """Tell whether reading the whole rectangle would be a waste of memory."""
        area = self.rows * self.columns
        return (
            area > limits.sparse_cells_min and area > limits.sparse_ratio * self.values
        )


def scan_workbook(source: Source, limits: Limits = DEFAULT) -> WorkbookFacts:
    """Inflate every member of a workbook once, counted, and read its small parts.

    Raises:
        DataError: SOURCE_INFLATES, SOURCE_UNREADABLE, SOURCE_TOO_LARGE.
    """
    parts: dict[str, bytes] = {}
    total = 0
    with source.open() as stream, archive_of(source, stream) as archive:
        for info in archive.infolist():
            most = limits.workbook_member_bytes_max
            if info.filename == SHARED_STRINGS:
                most = min(most, limits.shared_strings_bytes_max)
            most = min(most, limits.workbook_bytes_max - total)
            kept = info.filename in (
                "xl/workbook.xml",
                "xl/_rels/workbook.xml.rels",
                "xl/styles.xml",
            )
            if kept:
                most = min(most, PART_BYTES_MAX)
            content = bytearray()
            with member_of(source, archive, info, most, limits) as member:
                while block := member.read(BLOCK_BYTES):
                    total += len(block)
                    if kept:
                        content += block
            if kept:
                parts[info.filename] = bytes(content)
    return _workbook(source, parts, limits)


def archive_of(source: Source, stream: BinaryIO) -> zipfile.ZipFile:
    """Open an archive.

    Raises:
        DataError: SOURCE_UNREADABLE.
    """
    try:
        return zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, ValueError, RuntimeError) as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Source, error: Exception | str) -> DataError:
    return DataError(Reason.SOURCE_UNREADABLE, name=source.label, detail=str(error))


def member_of(
    source: Source,
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    most: int,
    limits: Limits,
) -> Inflating:
    """Open a member, counted."""
    try:
        stream = cast(BinaryIO, archive.open(info))
    except (zipfile.BadZipFile, ValueError, RuntimeError, OSError) as error:
        raise _unreadable(source, error) from error
    return Inflating(
        stream, source, source.size, limits, total_max=max(most, 0), part=info.filename
    )


Attributes = dict[str, str]


def elements(source: Source, content: bytes) -> Iterator[tuple[str, Attributes]]:
    """Yield the elements of a small XML part: name without prefix, attributes.

    Raises:
        DataError: SOURCE_UNREADABLE; a document type is refused, whatever it declares.
    """
    found: list[tuple[str, Attributes]] = []

    def start(name: str, attributes: Attributes) -> None:
        local = {key.rpartition(":")[2]: value for key, value in attributes.items()}
        found.append((name.rpartition(":")[2], local))

    def refuse(*_: object) -> None:
        raise _unreadable(source, "a document type in XML")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise _unreadable(source, error) from error
    return iter(found)


def _workbook(source: Source, parts: dict[str, bytes], limits: Limits) -> WorkbookFacts:
    """Read sheets, their parts, and which styles are percentages or dates."""
    targets: dict[str, str] = {}
    for name, attributes in elements(
        source, parts.get("xl/_rels/workbook.xml.rels", b"<x/>")
    ):
        if name == "Relationship":
            target = attributes.get("Target", "")
            path = (
                target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
            )
            targets[attributes.get("Id", "")] = path
    listed: list[Attributes] = []
    ours: set[str] = set()
    for name, attributes in elements(source, parts.get("xl/workbook.xml", b"<x/>")):
        if name == "sheet":
            listed.append(attributes)
        elif name == "definedName" and attributes.get("name") == REPORT_NAME:
            ours.add(attributes.get("localSheetId", ""))
    if len(listed) > limits.sheets_max:
        raise DataError(
            Reason.SOURCE_TOO_LARGE,
            name=source.label,
            found=len(listed),
            unit="sheets",
            found_max=limits.sheets_max,
        )
    sheets = tuple(
        SheetInfo(
            name=one.get("name", ""),
            part=targets.get(one.get("id", ""), ""),
            visible=one.get("state", "visible") == "visible",
            ours=str(number) in ours,
        )
        for number, one in enumerate(listed)
    )
    styles = parts.get("xl/styles.xml", b"<x/>")
    percents, dates = _styles(source, styles)
    colours = colours_of_styles(elements(source, styles))
    return WorkbookFacts(sheets, percents, dates, colours)


def _styles(source: Source, content: bytes) -> tuple[frozenset[int], frozenset[int]]:
    """Return the numbers of the styles that show percentages, and of those of dates."""
    percent_formats: set[int] = set(_BUILT_IN_PERCENT)
    date_formats: set[int] = set(_BUILT_IN_DATES)
    percents: set[int] = set()
    dates: set[int] = set()
    inside, number = False, 0
    for name, attributes in elements(source, content):
        if name == "numFmt":
            code = re.sub(
                r'"[^"]*"|\\.|\[[^\]]*\]', "", attributes.get("formatCode", "")
            )
            if "%" in code:
                percent_formats.add(int(attributes.get("numFmtId", "-1")))
            elif re.search("[ymdhs]", code.lower().replace("general", "")):
                date_formats.add(int(attributes.get("numFmtId", "-1")))
        elif name in ("cellXfs", "cellStyleXfs", "cellStyles", "dxfs"):
            inside, number = name == "cellXfs", 0
        elif name == "xf" and inside:
            shown = int(attributes.get("numFmtId", "0"))
            if shown in percent_formats:
                percents.add(number)
            elif shown in date_formats:
                dates.add(number)
            number += 1
    return frozenset(percents), frozenset(dates)


def scan_sheet(
    source: Source, info: SheetInfo, facts: WorkbookFacts, limits: Limits = DEFAULT
) -> SheetFacts:
    """Search the XML of one sheet.

    Raises:
        DataError: SOURCE_INFLATES, SOURCE_UNREADABLE.
    """
    with source.open() as stream, archive_of(source, stream) as archive:
        try:
            member = archive.getinfo(info.part)
        except KeyError as error:
            raise _unreadable(source, f"{info.name}: {info.part}") from error
        most = limits.workbook_member_bytes_max
        with member_of(source, archive, member, most, limits) as xml:
            return scan_xml(source, facts, limits, xml.read)


def scan_xml(
    source: Source,
    facts: WorkbookFacts,
    limits: Limits,
    read: Callable[[int], bytes | None],
) -> SheetFacts:
    """Search the XML of one sheet, as a function gives it.

    Raises:
        DataError: SOURCE_UNREADABLE.
    """
    return _Scanner(source, facts, limits).scan(read)


class _Scanner:
    """One pass over the XML of a sheet, block by block."""

    def __init__(self, source: Source, facts: WorkbookFacts, limits: Limits) -> None:
        self._source, self._workbook = source, facts
        self._coloured_left = limits.coloured_cells_max
        self._found = SheetFacts()
        self._letters: set[bytes] = set()
        self._tags: _Tags | None = None
        self._row_number = 0  # of the last row that began

    def scan(self, read: Callable[[int], bytes | None]) -> SheetFacts:
        """Search all blocks; each ends before a row or cell that may be cut."""
        rest = b""
        while block := read(BLOCK_BYTES):
            rest += block
            if self._tags is None:
                self._tags = self._begin(rest)
            tags = self._tags
            cut = max(rest.rfind(tags.row), rest.rfind(tags.cell), 0)
            if cut == 0 and len(rest) > TAG_BYTES_MAX:
                raise _unreadable(
                    self._source, f"a cell of more than {TAG_BYTES_MAX} bytes"
                )
            self._search(tags, rest[:cut])
            rest = rest[cut:]
        if self._tags is not None:
            self._search(self._tags, rest)
        found = self._found
        names = (name for name in self._letters if name.isalpha())
        found.columns = max(map(column_number, names), default=0)
        return found

    def _begin(self, start: bytes) -> "_Tags":
        """Learn the prefix of the sheet's elements."""
        if b"<!DOCTYPE" in start:
            raise _unreadable(self._source, "a document type in XML")
        root = _ROOT.search(start)
        return _Tags((root[1] or b"") if root else b"")

    def _search(self, tags: "_Tags", block: bytes) -> None:
        """Search whole rows and cells."""
        found = self._found
        self._note_values(tags, block)
        self._note_columns(tags, block)
        if b"hidden" in block:
            self._note_hidden(tags, block)
        if b"mergeCell" in block:
            for left, top, right, bottom in tags.merge.findall(block):
                first_place = int(top), column_number(left)
                found.merged.append((first_place, (int(bottom), column_number(right))))
        found.filtered = found.filtered or b"autoFilter" in block
        if b"rightToLeft" in block and _RIGHT_TO_LEFT.search(block):
            found.right_to_left = True
        if self._has_special_cells(tags, block):
            for attributes, inside in tags.one_cell.findall(block):
                self._note_cell(tags, attributes, inside)
        if self._percent is not None and self._percent.search(block):
            for attributes in tags.number_cell.findall(block):
                place = _place(attributes)
                if place is not None and self._percent.search(attributes):
                    found.percents.add(place)

        if self._coloured is not None and not found.colours_cut:
            self._note_colours(tags, block)

    def _note_hidden(self, tags: "_Tags", block: bytes) -> None:
        """Remember hidden rows and columns, runs of rows joined."""
        rows = self._found.hidden_rows
        for attributes in tags.hidden_row.findall(block):
            row = int(_attribute(attributes, b"r") or 0)
            if rows and rows[-1][1] + 1 == row:
                rows[-1] = rows[-1][0], row
            else:
                rows.append((row, row))
        for span in tags.hidden_column.findall(block):
            first, last = _attribute(span, b"min"), _attribute(span, b"max")
            self._found.hidden_columns.append((int(first or 0), int(last or 0)))

    def _note_colours(self, tags: "_Tags", block: bytes) -> None:
        """Remember the places of coloured cells with a value."""
        found, colours = self._found, self._workbook.colours
        for attributes in tags.number_cell.findall(block):
            style = self._coloured and self._coloured.search(attributes)
            place = _place(attributes) if style else None
            if place is None:
                continue
            if not self._coloured_left:
                found.colours_cut = True
                return
            self._coloured_left -= 1
            colour = colours[int(_attribute(attributes, b"s") or b"0")]
            places = found.colours.setdefault(colour, array("Q"))
            places.append(place[0] << COLUMN_BITS | place[1])

    def _note_columns(self, tags: "_Tags", block: bytes) -> None:
        """Remember the column of the last cell of each row, and every wide one."""
        if b"r='" in block:
            self._letters.update(tags.column_of.findall(block))
            return
        self._letters.update(_WIDE_COLUMN.findall(block))
        end = block.find(tags.row_end)
        while end >= 0:
            at = block.rfind(b' r="', 0, end) + 4
            self._letters.add(block[at : at + 3].rstrip(b'0123456789"'))
            end = block.find(tags.row_end, end + 1)
        at = block.rfind(tags.cell_address)
        if at >= 0:
            at += len(tags.cell_address)
            self._letters.add(block[at : at + 3].rstrip(b'0123456789"'))

    def _note_values(self, tags: "_Tags", block: bytes) -> None:
        """Count the values, and remember the row of the last one."""
        values = sum(block.count(tag) for tag in tags.values)
        self._found.values += values
        if values:
            last = max(block.rfind(tag) for tag in tags.values)
            start = block.rfind(tags.row, 0, last)
            row = tags.row_of.match(block, start) if start >= 0 else None
            self._found.rows = int(row[1]) if row else self._row_number
        start = block.rfind(tags.row)
        row = tags.row_of.match(block, start) if start >= 0 else None
        if row is not None:
            self._row_number = int(row[1])

    def _has_special_cells(self, tags: "_Tags", block: bytes) -> bool:
        """Tell whether a block must be looked at cell by cell."""
        if b't="e"' in block or b"t='e'" in block:
            return True
        if tags.formula_start in block and tags.unvalued.search(block):
            return True
        return self._date is not None and b">60<" in block

    @cached_property
    def _percent(self) -> re.Pattern[bytes] | None:
        return _style_pattern(self._workbook.percent_styles)

    @cached_property
    def _coloured(self) -> re.Pattern[bytes] | None:
        return _style_pattern(frozenset(self._workbook.colours))

    @cached_property
    def _date(self) -> re.Pattern[bytes] | None:
        return _style_pattern(self._workbook.date_styles)

    def _note_cell(self, tags: "_Tags", attributes: bytes, inside: bytes) -> None:
        """Remember what the reader of sheets would lose about one cell."""
        place = _place(attributes)
        value = tags.value.search(inside)
        is_error = _ERROR_TYPE.search(attributes) is not None
        if place is None:
            if is_error:
                raise _unreadable(self._source, "an error cell without an address")
            return
        if is_error:
            text = value[1].decode("utf-8", "replace") if value else "#ERROR!"
            self._found.errors[place] = text
        elif value is None or not (value[1] or _TEXT_TYPE.search(attributes)):
            if tags.formula.search(inside):
                self._found.empty_formulas.append(place)
        elif (
            value[1] == b"60"
            and self._date is not None
            and self._date.search(attributes)
        ):
            self._found.leap_days.append(place)


class _Tags:
    """The patterns of a sheet's XML, for the prefix that its elements have."""

    def __init__(self, prefix: bytes) -> None:
        tag, end = b"<" + prefix, b"</" + prefix
        start, stop = re.escape(tag), re.escape(end)
        self.row, self.cell = tag + b"row ", tag + b"c "
        self.values = tuple(tag + name for name in (b"v>", b"v ", b"is>"))
        self.column_of = re.compile(start + rb"c\s+r=[\"']([A-Z]{1,3})")
        self.row_of = re.compile(start + rb"row\s[^>]*?\br=[\"']([0-9]+)")
        self.one_cell = re.compile(
            start + rb"c\s([^>]*?)(?:/>|>(.*?)" + stop + rb"c>)", re.DOTALL
        )
        self.row_end, self.cell_address = end + b"row>", self.cell + b'r="'
        self.number_cell = re.compile(start + rb"c\s([^>]*?)(?<!/)>")
        self.formula_start = tag + b"f"
        self.value = re.compile(start + rb"(?:v|t)(?:\s[^>]*)?>([^<]*)<")
        self.formula = re.compile(start + rb"f[\s>/]")
        self.unvalued = re.compile(
            rb"(?:" + stop + rb"f>|" + start + rb"f(?:\s[^>]*)?/>)\s*(?:"
            + start + rb"v\s*/>\s*|" + start + rb"v></[^>]*>\s*)?" + stop + rb"c>"
        )  # fmt: skip
        self.hidden_row = re.compile(
            start + rb"row\s([^>]*?\bhidden=[\"'](?:1|true)[\"'][^>]*)>"
        )
        self.hidden_column = re.compile(
            start + rb"col\s([^>]*?\bhidden=[\"'](?:1|true)[\"'][^>]*)>"
        )
        self.merge = re.compile(
            start + rb"mergeCell\s[^>]*?ref=[\"']([A-Z]+)([0-9]+):([A-Z]+)([0-9]+)"
        )


_ROOT: Final = re.compile(rb"<(\w+:)?worksheet[\s>]")
_RIGHT_TO_LEFT: Final = re.compile(rb"rightToLeft=[\"'](?:1|true)[\"']")
_ERROR_TYPE: Final = re.compile(rb"\bt=[\"']e[\"']")
_TEXT_TYPE: Final = re.compile(rb"\bt=[\"'](?:str|inlineStr)[\"']")
_ADDRESS: Final = re.compile(rb"\br=[\"']([A-Z]{1,3})([0-9]{1,7})[\"']")
_WIDE_COLUMN: Final = re.compile(rb'r="([A-Z]{2,3})[0-9]')
TAG_BYTES_MAX = 8 << 20  # XML that one row's start or one cell may span


def _style_pattern(styles: frozenset[int]) -> re.Pattern[bytes] | None:
    """Return a pattern for cells of some styles; None where there is no such style."""
    if not styles:
        return None
    numbers = b"|".join(str(number).encode() for number in sorted(styles))
    return re.compile(rb"\bs=[\"'](?:" + numbers + rb")[\"']")


def _attribute(attributes: bytes, name: bytes) -> bytes | None:
    found = re.search(rb"\b" + name + rb"=[\"']([^\"']*)[\"']", attributes)
    return found[1] if found else None


def _place(attributes: bytes) -> Place | None:
    """Return the row and column of a cell, from 1; None where it has no address."""
    found = _ADDRESS.search(attributes)
    return (int(found[2]), column_number(found[1])) if found else None


def column_number(letters: bytes) -> int:
    """Return the number of a column, from 1.

    >>> column_number(b"A"), column_number(b"XFD")
    (1, 16384)
    """
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
