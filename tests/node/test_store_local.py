"""The store in a directory: the contract, and what only a disk can break."""

import errno
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest

from shahrdad.datasets.errors import Reason, UnavailableError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.contract import Area, put_bytes, put_file, read_bytes
from shahrdad.node.store.local import LocalStore
from store_suite import HEADS, StoreSuite


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """Return an empty store."""
    return LocalStore(tmp_path / "objects")


def path_of(tmp_path: Path, area: Area, digest: Digest) -> Path:
    """Return where an object lies."""
    return tmp_path / "objects" / area.value / digest.hex[:2] / digest.hex


def temporaries(tmp_path: Path) -> list[Path]:
    """Return the temporary files that are left."""
    return list(tmp_path.rglob(".tmp-*"))


class TestLocal(StoreSuite):
    """The contract, kept by a directory."""


def test_files_cannot_be_changed_by_accident(store: LocalStore, tmp_path: Path) -> None:
    """An object is read-only, and private areas are closed to other users."""
    public = path_of(tmp_path, Area.OBJECT, put_bytes(store, Area.OBJECT, b"1"))
    private = path_of(tmp_path, Area.PRIVATE, put_bytes(store, Area.PRIVATE, b"1"))
    kept = path_of(tmp_path, Area.QUARANTINE, put_bytes(store, Area.QUARANTINE, b"1"))

    assert 0o444 == stat.S_IMODE(public.stat().st_mode)
    assert 0o755 == stat.S_IMODE(public.parent.stat().st_mode)
    assert 0o700 == stat.S_IMODE(private.parent.stat().st_mode)
    assert 0o700 == stat.S_IMODE(private.parent.parent.stat().st_mode)
    assert 0o700 == stat.S_IMODE(kept.parent.parent.stat().st_mode)


def test_nothing_temporary_is_left(store: LocalStore, tmp_path: Path) -> None:
    """Success, repetition and refusal all clean up after themselves."""
    digest = put_bytes(store, Area.OBJECT, b"kept")
    store.put(Area.OBJECT, digest, BytesIO(b"kept"), 4)
    store.write_named(HEADS, b"heads")
    with pytest.raises(Exception, match="announced"):
        store.put(Area.OBJECT, Digest.of(b"other"), BytesIO(b"wrong"), 5)

    assert [] == temporaries(tmp_path)


def test_old_temporary_files_are_swept(store: LocalStore, tmp_path: Path) -> None:
    """What a crash left goes after the grace; a running upload stays."""
    put_bytes(store, Area.OBJECT, b"an object")
    folder = path_of(tmp_path, Area.OBJECT, Digest.of(b"an object")).parent
    now = datetime.now(UTC)
    ages = {"old": timedelta(hours=73), "young": timedelta(hours=71)}
    for name, age in ages.items():
        file = folder / f".tmp-{name}"
        file.write_bytes(b"half")
        written = (now - age).timestamp()
        os.utime(file, (written, written))

    assert 1 == store.sweep(now)
    assert [folder / ".tmp-young"] == temporaries(tmp_path)
    assert 9 == len(read_bytes(store, Area.OBJECT, Digest.of(b"an object"), 9))


def test_a_disk_without_links(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On exFAT and some network disks a rename does what a link does elsewhere."""

    def refuse(source: object, target: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    digest = put_bytes(store, Area.OBJECT, b"renamed")

    assert b"renamed" == read_bytes(store, Area.OBJECT, digest, 7)
    assert [] == temporaries(tmp_path)


def test_a_full_disk_says_so(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room is its own error, without a path, and leaves nothing behind."""

    def fill(handle: int) -> None:
        raise OSError(errno.ENOSPC, "full", str(tmp_path))

    monkeypatch.setattr(os, "fsync", fill)
    (tmp_path / "objects" / "object" / Digest.of(b"x").hex[:2]).mkdir(parents=True)
    with pytest.raises(UnavailableError) as caught:
        put_bytes(store, Area.OBJECT, b"x")

    assert Reason.STORE_FULL == caught.value.reason
    assert str(tmp_path) not in str(caught.value)
    assert [] == temporaries(tmp_path)
    assert store.stat(Area.OBJECT, Digest.of(b"x")) is None


def test_a_flipped_bit_is_never_served_whole(store: LocalStore, tmp_path: Path) -> None:
    """A reading of damaged bytes raises before the last of them."""
    data = os.urandom(3 << 20)
    digest = put_bytes(store, Area.OBJECT, data)
    path = path_of(tmp_path, Area.OBJECT, digest)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(bytes([data[1000] ^ 1]))
    served = bytearray()
    with (
        store.open(Area.OBJECT, digest) as file,
        pytest.raises(UnavailableError) as caught,
    ):
        served.extend(b"".join(iter(lambda: collect(file, served), b"")))

    assert Reason.OBJECT_DAMAGED == caught.value.reason
    assert 0 < len(served) < len(data)


def collect(file: BinaryIO, served: bytearray) -> bytes:
    """Read some bytes, and keep them."""
    chunk = file.read(1 << 16)
    served += chunk
    return chunk


def test_a_truncated_object_is_repaired_by_put(
    store: LocalStore, tmp_path: Path
) -> None:
    """An object of another size than announced is written again."""
    digest = put_bytes(store, Area.OBJECT, b"whole object")
    path = path_of(tmp_path, Area.OBJECT, digest)
    path.chmod(0o644)
    os.truncate(path, 5)
    with (
        store.open(Area.OBJECT, digest) as file,
        pytest.raises(UnavailableError),
    ):
        file.read()
    put_bytes(store, Area.OBJECT, b"whole object")

    assert b"whole object" == read_bytes(store, Area.OBJECT, digest, 12)


def test_put_file(store: LocalStore, tmp_path: Path) -> None:
    """A file gets the name that sha256sum gives it."""
    path = tmp_path / "upload"
    path.write_bytes(b"as it came")
    digest = put_file(store, Area.PRIVATE, path)

    assert Digest.of(b"as it came") == digest
    assert b"as it came" == read_bytes(store, Area.PRIVATE, digest, 10)


def test_public_url_of_a_folder_behind_a_web_server(tmp_path: Path) -> None:
    """A directory has an address only when a web server shows it."""
    digest = Digest.of(b"1")
    hour = timedelta(hours=1)
    shown = LocalStore(tmp_path, "https://data.example.ir/files/")
    expected = f"https://data.example.ir/files/object/{digest.hex[:2]}/{digest.hex}"

    assert expected == shown.public_url(digest, hour)
    assert LocalStore(tmp_path).public_url(digest, hour) is None


WRITER = """
import sys
from pathlib import Path
from typing import BinaryIO
from shahrdad.node.store.contract import Area, put_bytes
from shahrdad.node.store.local import LocalStore
store = LocalStore(Path(sys.argv[1]))
number = int(sys.argv[2]) * 1_000_000
while True:
    digest = put_bytes(store, Area.OBJECT, number.to_bytes(8) * 20_000)
    print(digest, flush=True)
    number += 1
"""


def test_a_killed_writer_loses_nothing_acknowledged(
    store: LocalStore, tmp_path: Path
) -> None:
    """After kill -9 every reported object is whole, and every object is right."""
    acknowledged: list[str] = []
    for number in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "objects"), str(number)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout as lines:
            acknowledged += [lines.readline().strip() for _ in range(5 + 7 * number)]
            process.kill()
            acknowledged += [line.strip() for line in lines]
        process.wait()
    held = [digest for digest, _ in store.list(Area.OBJECT)]
    for digest in held:
        assert digest == Digest.of(read_bytes(store, Area.OBJECT, digest, 160_000))

    assert len(acknowledged) > 20
    assert set(filter(lambda name: len(name) == 64, acknowledged)) <= {
        digest.hex for digest in held
    }
