"""Workbooks for tests, written part by part where no library would write them so."""

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels"'
    ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.spreadsheetml.sheet.main+xml"/></Types>'
)
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_ODF = "urn:oasis:names:tc:opendocument:xmlns"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def xlsx_of(
    sheets: Mapping[str, Sequence[Any]],
    *,
    merged: Mapping[str, Sequence[str]] | None = None,
) -> bytes:
    """Return an XLSX of sheets, written by a library."""
    import openpyxl

    workbook = openpyxl.Workbook()
    del workbook["Sheet"]
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
        for area in (merged or {}).get(name, ()):
            sheet.merge_cells(area)
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def xlsx_of_xml(
    rows: str,
    *,
    before: str = "",
    after: str = "",
    styles: str = "",
    names: str = "",
    prefix: str = "",
) -> bytes:
    """Return an XLSX whose one sheet holds the given XML of rows."""
    colon = f":{prefix}" if prefix else ""
    tag = f"{prefix}:" if prefix else ""
    sheet = (
        f'<{tag}worksheet xmlns{colon}="{_MAIN}">{before}<{tag}sheetData>{rows}'
        f"</{tag}sheetData>{after}</{tag}worksheet>"
    )
    parts = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="r1"'
        f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        f'<sheet name="s" sheetId="1" r:id="r1"/></sheets>{names}</workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELATIONS}">'
        f'<Relationship Id="r1"'
        f' Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/styles.xml": styles or f'<styleSheet xmlns="{_MAIN}"/>',
        "xl/worksheets/sheet1.xml": sheet,
    }
    return zip_of({name: content.encode() for name, content in parts.items()})


def ods_of(table: str) -> bytes:
    """Return an ODS whose one sheet holds the given XML of rows."""
    content = (
        f'<office:document-content xmlns:office="{_ODF}:office:1.0"'
        f' xmlns:table="{_ODF}:table:1.0" xmlns:text="{_ODF}:text:1.0"><office:body>'
        f'<office:spreadsheet><table:table table:name="s">{table}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    manifest = f'<manifest:manifest xmlns:manifest="{_ODF}:manifest:1.0"/>'
    return zip_of(
        {
            "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
            "content.xml": content.encode(),
            "META-INF/manifest.xml": manifest.encode(),
        }
    )


def zip_of(parts: Mapping[str, bytes]) -> bytes:
    """Return a zip of parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def xls_of(rows: Sequence[Sequence[str | int]]) -> bytes:
    """Return an XLS (BIFF8 in a compound file) whose one sheet holds rows.

    Source: MS-XLS 2.4 (records) and MS-CFB 2.2 to 2.6 (sectors and directory).
    """

    def record(kind: int, content: bytes) -> bytes:
        return struct.pack("<HH", kind, len(content)) + content

    def text_of(text: str, width: str) -> bytes:
        return struct.pack(width + "B", len(text), 1) + text.encode("utf-16-le")

    cells = b""
    for row, values in enumerate(rows):
        for column, value in enumerate(values):
            place = struct.pack("<HHH", row, column, 0)
            if isinstance(value, int):
                cells += record(0x0203, place + struct.pack("<d", value))
            else:
                cells += record(0x0204, place + text_of(value, "<H"))
    begin = struct.pack("<HHHHLL", 0x0600, 0x0005, 0, 0, 0, 0)
    named = text_of("s", "<B")
    globals_size = len(record(0x0809, begin)) + 4 + 6 + len(named) + 4
    stream = record(0x0809, begin)
    stream += record(0x0085, struct.pack("<LH", globals_size, 0) + named)
    stream += record(0x000A, b"")
    sheet = struct.pack("<HHHHLL", 0x0600, 0x0010, 0, 0, 0, 0)
    stream += record(0x0809, sheet) + cells + record(0x000A, b"")
    return _compound_file("Workbook", stream)


def _compound_file(name: str, stream: bytes) -> bytes:
    """Return a compound file of one stream, in sectors of 512 bytes."""
    end, free, none = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFF
    # A shorter stream would go to a stream of small sectors.
    stream = stream.ljust(max(4096, -(-len(stream) // 512) * 512), b"\0")
    count = len(stream) // 512
    # Sector 0 is the allocation table, 1 the directory, then comes the stream.
    table = [0xFFFFFFFD, end, *range(3, count + 2), end]
    table += [free] * (128 - len(table))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(24, b"\0")
    header += struct.pack("<5H6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<9L", 0, 1, 1, 0, 4096, end, 0, end, 0)
    header += struct.pack("<109L", 0, *[free] * 108)

    def entry(title: str, kind: int, child: int, start: int, size: int) -> bytes:
        words = title.encode("utf-16-le") + b"\0\0"
        found = words.ljust(64, b"\0") + struct.pack("<HBB", len(words), kind, 1)
        found += struct.pack("<LLL", none, none, child) + bytes(36)
        return found + struct.pack("<LQ", start, size)

    directory = entry("Root Entry", 5, 1, end, 0) + entry(name, 2, none, 2, len(stream))
    return header + struct.pack("<128L", *table) + directory.ljust(512, b"\0") + stream
