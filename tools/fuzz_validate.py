"""Feed broken files to `validate` until the time is up; every crash is kept.

    python tools/fuzz_validate.py --minutes 20 --folder /tmp/fuzz

An input is two bytes and a text: the first byte says what the text becomes (a CSV or
TSV file, gz or zip of it, the XML of a sheet, JSON, JSON Lines, raw bytes under any of
those names), the second which schema and options judge it. Both modes see it. A crash
is any exception, a report that cannot be written in both languages, or an input that
takes longer than `SECONDS_MAX`; it is written to `--folder` under its hash, and
`--replay FILE` judges it once more.

Texts are mutations of the seeds by a random generator with `--seed`. Make each crash a
test.
"""

import argparse
import contextlib
import gzip
import hashlib
import io
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shahrdad.validators import Options, validate

SECONDS_MAX = 30
INPUT_BYTES_MAX = 4_096
SUFFIXES = (
    *("csv", "tsv", "csv.gz", "csv.zip", "xlsx", "json", "jsonl"),
    *("raw.xlsx", "raw.xls", "raw.ods", "raw.zip", "raw.gz", "raw.parquet", "ndjson"),
)
CONTENT_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.'
    'openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>'
)
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
WORKBOOK = {
    "[Content_Types].xml": CONTENT_TYPES,
    "_rels/.rels": (
        f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{RELATIONS}/'
        'officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets><sheet name="a" '
        'sheetId="1" r:id="r1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{RELATIONS}/'
        'worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
    ),
}
SHEET = (
    f'<worksheet xmlns="{MAIN}"><sheetData><row r="1"><c r="A1" t="inlineStr"><is>'
    '<t>a</t></is></c><c r="B1" t="inlineStr"><is><t>b</t></is></c></row><row r="2">'
    '<c r="A2"><v>1</v></c><c r="B2" t="e"><v>#N/A</v></c></row></sheetData>'
    '<mergeCells><mergeCell ref="A3:B4"/></mergeCells></worksheet>'
)
SCHEMAS: tuple[Any, ...] = (
    {"fields": [{"name": "a", "type": "integer", "constraints": {"unique": True}}]},
    {
        "fields": [
            {"name": "a", "type": "number", "constraints": {"minimum": 0}},
            {"name": "b", "type": "string", "constraints": {"pattern": "[a-zا-ی]+"}},
        ],
        "primaryKey": ["a"],
    },
    {
        "fields": [
            {"name": "a", "type": "date", "shahrdad": {"kind": "date"}},
            {"name": "b", "type": "datetime"},
            {"name": "c", "type": "boolean", "constraints": {"required": True}},
        ],
        "missingValues": ["", "-"],
        "foreignKeys": [
            {"fields": ["a"], "reference": {"resource": "", "fields": ["a"]}}
        ],
    },
    {"fields": [{"name": n, "type": t} for n, t in zip("abcd", (
        "geojson", "array", "list", "duration"), strict=True)]},
    "budget_lines",
    "projects",
)  # fmt: skip
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"delimiter": ",", "block_bytes": 64},
    {"limit_errors": 2, "threads": 1},
    {"encoding": "utf-16", "header_row": 2},
)
SEEDS = (
    (0, 0, b"a,b\n1,x\n\n2\n3,y,z\n"),
    (0, 6, 'a,b,c\n2020-01-31,"x\ny",true\n1404/06/08,-,\n'.encode("utf-8-sig")),
    (0, 1, "a;b\n۱۲;\u0643تاب\n1,5;ی\n".encode("cp1256", "replace")),
    (1, 0, b'a\tb\r\n"1\r\n"\t2\r\n'),
    (2, 1, b"a,b\n1,x\n"),
    (3, 1, b"a,b\n1,x\n"),
    (4, 1, SHEET.encode()),
    (5, 3, b'[{"a": {"type": "Point"}, "b": [1], "d": "P1D"}, {"a": null}]'),
    (6, 3, b'{"a": 1, "b": [2]}\n["x"]\n{}\n'),
    (8, 0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
    (12, 0, b"PAR1" + bytes(40) + b"PAR1"),
    (0, 4, "کد شهر,عنوان,سال\n1346,پارک,۱۴۰۴\n".encode()),
    (0, 5, "شناسه طرح,عنوان,مبلغ (میلیون ریال)\nA-1,پل,۱۲۳٫۴\n".encode("utf-16")),
)  # fmt: skip


def file_of(data: bytes) -> tuple[str, bytes]:
    """Return what an input becomes: the suffix of a file, and its bytes."""
    suffix, text = SUFFIXES[data[0] % len(SUFFIXES)], data[2:]
    if suffix == "csv.gz":
        return suffix, gzip.compress(text, mtime=0)
    if suffix in ("csv.zip", "xlsx"):
        members = {"a.csv": text}
        if suffix == "xlsx":
            members = {name: part.encode() for name, part in WORKBOOK.items()}
            members["xl/worksheets/sheet1.xml"] = text
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, member in members.items():
                archive.writestr(name, member)
        return suffix, buffer.getvalue()
    return suffix.removeprefix("raw."), text


def judge(data: bytes, folder: Path) -> None:
    """Validate one input in both modes, and write both reports.

    Raises:
        Exception: It crashed.
    """
    if len(data) < 2:
        return
    suffix, content = file_of(data)
    path = folder / f"table.{suffix}"
    path.write_bytes(content)
    schema = SCHEMAS[data[1] % len(SCHEMAS)]
    chosen = OPTIONS[data[1] // len(SCHEMAS) % len(OPTIONS)]
    strict = validate(path, schema=schema, options=Options(**chosen))
    strict.to_html("fa")
    judged = Options(
        mode="compat",
        limit_errors=chosen.get("limit_errors"),
        encoding=chosen.get("encoding"),
    )
    for report in (strict, validate(path, schema=schema, options=judged)):
        report.to_json()
        report.to_text("fa")
        report.to_text("en")


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise `TimeoutError` when a block takes longer."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"took longer than {seconds} seconds")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


class Fuzz:
    """Judges inputs, and keeps the first of each kind of crash.

    Attributes:
        count: Inputs judged.
        crashes: How often each kind was met: the exception and where it came from.
    """

    def __init__(self, kept: Path, work: Path) -> None:
        self.count = 0
        self.crashes: Counter[str] = Counter()
        self._kept = kept
        self._work = work

    def judge(self, data: bytes) -> None:
        """Judge one input; a crash is noted, not raised."""
        self.count += 1
        try:
            with limited(SECONDS_MAX), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                judge(data, self._work)
        except (Exception, RecursionError) as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
            self.crashes[kind] += 1
            if self.crashes[kind] == 1:
                name = hashlib.sha256(data).hexdigest()[:16]
                (self._kept / f"{name}.input").write_bytes(data)
                (self._kept / f"{name}.txt").write_text(traceback.format_exc())
                print(f"{kind}: {name}", flush=True)


def mutated(data: bytes, source: random.Random) -> bytes:
    """Return bytes with a few changes: bits, cuts, doublings, pieces of other seeds."""
    changed = bytearray(data)
    for _ in range(source.randint(1, 8)):
        place = source.randint(0, len(changed))
        end = min(len(changed), place + source.randint(1, 24))
        other = source.choice(SEEDS)[2]
        piece = other[source.randint(0, len(other)) :][: source.randint(1, 40)]
        kind = source.randrange(5)
        if kind == 0 and place < len(changed):
            changed[place] ^= 1 << source.randrange(8)
        elif kind == 1:
            del changed[place:end]
        elif kind == 2:
            changed[place:place] = changed[place:end] * source.randint(1, 4)
        elif kind == 3:
            changed[place:place] = piece
        else:
            changed[place:end] = source.randbytes(end - place)
    return bytes(changed[:INPUT_BYTES_MAX])


def noise(fuzz: Fuzz, until: float, seed: int) -> None:
    """Judge mutations of the seeds until a time."""
    source = random.Random(seed)  # noqa: S311 - a crash must come again
    for first, second, text in SEEDS:
        fuzz.judge(bytes((first, second)) + text)
    while time.monotonic() < until:
        first, second, text = source.choice(SEEDS)
        if source.randrange(3) == 0:
            first, second = source.randrange(256), source.randrange(256)
        fuzz.judge(bytes((first, second)) + mutated(text, source))


def main() -> int:
    """Fuzz, or replay."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1404)
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--replay", type=Path, help="an input that crashed")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as work:
        if options.replay is not None:
            judge(options.replay.read_bytes(), Path(work))
            return 0
        fuzz = Fuzz(options.folder, Path(work))
        started = time.monotonic()
        try:
            noise(fuzz, started + options.minutes * 60, options.seed)
        finally:
            print(f"{fuzz.count} inputs in {time.monotonic() - started:.0f} s")
            for kind, count in fuzz.crashes.most_common():
                print(f"{count:6} {kind}")
    return 1 if fuzz.crashes else 0


if __name__ == "__main__":
    sys.exit(main())
