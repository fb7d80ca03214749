"""Files made to break a reader: small on disk or endless streams, monsters when opened.

Run as a program, it judges one of them in a process of its own and prints what became
of it, with the most memory and the processor time that this took:

    python tests/hostile_files.py NAME FOLDER [MODE]
"""

import gzip
import io
import json
import resource
import struct
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from shahrdad.validators.without_pandas import leave_pandas_out
from workbook_files import xlsx_of_xml, zip_of

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
MIB, GIB = 1 << 20, 1 << 30
CSV = b"id,name\n1,a\n"
SCHEMA: dict[str, Any] = {
    "fields": [{"name": "id", "type": "integer"}, {"name": "name", "type": "string"}]
}
BACKTRACKING = "(a+)+"  # Python's `re` needs 2**n steps for n letters and a mark


class Endless(io.RawIOBase):
    """A stream: a few first bytes, then one pattern again and again up to a length.

    Nothing of it is on disk or in memory, however long it is.
    """

    def __init__(self, start: bytes, pattern: bytes, size: int) -> None:
        self._start, self._size, self._place = start, size, 0
        self._tile = pattern * (MIB // len(pattern) + 2)
        self._period = len(pattern)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be rewound."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self._place = (0, self._place, self._size)[whence] + offset
        return self._place

    def tell(self) -> int:
        """Return the place."""
        return self._place

    def readinto(self, buffer: object) -> int:
        """Give the next bytes."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        count = max(0, min(len(view), self._size - self._place, MIB))
        if self._place < len(self._start):
            block = self._start[self._place : self._place + count]
        else:
            first = (self._place - len(self._start)) % self._period
            block = self._tile[first : first + count]
        view[: len(block)] = block
        self._place += len(block)
        return len(block)


Monster = Callable[[Path], Any]  # writes into a folder; returns what is to be judged
MONSTERS: dict[str, Monster] = {}
SCHEMAS: dict[str, Mapping[str, Any]] = {}  # of those that are not judged by `SCHEMA`


def monster(function: Monster) -> Monster:
    """List a monster under the name of its function."""
    MONSTERS[function.__name__] = function
    return function


def _written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def _xlsx_parts(rows: str) -> dict[str, bytes]:
    """Return the parts of a small XLSX."""
    with zipfile.ZipFile(io.BytesIO(xlsx_of_xml(rows))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zip_bomb(
    path: Path,
    member: str,
    content: tuple[bytes, bytes, int],
    others: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a zip; one member unpacks to a start, then a pattern up to a size.

    The pattern is deflated once, and stands there as often as it takes.
    """
    start, pattern, size = content
    piece = pattern * (4 * MIB // len(pattern))
    times = size // len(piece)
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    begun = deflate.compress(start) + deflate.flush(zlib.Z_FULL_FLUSH)
    again = deflate.compress(piece) + deflate.flush(zlib.Z_FULL_FLUSH)
    raw = begun + again * times + deflate.flush()
    info = zipfile.ZipInfo(member)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.compress_size, info.file_size = len(raw), len(start) + times * len(piece)
    info.CRC = zlib.crc32(start)
    for _ in range(times):
        info.CRC = zlib.crc32(piece, info.CRC)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, other in (others or {}).items():
            archive.writestr(name, other)
        assert archive.fp is not None
        info.header_offset = archive.start_dir
        archive.fp.write(info.FileHeader() + raw)
        archive.filelist.append(info)
        archive.start_dir = archive.fp.tell()
    return path


@monster
def zip_of_a_gigabyte(folder: Path) -> Path:
    """Write a zip of 1 MB that unpacks to 1 GB of good rows."""
    return _zip_bomb(folder / "a.zip", "a.csv", (CSV, b"1,a\n", GIB))


@monster
def zip_that_lies(folder: Path) -> Path:
    """Write a zip that declares 1 MB and unpacks to 64 MB."""
    size = 64 * MIB
    path = _zip_bomb(folder / "a.zip", "a.csv", (b"", b"1,a\n", size))
    honest = path.read_bytes()
    return _written(
        folder,
        "lying.zip",
        honest.replace(struct.pack("<I", size), struct.pack("<I", MIB)),
    )


@monster
def zip_in_a_zip(folder: Path) -> Path:
    """Write a zip that holds a zip of a table."""
    return _written(folder, "a.zip", zip_of({"b.zip": zip_of({"a.csv": CSV})}))


@monster
def zip_behind_a_password(folder: Path) -> Path:
    """Write a zip whose member says that it is encrypted."""
    content = bytearray(zip_of({"a.csv": CSV}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return _written(folder, "a.zip", bytes(content))


@monster
def workbook_behind_a_password(folder: Path) -> Path:
    """Write what an office program makes of a workbook with a password."""
    magic = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
    return _written(folder, "a.xlsx", magic + "EncryptedPackage".encode("utf-16-le"))


@monster
def gz_bomb(folder: Path) -> Path:
    """Write a gz of 1 MB that unpacks to 512 MB of good rows."""
    piece = gzip.compress(b"1,a\n" * MIB, mtime=0)
    return _written(folder, "a.csv.gz", gzip.compress(CSV, mtime=0) + piece * 128)


@monster
def xlsx_of_endless_rows(folder: Path) -> Path:
    """Write an XLSX of 1 MB whose sheet unpacks to 512 MB."""
    parts = _xlsx_parts("")
    name = "xl/worksheets/sheet1.xml"
    start = f'<worksheet xmlns="{MAIN}"><sheetData>'.encode()
    del parts[name]
    content = (start, b'<row><c t="s"><v>1</v></c></row>', 512 * MIB)
    return _zip_bomb(folder / "a.xlsx", name, content, parts)


@monster
def xlsx_that_lies(folder: Path) -> Path:
    """Write an XLSX whose shared strings unpack to 64 MB and declare 1 MB."""
    size = 64 * MIB
    parts = _xlsx_parts('<row r="1"><c r="A1" t="s"><v>0</v></c></row>')
    content = (b"", b"<si><t>aaaa</t></si>".ljust(32), size)
    path = _zip_bomb(folder / "a.xlsx", "xl/sharedStrings.xml", content, parts)
    honest = path.read_bytes()
    return _written(
        folder,
        "lying.xlsx",
        honest.replace(struct.pack("<I", size), struct.pack("<I", MIB)),
    )


@monster
def xlsx_of_entities(folder: Path) -> Path:
    """Write an XLSX whose XML defines entities that grow to gigabytes."""
    entities = "".join(
        f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "aaaaaaaaaa"}">'
        for n in range(10)
    )
    parts = _xlsx_parts("")
    parts["xl/worksheets/sheet1.xml"] = (
        f'<?xml version="1.0"?><!DOCTYPE w [{entities}]><worksheet xmlns="{MAIN}">'
        '<sheetData><row r="1"><c r="A1" t="str"><v>&e9;</v></c></row></sheetData>'
        "</worksheet>"
    ).encode()
    return _written(folder, "a.xlsx", zip_of(parts))


@monster
def xlsx_with_a_stray_value(folder: Path) -> Path:
    """Write a workbook of 28,022 values, the last of them in row 835,225."""
    letters = "ABCDEFGHIJKLMN"
    labels = ["id", "name", *(f"c{n}" for n in range(12))]
    cells = zip(letters, labels, strict=True)
    head = "".join(f"<c r='{at}1' t='str'><v>{label}</v></c>" for at, label in cells)
    rows = [f"<row r='1'>{head}</row>"]
    for n in range(2, 2_002):
        body = "".join(f"<c r='{at}{n}'><v>{n}</v></c>" for at in letters)
        rows.append(f"<row r='{n}'>{body}</row>")
    rows += [f"<row r='{n}' s='1'/>" for n in range(2_002, 835_225)]
    rows += ["<row r='835225'><c r='B835225'><v>7</v></c></row>"]
    return _written(folder, "a.xlsx", xlsx_of_xml("".join(rows)))


def _cell(size: int) -> BinaryIO:
    return cast(BinaryIO, Endless(b"id,name\n1,", b"a", size))


@monster
def cell_of_100_megabytes(folder: Path) -> BinaryIO:
    """Return a stream whose second record is one cell of 100 MB."""
    return _cell(100 * MIB)


@monster
def cell_of_2_gigabytes(folder: Path) -> BinaryIO:
    """Return a stream whose second record is one cell of 2 GB."""
    return _cell(2 * GIB)


@monster
def quote_without_end(folder: Path) -> BinaryIO:
    """Return 100 MB of rows after a quote that nothing closes."""
    return cast(BinaryIO, Endless(b'id,name\n1,"', b"b\n1,a\n", 100 * MIB))


@monster
def nothing_but_quotes(folder: Path) -> BinaryIO:
    """Return 100 MB of quotes below a header."""
    return cast(BinaryIO, Endless(b"id,name\n", b'"', 100 * MIB))


@monster
def cells_of_nul(folder: Path) -> Path:
    """Write rows whose cells hold NUL bytes."""
    return _written(folder, "a.csv", b"id,name\n" + b"1,a\x00b\n" * 1000)


@monster
def nothing_but_nul(folder: Path) -> Path:
    """Write 256 MB of NUL that takes no room on disk."""
    path = folder / "a.csv"
    with path.open("wb") as file:
        file.truncate(256 * MIB)
    return path


@monster
def columns_100_000(folder: Path) -> Path:
    """Write a header of 100,000 labels and a row."""
    labels = ",".join(f"c{n}" for n in range(100_000)).encode()
    return _written(folder, "a.csv", labels + b"\n" + b"1," * 99_999 + b"1\n")


@monster
def utf16_without_a_mark(folder: Path) -> Path:
    """Write UTF-16 without a byte order mark."""
    return _written(folder, "a.csv", (CSV * 500).decode().encode("utf-16-le"))


@monster
def json_of_a_million_levels(folder: Path) -> Path:
    """Write an array in an array, a million times."""
    return _written(folder, "a.json", b"[" * 1_000_000 + b"]" * 1_000_000)


@monster
def json_of_65_levels(folder: Path) -> Path:
    """Write a cell that is nested one level deeper than may be."""
    deep = b"[" * 65 + b"]" * 65
    return _written(folder, "a.json", b'[{"id": 1, "name": ' + deep + b"}]")


@monster
def json_line_of_100_megabytes(folder: Path) -> BinaryIO:
    """Return JSON Lines whose second line is 100 MB long."""
    start = b'{"id": 1, "name": "a"}\n{"id": 2, "name": "'
    return cast(BinaryIO, Endless(start, b"a", 100 * MIB))


@monster
def json_of_one_huge_array(folder: Path) -> BinaryIO:
    """Return a JSON document of 100 MB."""
    return cast(BinaryIO, Endless(b"[", b'{"id": 1, "name": "a"},\n', 100 * MIB))


@monster
def pattern_that_backtracks(folder: Path) -> Path:
    """Write texts on which a pattern would run for ages in Python's `re`."""
    rows = b"".join(b"%d,%s!\n" % (n, b"a" * 40) for n in range(1000))
    return _written(folder, "a.csv", b"id,name\n" + rows)


@monster
def pattern_that_is_not_re2(folder: Path) -> Path:
    """Write a good file; its schema's pattern looks ahead."""
    return _written(folder, "a.csv", CSV)


@monster
def parquet_that_lies(folder: Path) -> Path:
    """Write a Parquet whose footer claims more rows than its pages have."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "a.parquet"
    table = pa.table({"id": list(range(1000)), "name": ["a"] * 1000})
    pq.write_table(table, path)
    honest, said = b"\xd0\x0f", b"\xfe\x7f"  # 1,000 and 8,191 as Thrift writes them
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    lying = content[:footer] + content[footer:].replace(honest, said)
    return _written(folder, "lying.parquet", lying)


@monster
def parquet_of_one_long_text(folder: Path) -> Path:
    """Write a small Parquet: a text of 1 MB, referred to by 100,000 rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 100_000
    texts = pa.DictionaryArray.from_arrays(
        pa.array([0] * count, pa.int32()), pa.array(["a" * MIB])
    )
    table = pa.table({"id": pa.array(range(count)), "name": texts})
    pq.write_table(table, folder / "a.parquet", store_schema=False)
    return folder / "a.parquet"


for _name, _pattern in (
    ("pattern_that_backtracks", BACKTRACKING),
    ("pattern_that_is_not_re2", "(?=a)a"),
):
    _fields = [SCHEMA["fields"][0], {"name": "name", "type": "string"}]
    _fields[1]["constraints"] = {"pattern": _pattern}
    SCHEMAS[_name] = {"fields": _fields}


def peak_bytes() -> int:
    """Return the most memory that this process held.

    `ru_maxrss` would count what the parent held before it became this process.
    """
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    peak = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak) * 1024


def judge(name: str, folder: Path, mode: Any = "strict") -> dict[str, Any]:
    """Judge one monster; return its codes, and what that took."""
    from shahrdad.validators import Options, validate

    source = MONSTERS[name](folder)
    base = peak_bytes()
    schema = SCHEMAS.get(name, SCHEMA)
    started = time.process_time()
    report = validate(source, schema=schema, options=Options(mode=mode))
    seconds = time.process_time() - started
    for issue in report.issues:
        report.message(issue, "fa")
    return {
        "codes": dict(report.findings.by_code),
        "rows": report.rows,
        "seconds": seconds,
        "mib": peak_bytes() >> 20,
        "base": base >> 20,
    }


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    leave_pandas_out()
    outcome = judge(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
    sys.stdout.write(json.dumps(outcome) + "\n")
