"""What was read once is kept: verified, bounded, shared, and safe to lose."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from client_city import City, Transport, reader
from shahrdad.client import limits
from shahrdad.client.cache import Cache
from shahrdad.client.folders import folder
from shahrdad.federation.verify.digest import Digest

REF = "kerman/budget-1404"


def put(cache: Cache, data: bytes) -> Digest:
    """Put bytes under their digest."""
    digest = Digest.of(data)
    cache.put(digest, data)
    return digest


def files(place: Path) -> list[Path]:
    """Return the files below a folder."""
    return sorted(path for path in place.rglob("*") if path.is_file())


def age(path: Path, seconds: int) -> None:
    """Make a file as old as some seconds."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_second_reader_asks_for_no_object(tmp_path: Path) -> None:
    """Two programs on one machine download a table once."""
    city = City()
    city.publish()
    first, second = Transport(city), Transport(city)
    reader(first, policy=city.policy(), cache=tmp_path).dataset(REF).table()
    dataset = reader(second, policy=city.policy(), cache=tmp_path).dataset(REF)
    dataset.table()

    assert [] == [path for path in second.asked if "/object/" in path]
    assert ["cache"] == [file.how for file in dataset.provenance.files]
    assert "content" == dataset.provenance.verified


def test_damaged_file_is_downloaded_again(tmp_path: Path) -> None:
    """A disk is checked like a network: damaged bytes count as absent."""
    cache = Cache(tmp_path)
    digest = put(cache, b"abc")
    files(tmp_path)[0].write_bytes(b"abd")

    assert None is cache.get(digest)
    assert [] == files(tmp_path)


def test_other_bytes_are_never_kept(tmp_path: Path) -> None:
    """A name stands for its bytes alone."""
    with pytest.raises(ValueError, match="another digest"):
        Cache(tmp_path).put(Digest.of(b"a"), b"b")


def test_bound_is_kept_and_the_oldest_goes(tmp_path: Path) -> None:
    """At the bound all stay; one byte above, what was used longest ago goes."""
    cache = Cache(tmp_path, bytes_max=30)
    digests = [put(cache, bytes([n]) * 10) for n in range(3)]
    for seconds, digest in zip((300, 100, 200), digests, strict=True):
        path = tmp_path / "object" / digest.hex[:2] / digest.hex
        age(path, seconds)

    assert 3 == len(files(tmp_path))
    put(cache, b"y")
    assert None is cache.get(digests[0])
    assert cache.get(digests[1])
    assert cache.get(digests[2])


def test_use_keeps_a_file_young(tmp_path: Path) -> None:
    """What is read often stays, however old it is."""
    cache = Cache(tmp_path, bytes_max=20)
    digests = [put(cache, bytes([n]) * 10) for n in range(2)]
    for digest in digests:
        path = tmp_path / "object" / digest.hex[:2] / digest.hex
        age(path, 100)
    cache.get(digests[0])
    put(cache, b"y")

    assert cache.get(digests[0])
    assert None is cache.get(digests[1])


def test_larger_than_the_bound_is_not_kept(tmp_path: Path) -> None:
    """One huge file does not empty the folder."""
    cache = Cache(tmp_path, bytes_max=10)
    kept = put(cache, b"0123456789")
    put(cache, b"01234567890")

    assert b"0123456789" == cache.get(kept)
    assert 1 == len(files(tmp_path))


def test_what_a_kill_left_behind_goes(tmp_path: Path) -> None:
    """Temporary files of dead processes are removed, those of living ones are not."""
    cache = Cache(tmp_path)
    place = tmp_path / "object" / "aa"
    place.mkdir(parents=True)
    old, new = place / ".tmp-old", place / ".tmp-new"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    age(old, limits.CACHE_TEMPORARY_SECONDS_MAX + 60)
    put(cache, b"y")

    assert (False, True) == (old.exists(), new.exists())


def test_disk_that_refuses_fails_nothing(tmp_path: Path) -> None:
    """Without a place to keep it, a table is read all the same."""
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    city = City()
    city.publish()
    node = reader(Transport(city), policy=city.policy(), cache=blocked)

    assert 3 == node.dataset(REF).table().num_rows


WRITER = """
import sys
from pathlib import Path
from shahrdad.client.cache import Cache
from shahrdad.federation.verify.digest import Digest
cache = Cache(Path(sys.argv[1]), bytes_max=2_000)
for n in range(200):
    data = bytes([n]) * 100
    cache.put(Digest.of(data), data)
    found = cache.get(Digest.of(data))
    assert found in (None, data)
"""


def test_processes_share_a_folder(tmp_path: Path) -> None:
    """Readers that write and evict at once never see wrong or half bytes."""
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)])
        for _ in range(3)
    ]

    assert [0, 0, 0] == [process.wait(60) for process in running]
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 2_000 + 3 * 100


def test_folders_follow_the_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`XDG_CACHE_HOME` counts when it is absolute, and is ignored otherwise."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    absolute = folder("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert tmp_path / "shahrdad" == absolute
    assert tmp_path / ".cache/shahrdad" == folder("cache")
