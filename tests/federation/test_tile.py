"""Names, sizes and bytes of a static mirror's files."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import ENTRY_BUNDLE_BYTES_MAX, ENTRY_BYTES_MAX
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tile import (
    TILES_KEPT,
    MirrorPath,
    decode_bundle,
    encode_bundle,
    hash_reader,
    layout,
    level_size,
    proof_tiles,
    tile_number,
)

ORIGIN = "kerman.example.ir/catalog"
FOLDER = "log/f16e6fbe67628073b180712726586af5295f132ccef3462353371cbf64eeb19a"


def test_names_are_computed_from_origin_number_and_digest() -> None:
    """The names of federation 4.7."""
    digest = Digest.of(b"")

    assert [
        "heads",
        f"{FOLDER}/checkpoint",
        f"{FOLDER}/evidence",
        f"{FOLDER}/tile/0/x001/x234/067",
        f"{FOLDER}/tile/0/273.p/112",
        f"{FOLDER}/tile/entries/273.p/112",
        f"body/e3/{digest}",
        f"object/e3/{digest}",
    ] == [
        str(MirrorPath.heads()),
        str(MirrorPath.checkpoint(ORIGIN)),
        str(MirrorPath.evidence(ORIGIN)),
        str(MirrorPath.tile(ORIGIN, 0, 1_234_067)),
        str(MirrorPath.tile(ORIGIN, 0, 273, 112)),
        str(MirrorPath.entries(ORIGIN, 273, 112)),
        str(MirrorPath.body(digest)),
        str(MirrorPath.object(digest)),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/heads",
        "heads\n",
        "../heads",
        "body/../heads",
        "body/e3/" + "0" * 64,
        "body/00/" + "0" * 63,
        "private/00/" + "0" * 64,
        f"{FOLDER}/tile/0/1",
        f"{FOLDER}/tile/0/x001",
        f"{FOLDER}/tile/0/000.p/0",
        f"{FOLDER}/tile/0/000.p/256",
        f"{FOLDER}/tile/0/000.p/01",
        f"{FOLDER}/tile/64/000",
        f"{FOLDER}/tile/0/\u06f0\u06f0\u06f0",
        f"{FOLDER}/other",
    ],
)
def test_no_other_path_can_be_held(name: str) -> None:
    """What a peer sent never becomes a path."""
    with pytest.raises(ValueError, match="mirror"):
        MirrorPath(name)


def test_every_computed_name_is_one_that_is_held() -> None:
    """The check of the names accepts all of them, up to the widest."""
    for width in range(1, 257):
        path = MirrorPath.tile(ORIGIN, 63, 10**9, width)
        assert path == MirrorPath(str(path))
        assert hash(path) == hash(MirrorPath(str(path)))
        assert path.immutable
    assert not MirrorPath.heads().immutable


@pytest.mark.parametrize("width", [0, 257])
def test_tile_has_1_to_256_hashes(width: int) -> None:
    """A tile of another width has no name."""
    with pytest.raises(ValueError, match="width"):
        MirrorPath.tile(ORIGIN, 0, 0, width)


@given(st.integers(0, 10**15), st.integers(0, 10**15))
@settings(max_examples=60)
def test_numbers_and_names_are_one_to_one(one: int, other: int) -> None:
    """Two tiles never share a name."""
    assert (one == other) is (tile_number(one) == tile_number(other))


def test_layout_of_seventy_thousand() -> None:
    """273 full tiles and one of width 112; then 1 and 17; then 1 (federation 4.7)."""
    spans = list(layout(70_000))

    assert 273 == sum(span.level == 0 and span.width == 256 for span in spans)
    assert [(0, 273, 112), (1, 0, 256), (1, 1, 17), (2, 0, 1)] == [
        tuple(span) for span in spans if span.level or span.width < 256
    ]


@settings(max_examples=80)
@given(st.integers(0, 200_000), st.integers(0, 3_000))
def test_growing_writes_what_a_fresh_layout_has(old: int, more: int) -> None:
    """Old tiles and new ones together are the tiles of the new size."""
    new = old + more
    full_before = {span for span in layout(old) if span.width == 256}
    grown = set(layout(new, old))

    expected = set(layout(new))
    unchanged = {
        span
        for span in expected - grown
        if level_size(old, span.level) == level_size(new, span.level)
    }
    assert expected == grown | (full_before & expected) | unchanged
    assert grown <= set(proof_tiles(new, old)) <= expected


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20))
@settings(max_examples=60)
def test_bundles_round_trip(entries: list[bytes]) -> None:
    """Each entry behind its length; a shorter prefix is read from a longer file."""
    data = encode_bundle(entries)

    assert entries == decode_bundle(data, len(entries))
    assert entries[:1] == decode_bundle(data, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0\1",
        b"\0\2a",
        encode_bundle([b"a"]) + b"\0",
        encode_bundle([b"a"]) + b"\0\2b",
        encode_bundle([b"a"] * 257),
    ],
)
def test_bundle_that_is_cut_or_too_long_is_refused(data: bytes) -> None:
    """Lengths must come out even, and a bundle has 256 entries at most."""
    with pytest.raises(PeerError) as caught:
        decode_bundle(data, 1)

    assert Reason.MALFORMED is caught.value.reason


def test_longest_entries_fill_the_longest_bundle() -> None:
    """256 entries of 4,096 bytes are accepted; one byte more in one of them is not."""
    data = encode_bundle([bytes(ENTRY_BYTES_MAX)] * 256)
    assert ENTRY_BUNDLE_BYTES_MAX == len(data)
    assert 256 == len(decode_bundle(data, 256))

    with pytest.raises(PeerError) as caught:
        decode_bundle(encode_bundle([bytes(ENTRY_BYTES_MAX + 1)]), 1)

    assert Reason.TOO_LARGE is caught.value.reason


def test_hash_reader_reads_a_grown_tile_again() -> None:
    """It remembers tiles, but a short one may have grown."""
    hashes = [bytes([number]) * 32 for number in range(3)]
    held = [hashes[0]]
    asked = []

    def read_tile(level: int, number: int) -> bytes:
        asked.append((level, number))
        return b"".join(held)

    read = hash_reader(read_tile)
    assert hashes[0] == read(0, 0) == read(0, 0)
    held.append(hashes[1])
    assert hashes[1] == read(0, 1)
    with pytest.raises(LookupError):
        read(0, 2)

    assert [(0, 0)] * 3 == asked


def test_hash_reader_forgets_old_tiles() -> None:
    """A stream over a long log takes no more memory than one proof."""
    asked = []

    def read_tile(level: int, number: int) -> bytes:
        asked.append(number)
        return bytes(256 * 32)

    read = hash_reader(read_tile)
    for number in range(TILES_KEPT + 1):
        read(0, number * 256)
    read(0, TILES_KEPT * 256)
    assert [*range(TILES_KEPT + 1)] == asked
    read(0, 0)

    assert [*range(TILES_KEPT + 1), 0] == asked
