"""Formats by content, archives counted while they inflate."""

import gzip
import io
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.container import look
from shahrdad.validators.importing import open_table
from shahrdad.validators.limits import DEFAULT
from shahrdad.validators.source import Source
from shared_data import SHARED, needs_shared

CSV = "نام,شمار\nالف,1\n".encode()


def zipped(*members: tuple[str, bytes]) -> bytes:
    """Return a zip of members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def read_all(content: bytes, **limits: int) -> int:
    """Inflate what is inside a file, and return its length."""
    found = look(Source.of(content), replace(DEFAULT, **limits))
    size = 0
    with found.open() as stream:
        while block := stream.read(1 << 16):
            size += len(block)
    return size


def outcome(content: bytes) -> DataError | int:
    """Return how many rows a file has, or why it is refused."""
    try:
        return sum(batch.rows_count for batch in open_table(content).batches)
    except DataError as error:
        return error


def refused(content: bytes, **limits: int) -> Reason:
    """Return why a file is refused."""
    with pytest.raises(DataError) as caught:
        read_all(content, **limits)
    return caught.value.reason


@pytest.mark.parametrize(
    ("content", "format_", "container"),
    [
        (CSV, "text", None),
        (b"\xef\xbb\xbf" + CSV, "text", None),
        (gzip.compress(CSV, mtime=0), "text", "gz"),
        (gzip.compress(CSV, mtime=0) + gzip.compress(b"x,2\n", mtime=0), "text", "gz"),
        (zipped(("data.csv", CSV)), "text", "zip"),
        (
            zipped(("d/", b""), ("d/a.csv", CSV), ("__MACOSX/._a.csv", b"x")),
            "text",
            "zip",
        ),
        (b'[{"a": 1}]', "json", None),
        (b'[["a"], [1]]', "json", None),
        (b'{"a": 1}\n{"a": 2}\n', "jsonl", None),
        (b'["a"]\n[1]\n', "jsonl", None),
        (b'{"a":\n 1}', "json", None),
        (b"[id],name\n1,x\n", "text", None),
        (b"{id},name\n1,x\n", "text", None),
        (b"PAR1....", "parquet", None),
    ],
)
def test_content_decides(content: bytes, format_: str, container: str | None) -> None:
    """A format is what its bytes say, with one archive around it at most."""
    found = look(Source.of(content, name="wrong.xls"))

    assert (format_, container) == (found.format, found.container)


def test_gz_members_follow_each_other() -> None:
    """A gz of several members, with zeros at its end, is one text."""
    packed = (
        gzip.compress(b"a,b\n", mtime=0)
        + gzip.compress(b"1,2\n", mtime=0)
        + b"\x00" * 9
    )
    with look(Source.of(packed)).open() as stream:
        assert b"a,b\n1,2\n" == stream.read()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", Reason.SOURCE_EMPTY),
        (gzip.compress(b"", mtime=0), Reason.SOURCE_EMPTY),
        (zipped(), Reason.SOURCE_EMPTY),
        (b"%PDF-1.7 ...", Reason.SOURCE_FORMAT),
        (b"<!DOCTYPE HTML><table>", Reason.SOURCE_FORMAT),
        (b"  <html>", Reason.SOURCE_FORMAT),
        (b"SQLite format 3\x00", Reason.SOURCE_FORMAT),
        (gzip.compress(gzip.compress(CSV, mtime=0), mtime=0), Reason.SOURCE_FORMAT),
        (zipped(("a.zip", zipped(("a.csv", CSV)))), Reason.SOURCE_FORMAT),
        (zipped(("a.csv", CSV), ("b.csv", CSV)), Reason.SOURCE_FORMAT),
        (gzip.compress(CSV, mtime=0)[:-9], Reason.SOURCE_UNREADABLE),
        (
            gzip.compress(CSV * 99, mtime=0)[:30] + b"\xff" * 30,
            Reason.SOURCE_UNREADABLE,
        ),
        (zipped(("a.csv", CSV))[:-9], Reason.SOURCE_UNREADABLE),
        (b"PK\x03\x04 no archive", Reason.SOURCE_UNREADABLE),
    ],
)
def test_what_holds_no_table(content: bytes, reason: Reason) -> None:
    """A file that cannot be read as a table says which of the reasons it is."""
    assert reason == refused(content)


def test_inflation_is_counted() -> None:
    """A bomb is stopped by bytes that come out, not by sizes that it declares."""
    bomb = gzip.compress(b"0" * 3_000_000, mtime=0)

    assert Reason.SOURCE_INFLATES == refused(bomb, inflation_free_bytes=1_000_000)
    assert Reason.SOURCE_INFLATES == refused(bomb, inflated_bytes_max=2_999_999)
    with look(
        Source.of(bomb), replace(DEFAULT, inflated_bytes_max=3_000_000)
    ).open() as stream:
        assert 3_000_000 == len(stream.read())


def test_declared_size_may_lie() -> None:
    """A zip that declares few bytes and holds many is counted by the many."""
    honest = zipped(("a.csv", b"0" * 3_000_000))
    lying = honest.replace(struct.pack("<I", 3_000_000), struct.pack("<I", 3_000))

    assert refused(lying, inflation_free_bytes=1_000_000) in (
        Reason.SOURCE_INFLATES,
        Reason.SOURCE_UNREADABLE,
    )


def test_members_are_bounded() -> None:
    """As many members as allowed are listed; one more is refused."""
    archive = zipped(("a.csv", CSV), ("__MACOSX/b", b""))

    assert (
        "text" == look(Source.of(archive), replace(DEFAULT, zip_members_max=2)).format
    )
    assert Reason.SOURCE_TOO_LARGE == refused(archive, zip_members_max=1)


def test_encrypted_files_are_named() -> None:
    """A member with the encryption flag, or a workbook behind a password, says so."""
    flagged = bytearray(zipped(("a.csv", CSV)))
    flagged[flagged.index(b"PK\x01\x02") + 8] |= 1
    protected = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode(
        "utf-16-le"
    )

    assert Reason.SOURCE_ENCRYPTED == refused(bytes(flagged))
    assert Reason.SOURCE_ENCRYPTED == refused(protected)


@needs_shared
def test_name_may_hide_the_format() -> None:
    """A zip named .xls is the XLSX that it is."""
    path = SHARED / "data" / "budget" / "ustecky" / "ustecky_region_2014_XI.xls"

    assert "xlsx" == look(Source.of(path)).format


SAMPLES = [
    CSV,
    gzip.compress(CSV, mtime=0),
    zipped(("a.csv", CSV)),
    b'[{"a": 1}]',
    "a;b\r\n".encode("utf-16"),
]


@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255))),
)
@settings(max_examples=120, deadline=None)
def test_damaged_bytes_never_crash(
    content: bytes, damage: list[tuple[int, int]]
) -> None:
    """A damaged file is read or refused with a reason; nothing else comes out."""
    damaged = bytearray(content)
    for place, byte in damage:
        damaged[place % len(damaged)] = byte
    found = outcome(bytes(damaged))

    assert isinstance(found, int) or (found.text("fa") and found.text("en"))


def test_random_bytes_never_crash(tmp_path: Path) -> None:
    """Bytes of every sort in front are read or refused with a reason."""
    for start in (
        b"PK\x03\x04",
        b"\x1f\x8b",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"PAR1",
        b"{",
        b"[",
    ):
        path = tmp_path / "file"
        path.write_bytes(start + bytes(range(256)) * 20)
        with pytest.raises(DataError):
            list(open_table(path).batches)
