"""What every object store must do (storage 2.2); each implementation inherits this.

A module of tests supplies a fixture `store` and subclasses `StoreSuite`.
"""

import os
from datetime import UTC, datetime, timedelta
from io import BytesIO
from threading import Barrier, Thread

import pytest

from shahrdad.datasets.errors import DataError, Reason, RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tile import MirrorPath
from shahrdad.node.store.contract import (
    Area,
    ObjectStore,
    copy,
    put_bytes,
    read_bytes,
)

HEADS = MirrorPath("heads")


def mirror_path(text: str) -> MirrorPath:
    """Return a path of the static mirror."""
    return MirrorPath(text)


class StoreSuite:
    """The contract, as tests of the fixture `store`."""

    def test_what_is_put_is_read(self, store: ObjectStore) -> None:
        """The bytes come back whole, and the name is their SHA-256."""
        data = os.urandom(300_000)
        digest = put_bytes(store, Area.OBJECT, data)

        assert data == read_bytes(store, Area.OBJECT, digest, size_max=len(data))
        assert len(data) == stat_size(store, digest)

    def test_an_empty_object_is_an_object(self, store: ObjectStore) -> None:
        """Zero bytes have a digest too, and are not the same as nothing."""
        digest = put_bytes(store, Area.OBJECT, b"")

        assert b"" == read_bytes(store, Area.OBJECT, digest, size_max=0)
        assert 0 == stat_size(store, digest)

    def test_an_object_above_one_request_is_whole(self, store: ObjectStore) -> None:
        """17 MiB need several requests on S3, and are one object all the same."""
        data = os.urandom(1 << 20) * 17
        digest = put_bytes(store, Area.PRIVATE, data)

        with store.open(Area.PRIVATE, digest) as file:
            assert data == file.read()

    def test_what_is_not_held_is_absent(self, store: ObjectStore) -> None:
        """A missing object is None or an error, never an empty file."""
        digest = Digest.of(b"never put")

        assert store.stat(Area.OBJECT, digest) is None
        with pytest.raises(RequestError) as caught:
            store.open(Area.OBJECT, digest)
        assert Reason.OBJECT_UNKNOWN == caught.value.reason

    def test_areas_are_apart(self, store: ObjectStore) -> None:
        """What is private is not public by having the same digest."""
        digest = put_bytes(store, Area.PRIVATE, b"a draft")

        assert store.stat(Area.OBJECT, digest) is None
        assert store.stat(Area.QUARANTINE, digest) is None

    def test_other_bytes_never_get_the_name(self, store: ObjectStore) -> None:
        """A stream with another digest is refused, and leaves nothing."""
        digest = Digest.of(b"announced")
        with pytest.raises(DataError) as caught:
            store.put(Area.OBJECT, digest, BytesIO(b"different"), 9)

        assert Reason.DIGEST_MISMATCH == caught.value.reason
        assert store.stat(Area.OBJECT, digest) is None
        assert [] == list(store.list(Area.OBJECT, digest.hex))

    @pytest.mark.parametrize("size", [0, 8, 10])
    def test_another_size_is_refused(self, store: ObjectStore, size: int) -> None:
        """One byte more or less than announced is not the object."""
        digest = Digest.of(b"nine byte")
        with pytest.raises(DataError) as caught:
            store.put(Area.OBJECT, digest, BytesIO(b"nine byte"), size)

        assert Reason.SIZE_MISMATCH == caught.value.reason
        assert store.stat(Area.OBJECT, digest) is None

    def test_put_twice_is_put_once(self, store: ObjectStore) -> None:
        """A repetition succeeds without reading what is given."""
        digest = put_bytes(store, Area.OBJECT, b"once")
        store.put(Area.OBJECT, digest, BytesIO(b""), 4)

        assert b"once" == read_bytes(store, Area.OBJECT, digest, size_max=4)

    @pytest.mark.parametrize(
        ("offset", "length"),
        [(0, 1), (0, 10), (3, 4), (9, 1), (10, 0), (0, 0), (4, None), (10, None)],
    )
    def test_a_range_is_exact(
        self, store: ObjectStore, offset: int, length: int | None
    ) -> None:
        """A range is neither longer nor shorter than asked for."""
        digest = put_bytes(store, Area.OBJECT, b"0123456789")
        end = 10 if length is None else offset + length

        with store.open(Area.OBJECT, digest, offset, length) as file:
            assert b"0123456789"[offset:end] == file.read()

    @pytest.mark.parametrize(
        ("offset", "length"), [(0, 11), (9, 2), (10, 1), (11, None), (-1, 2), (2, -1)]
    )
    def test_a_range_outside_is_refused(
        self, store: ObjectStore, offset: int, length: int | None
    ) -> None:
        """What is not there is an error, not a shorter answer."""
        digest = put_bytes(store, Area.OBJECT, b"0123456789")
        with pytest.raises(RequestError) as caught:
            store.open(Area.OBJECT, digest, offset, length)

        assert Reason.RANGE_INVALID == caught.value.reason

    def test_a_range_of_nothing_is_unknown(self, store: ObjectStore) -> None:
        """A range of an absent object says that the object is absent."""
        with pytest.raises(RequestError) as caught:
            store.open(Area.OBJECT, Digest.of(b"never put"), 2, 3)

        assert Reason.OBJECT_UNKNOWN == caught.value.reason

    def test_reading_whole_has_a_bound(self, store: ObjectStore) -> None:
        """Whoever reads into memory says how much; one byte above is refused."""
        digest = put_bytes(store, Area.OBJECT, b"0123456789")

        assert b"0123456789" == read_bytes(store, Area.OBJECT, digest, size_max=10)
        with pytest.raises(RequestError) as caught:
            read_bytes(store, Area.OBJECT, digest, size_max=9)
        assert Reason.TOO_LARGE == caught.value.reason

    def test_deleting_is_idempotent(self, store: ObjectStore) -> None:
        """Deleted is deleted, the second time too, and can be put again."""
        digest = put_bytes(store, Area.OBJECT, b"to go")
        store.delete(Area.OBJECT, digest)
        store.delete(Area.OBJECT, digest)

        assert store.stat(Area.OBJECT, digest) is None
        assert digest == put_bytes(store, Area.OBJECT, b"to go")
        assert 5 == stat_size(store, digest)

    def test_list_yields_what_is_there(self, store: ObjectStore) -> None:
        """A listing names every object of the area, in order, with its size."""
        digests = sorted(put_bytes(store, Area.DERIVED, bytes([n])) for n in range(5))
        put_bytes(store, Area.OBJECT, b"elsewhere")
        listed = list(store.list(Area.DERIVED))

        assert digests == [digest for digest, _ in listed]
        assert [1] * 5 == [stat.size for _, stat in listed]

    def test_list_by_prefix(self, store: ObjectStore) -> None:
        """A listing can be resumed and shared out by the first digits."""
        digests = [put_bytes(store, Area.OBJECT, bytes([n])) for n in range(3)]
        for digest in digests:
            for digits in (1, 2, 3, 64):
                prefix = digest.hex[:digits]
                expected = sorted(d for d in digests if d.hex.startswith(prefix))

                assert expected == [d for d, _ in store.list(Area.OBJECT, prefix)]

    @pytest.mark.parametrize("prefix", ["..", "A", "0g", "a/", "0" * 65])
    def test_list_takes_no_path(self, store: ObjectStore, prefix: str) -> None:
        """A prefix is digits of a digest and nothing else."""
        with pytest.raises(ValueError, match="not the beginning"):
            list(store.list(Area.OBJECT, prefix))

    def test_times_are_utc(self, store: ObjectStore) -> None:
        """The time of writing is an instant near the present, for gc."""
        digest = put_bytes(store, Area.OBJECT, b"now")
        stat = store.stat(Area.OBJECT, digest)

        assert stat is not None
        assert abs(datetime.now(UTC) - stat.modified) < timedelta(seconds=60)

    def test_copy_between_areas(self, store: ObjectStore) -> None:
        """At approval a draft's part becomes public, verified on the way."""
        digest = put_bytes(store, Area.PRIVATE, b"approved")
        copy(store, digest, Area.PRIVATE, Area.OBJECT)

        assert b"approved" == read_bytes(store, Area.OBJECT, digest, size_max=8)
        with pytest.raises(RequestError):
            copy(store, Digest.of(b"unknown"), Area.PRIVATE, Area.OBJECT)

    def test_named_files_are_replaced_whole(self, store: ObjectStore) -> None:
        """The static mirror's files hold what was written last."""
        assert store.read_named(HEADS, limit=100) is None
        store.write_named(HEADS, b"first")
        store.write_named(HEADS, b"second, longer")
        store.write_named(HEADS, b"3rd")

        assert b"3rd" == store.read_named(HEADS, limit=3)
        with pytest.raises(RequestError) as caught:
            store.read_named(HEADS, limit=2)
        assert Reason.TOO_LARGE == caught.value.reason

    def test_named_files_have_their_path(self, store: ObjectStore) -> None:
        """A tile and a body lie where federation 4.7 says, side by side."""
        digest = Digest.of(b"body")
        body = mirror_path(f"body/{digest.hex[:2]}/{digest.hex}")
        tile = mirror_path(f"log/{digest.hex}/tile/0/000")
        store.write_named(body, b"body")
        store.write_named(tile, b"tile")

        assert b"body" == store.read_named(body, limit=10)
        assert b"tile" == store.read_named(tile, limit=10)
        assert [] == list(store.list(Area.OBJECT))

    def test_racing_writers_of_one_object(self, store: ObjectStore) -> None:
        """Eight threads put the same bytes at once: all succeed, one object stays."""
        data = os.urandom(100_000)
        digest = Digest.of(data)
        barrier = Barrier(8)
        failures: list[BaseException] = []

        def race() -> None:
            try:
                barrier.wait()
                store.put(Area.OBJECT, digest, BytesIO(data), len(data))
                assert data == read_bytes(store, Area.OBJECT, digest, len(data))
            except BaseException as error:
                failures.append(error)

        threads = [Thread(target=race) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [] == failures
        assert [digest] == [found for found, _ in store.list(Area.OBJECT)]

    def test_a_place_has_one_owner(self, store: ObjectStore) -> None:
        """Two nodes in one place would collect each other's objects."""
        store.claim("kerman.example.ir/log")
        store.claim("kerman.example.ir/log")
        with pytest.raises(RequestError) as caught:
            store.claim("tabriz.example.ir/log")

        assert Reason.STORE_FOREIGN == caught.value.reason
        assert "kerman.example.ir/log" == caught.value.values["origin_found"]


def stat_size(store: ObjectStore, digest: Digest, area: Area = Area.OBJECT) -> int:
    """Return the size that a store reports of an object that it holds."""
    stat = store.stat(area, digest)
    assert stat is not None
    return stat.size
