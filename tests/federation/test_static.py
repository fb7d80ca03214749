"""Static mirrors: what the writer wrote, every reader reads; what is wrong, it says."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from log_world import ORIGIN, SECONDS, World
from shahrdad.datasets.errors import (
    PeerError,
    Reason,
    RequestError,
    ShahrdadError,
    UnavailableError,
)
from shahrdad.federation.limits import (
    BODY_BYTES_MAX,
    CHUNK_BYTES_MAX,
    ENTRY_BUNDLE_BYTES_MAX,
    HEADS_FILE_BYTES_MAX,
    NOTE_BYTES_MAX,
    ZIP_DIRECTORY_BYTES_MAX,
    ZIP_FILES_MAX,
)
from shahrdad.federation.mirror_files import (
    FolderFiles,
    MirrorFiles,
    WebFiles,
    ZipFiles,
    bounded,
    check_directory,
)
from shahrdad.federation.reader import BodyAbsence, BodyMode, LogChunk, LogStart
from shahrdad.federation.static_mirror import parse_heads
from shahrdad.federation.static_reader import StaticReader, open_static
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify import tree
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.note import join
from shahrdad.federation.verify.tile import MirrorPath, layout
from shahrdad.federation.verify.tree import Frontier

TIME = "2026-11-22T09:00:00Z"
SIZE = 600


def fill(world: World, size: int) -> None:
    """Append entries up to a size, sign the head and write the mirror."""
    held = world.store.ensure_log(ORIGIN).size
    raws, bodies = [], {}
    for number in range(held, size):
        body = b"%d" % number
        bodies[Digest.of(body)] = body
        raws.append(
            entries.put(
                f"ds/{number % 50}",
                prev=None,
                digest=Digest.of(body),
                size=len(body),
                time=TIME,
            )
        )
    world.store.append(grow(world.store.frontier(ORIGIN), raws, ORIGIN), bodies)
    text = Checkpoint(ORIGIN, size, world.store.root_at(ORIGIN, size)).text()
    note = join(text, [world.signer.sign(text)])
    world.store.put_head(ORIGIN, note, seconds=SECONDS)
    world.mirror.write_log(world.store, ORIGIN)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a city whose mirror grew in several steps."""
    made = World(tmp_path_factory.mktemp("static") / "kerman")
    for size in (1, 3, 255, 256, 257, SIZE):
        fill(made, size)
    return made


def zipped(world: World, path: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Return the mirror as one ZIP."""
    with zipfile.ZipFile(path, "w", method) as file:
        for one in sorted(world.files.root.rglob("*")):
            if one.is_file():
                file.write(one, one.relative_to(world.files.root))
    return path


def web(world: World) -> WebFiles:
    """Return the mirror below a prefix, fetched without a network."""

    def fetch(url: str, limit: int) -> bytes | None:
        prefix, _, name = url.partition("/mirror/")
        assert "https://kerman.example.ir" == prefix
        return world.files.read_named(MirrorPath(name), limit)

    return WebFiles("https://kerman.example.ir/mirror/", fetch)


@pytest.fixture(params=["folder", "deflated", "stored", "web"])
def reader(
    request: pytest.FixtureRequest, world: World, tmp_path: Path
) -> StaticReader:
    """Return a reader over each kind of files."""
    files: dict[str, Callable[[], MirrorFiles]] = {
        "folder": lambda: FolderFiles(world.files.root),
        "deflated": lambda: ZipFiles(zipped(world, tmp_path / "a.zip")),
        "stored": lambda: ZipFiles(
            zipped(world, tmp_path / "a.zip", zipfile.ZIP_STORED)
        ),
        "web": lambda: web(world),
    }
    return StaticReader(files[request.param](), "kerman")


@pytest.mark.parametrize("from_size", [0, 1, 2, 255, 256, 300, SIZE - 1, SIZE])
def test_stream_verifies_chunk_by_chunk(
    reader: StaticReader, world: World, from_size: int
) -> None:
    """Start and chunk proofs hold, as the verifier of every reader wants them."""
    parts = reader.read_log(ORIGIN, from_size, BodyMode.NONE)
    start = next(parts)
    assert isinstance(start, LogStart)
    end, root = start.head.size, world.store.root_at(ORIGIN, SIZE)
    held = world.store.entries(ORIGIN, 0, from_size)
    frontier = grow(Frontier(), held, ORIGIN).frontier
    assert (SIZE, from_size) == (end, start.from_size)
    if from_size == 0:
        assert (b"", ()) == (start.from_root, start.proof)
    else:
        assert frontier.root() == start.from_root
        tree.verify_consistency(from_size, end, start.from_root, root, start.proof)
    for chunk in parts:
        assert isinstance(chunk, LogChunk)
        assert frontier.size == chunk.start_index
        assert (
            chunk.start_index // 256
            == (chunk.start_index + len(chunk.entries) - 1) // 256
        )
        frontier = grow(frontier, chunk.entries, ORIGIN).frontier
        if frontier.size < end:
            tree.verify_consistency(
                frontier.size, end, frontier.root(), root, chunk.proof
            )
        else:
            assert () == chunk.proof

    assert root == frontier.root()
    assert SIZE == frontier.size
    reader.close()


def test_heads_bodies_and_proofs_are_read(reader: StaticReader, world: World) -> None:
    """The other answers of a reader, over each kind of files."""
    (head,) = reader.list_heads().heads
    assert (ORIGIN, SIZE) == (head.origin, head.size)
    assert world.store.log(ORIGIN).checkpoint == head.checkpoint
    assert (head,) == reader.list_heads(origins=[ORIGIN, "none/x"]).heads
    wanted = [Digest.of(b"7"), Digest.of(b"none"), Digest.of(b"9")]
    bodies = list(reader.read_bodies(wanted))
    assert [b"7", b"", b"9"] == [body.content for body in bodies]
    assert [digest.raw for digest in wanted] == [body.sha256 for body in bodies]
    assert BodyAbsence.UNKNOWN is bodies[1].absence
    answer = reader.consistency_proof(ORIGIN, 100, 300)
    assert world.store.root_at(ORIGIN, 100) == answer.from_root
    assert world.store.root_at(ORIGIN, 300) == answer.to_root
    assert world.store.consistency_proof(ORIGIN, 100, 300) == list(answer.proof)
    assert "" == reader.node().origin
    reader.close()


def test_every_body_comes_with_its_entries_when_asked_for(world: World) -> None:
    """`ALL` sends what the mirror holds; `LIVE` leaves it to `read_bodies`."""
    static = StaticReader(FolderFiles(world.files.root), "kerman")

    def bodies(mode: BodyMode) -> int:
        parts = list(static.read_log(ORIGIN, 0, mode))
        return sum(len(part.bodies) for part in parts if isinstance(part, LogChunk))

    assert (SIZE, 0, 0) == (
        bodies(BodyMode.ALL),
        bodies(BodyMode.LIVE),
        bodies(BodyMode.NONE),
    )


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda static: list(static.read_log(ORIGIN, SIZE + 1)), Reason.SIZE_AHEAD),
        (lambda static: list(static.read_log("none/x", 0)), Reason.ORIGIN_UNKNOWN),
        (
            lambda static: static.consistency_proof(ORIGIN, 1, SIZE + 1),
            Reason.SIZE_AHEAD,
        ),
        (lambda static: static.consistency_proof(ORIGIN, 0, 5), Reason.MALFORMED),
        (lambda static: static.consistency_proof(ORIGIN, 6, 5), Reason.MALFORMED),
    ],
)
def test_refusals_have_the_reasons_of_the_wire(
    world: World, ask: Callable[[StaticReader], object], reason: Reason
) -> None:
    """One verifier reads all readers, so they refuse alike."""
    with pytest.raises(RequestError) as caught:
        ask(StaticReader(FolderFiles(world.files.root), "kerman"))

    assert reason is caught.value.reason


class Changed:
    """The files of a mirror, one of them changed or gone."""

    def __init__(self, files: MirrorFiles, name: str, content: bytes | None) -> None:
        self.files, self.name, self.content = files, name, content

    def read(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return the changed file, or a true one."""
        if str(path).endswith(self.name):
            if self.content is not None and len(self.content) > limit:
                raise PeerError(
                    Reason.TOO_LARGE,
                    size_bytes=len(self.content),
                    size_bytes_max=limit,
                )
            return self.content
        return self.files.read(path, limit)

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("tile/0/002.p/88", None, Reason.PEER_UNREACHABLE),
        ("tile/0/002.p/88", b"", Reason.MALFORMED),
        ("tile/0/002.p/88", bytes(87 * 32), Reason.MALFORMED),
        ("tile/0/002.p/88", bytes(89 * 32), Reason.TOO_LARGE),
        ("tile/0/000", bytes(257 * 32), Reason.TOO_LARGE),
        ("tile/entries/001", None, Reason.PEER_UNREACHABLE),
        ("tile/entries/001", b"", Reason.MALFORMED),
        ("tile/entries/001", b"\0\1", Reason.MALFORMED),
        ("tile/entries/001", bytes(ENTRY_BUNDLE_BYTES_MAX + 1), Reason.TOO_LARGE),
        ("checkpoint", b"no note", Reason.MALFORMED),
        ("checkpoint", bytes(NOTE_BYTES_MAX + 1), Reason.TOO_LARGE),
        ("checkpoint", None, Reason.ORIGIN_UNKNOWN),
    ],
)
def test_faults_of_a_mirror_name_it(
    world: World, name: str, content: bytes | None, reason: Reason
) -> None:
    """A file that is gone, cut, too long or of another form."""
    files = Changed(FolderFiles(world.files.root), name, content)

    with pytest.raises(ShahrdadError) as caught:
        list(StaticReader(files, "kerman").read_log(ORIGIN, 5))

    assert reason is caught.value.reason
    if isinstance(caught.value, PeerError | UnavailableError):
        assert "kerman" == caught.value.values["peer"]


def test_checkpoint_of_another_log_is_refused(world: World) -> None:
    """A mirror cannot show one log under another's name."""
    text = Checkpoint("other.example/log", 5, bytes(32)).text()
    note = join(text, [world.signer.sign(text)])
    files = Changed(FolderFiles(world.files.root), "checkpoint", note)
    static = StaticReader(files, "kerman")

    with pytest.raises(PeerError) as caught:
        list(static.read_log(ORIGIN, 0))

    assert Reason.MALFORMED is caught.value.reason
    assert () == static.list_heads().heads


def test_partial_tile_that_is_gone_is_read_from_the_full_one(
    world: World, tmp_path: Path
) -> None:
    """A reader that comes late takes the prefix; partials may be cleaned up."""
    late = World(tmp_path / "late")
    for size in (300, 512):
        fill(late, size)
    old = late.store.root_at(ORIGIN, 300)
    text = Checkpoint(ORIGIN, 300, old).text()
    late.files.write_named(
        MirrorPath.checkpoint(ORIGIN), join(text, [late.signer.sign(text)])
    )
    for span in layout(300):
        if span.width < 256 and span.level == 0:
            late.files.delete_named(MirrorPath.tile(ORIGIN, 0, span.number, span.width))
            late.files.delete_named(MirrorPath.entries(ORIGIN, span.number, span.width))
    static = open_static(late.files.root)

    raws = [
        raw
        for part in static.read_log(ORIGIN, 0)
        if isinstance(part, LogChunk)
        for raw in part.entries
    ]

    assert old == grow(Frontier(), raws, ORIGIN).frontier.root()


def test_longest_bundle_is_one_chunk(tmp_path: Path) -> None:
    """256 entries of 4,096 bytes are 1 MiB, the most that a chunk holds."""
    made = World(tmp_path / "long")
    made.store.ensure_log(ORIGIN)
    raws = [bytes(4_096)] * 256
    made.store.append(grow(Frontier(), raws, ORIGIN), {})
    text = Checkpoint(ORIGIN, 256, made.store.root_at(ORIGIN, 256)).text()
    note = join(text, [made.signer.sign(text)])
    made.store.put_head(ORIGIN, note, seconds=SECONDS)
    made.mirror.write_log(made.store, ORIGIN)

    parts = list(open_static(made.files.root).read_log(ORIGIN, 0))

    sizes = [len(part.entries) for part in parts if isinstance(part, LogChunk)]
    assert [256] == sizes
    assert CHUNK_BYTES_MAX == 256 * 4_096


def test_mirror_of_a_foreign_checkpoint_is_written_anew(tmp_path: Path) -> None:
    """What lies in the bucket is not believed: a checkpoint of no history of ours."""
    made = World(tmp_path / "kerman")
    fill(made, 5)
    text = Checkpoint(ORIGIN, 4, bytes(32)).text()
    foreign = join(text, [made.signer.sign(text)])
    made.files.write_named(MirrorPath.checkpoint(ORIGIN), foreign)
    made.files.delete_named(MirrorPath.entries(ORIGIN, 0, 5))

    made.mirror.write_log(made.store, ORIGIN)

    start, chunk = open_static(made.files.root).read_log(ORIGIN, 0)
    assert isinstance(start, LogStart)
    assert isinstance(chunk, LogChunk)
    assert (5, 5) == (start.head.size, len(chunk.entries))


def test_mirror_can_be_written_again_from_the_start(tmp_path: Path) -> None:
    """`since=0` mends whatever was lost, and repeats nothing with other bytes."""
    made = World(tmp_path / "kerman")
    for size in (3, 300):
        fill(made, size)
    before = {
        path: path.read_bytes() for path in made.files.root.rglob("*") if path.is_file()
    }
    for path in list(before)[::2]:
        path.unlink()

    made.mirror.write_log(made.store, ORIGIN, since=0)

    partial = {path for path in before if "000.p" in str(path)}
    for path, content in before.items():
        assert path in partial or content == path.read_bytes()
    assert 300 == open_static(made.files.root).list_heads().heads[0].size


def test_evidence_is_shown(tmp_path: Path) -> None:
    """Who reads a mirror of a quarantined log sees why."""
    made = World(tmp_path / "kerman")
    fill(made, 2)
    made.store.put_evidence(ORIGIN, b"two histories\n")
    made.mirror.write_log(made.store, ORIGIN)

    (head,) = open_static(made.files.root).list_heads().heads

    assert b"two histories\n" == head.evidence


def test_list_of_logs_is_a_hint() -> None:
    """A line that is none is passed over."""
    content = b"a.example/x 5\nbad\n b 1\nc/y 05\nd/z \xdb\xb1\ne/f 0\n\xff 7\n"

    assert [("a.example/x", 5), ("e/f", 0), ("\ufffd", 7)] == parse_heads(content)


def test_list_of_logs_has_a_bound(world: World) -> None:
    """4 MiB; at the limit it is read."""
    content = f"{ORIGIN} {SIZE}\n".encode()
    longest = content + b"#" * (HEADS_FILE_BYTES_MAX - len(content))
    files = FolderFiles(world.files.root)

    static = StaticReader(Changed(files, "heads", longest), "kerman")
    assert 1 == len(static.list_heads().heads)

    with pytest.raises(PeerError) as caught:
        StaticReader(Changed(files, "heads", longest + b"#"), "kerman").list_heads()
    assert Reason.TOO_LARGE is caught.value.reason


def test_body_has_a_bound(world: World) -> None:
    """1 MiB; one byte more is refused before it is read whole."""
    digest = Digest.of(b"any")
    files = FolderFiles(world.files.root)

    at_limit = Changed(files, digest.hex, bytes(BODY_BYTES_MAX))
    (body,) = StaticReader(at_limit, "kerman").read_bodies([digest])
    assert BODY_BYTES_MAX == len(body.content)
    above = Changed(files, digest.hex, bytes(BODY_BYTES_MAX + 1))
    with pytest.raises(PeerError):
        list(StaticReader(above, "kerman").read_bodies([digest]))


def test_links_and_devices_on_a_stick_are_not_followed(
    world: World, tmp_path: Path
) -> None:
    """A brought folder reads itself alone."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    root = tmp_path / "stick"
    root.mkdir()
    (root / "heads").symlink_to(secret)
    files = FolderFiles(root)

    assert files.read(MirrorPath.heads(), 100) is None
    (root / "heads").unlink()
    (root / "heads").mkdir()
    assert files.read(MirrorPath.heads(), 100) is None


@pytest.mark.parametrize(("length", "accepted"), [(1_000, True), (1_001, False)])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_member_is_inflated_only_to_the_limit(
    tmp_path: Path, method: int, length: int, *, accepted: bool
) -> None:
    """A bomb costs its limit, whatever its header says."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("heads", bytes(length))
    files = ZipFiles(path)

    if accepted:
        assert bytes(length) == files.read(MirrorPath.heads(), 1_000)
    else:
        with pytest.raises(PeerError) as caught:
            files.read(MirrorPath.heads(), 1_000)
        assert Reason.TOO_LARGE is caught.value.reason
    files.close()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(tmp_path: Path, method: int) -> None:
    """A bundle is stored or deflated."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("heads", b"a/b 1\n")
    files = ZipFiles(path)

    with pytest.raises(PeerError):
        files.read(MirrorPath.heads(), 1_000)
    files.close()


@pytest.mark.parametrize("change", ["encrypt", "content", "truncate", "garbage"])
def test_damaged_zip_is_refused(tmp_path: Path, change: str) -> None:
    """Encryption, a wrong checksum, a cut file, no ZIP at all."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("heads", b"a.example/b 1\n" * 20)
    data = bytearray(path.read_bytes())
    if change == "encrypt":
        data[6] |= 1
        at = data.rindex(b"PK\x01\x02")
        data[at + 8] |= 1
    elif change == "content":
        data[60] ^= 1
    elif change == "truncate":
        del data[-30:]
    else:
        data[:] = b"x" * 200
    path.write_bytes(data)

    with pytest.raises(PeerError) as caught:
        read_heads(path)

    assert Reason.MALFORMED is caught.value.reason


def read_heads(path: Path) -> bytes | None:
    """Open a ZIP, read `heads` and close it."""
    files = ZipFiles(path)
    try:
        return files.read(MirrorPath.heads(), 1_000)
    finally:
        files.close()


def end_record(files: int, length: int) -> bytes:
    """Return the end of a ZIP that claims so many files, in the 64-bit form."""
    record = b"PK\x06\x06" + (44).to_bytes(8, "little") + bytes(12)
    record += files.to_bytes(8, "little") * 2 + length.to_bytes(8, "little") + bytes(8)
    locator = b"PK\x06\x07" + bytes(4) + bytes(8) + (1).to_bytes(4, "little")
    end = b"PK\x05\x06" + bytes(4) + b"\xff" * 4 + b"\xff" * 8 + bytes(2)
    return record + locator + end


@pytest.mark.parametrize(
    ("files", "length", "accepted"),
    [
        (ZIP_FILES_MAX, ZIP_DIRECTORY_BYTES_MAX, True),
        (ZIP_FILES_MAX + 1, ZIP_DIRECTORY_BYTES_MAX, False),
        (ZIP_FILES_MAX, ZIP_DIRECTORY_BYTES_MAX + 1, False),
    ],
)
def test_directory_of_a_zip_is_judged_before_it_is_read(
    tmp_path: Path, files: int, length: int, *, accepted: bool
) -> None:
    """200,000 files and 32 MiB: more would fill the memory when it is opened."""
    path = tmp_path / "a.zip"
    path.write_bytes(end_record(files, length))

    if accepted:
        check_directory(path)
    else:
        with pytest.raises(PeerError):
            check_directory(path)


def test_bounded_reading_stops_one_byte_above() -> None:
    """Nothing is read that is not needed to refuse."""
    file = io.BytesIO(bytes(5_000_000))

    assert bytes(0) == bounded(io.BytesIO(b""), 0)
    with pytest.raises(PeerError):
        bounded(file, 1_000)
    assert 1_001 == file.tell()
