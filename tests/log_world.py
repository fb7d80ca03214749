"""A log, its writer and its memories on disk, for tests that crash and restore them."""

import shutil
import sqlite3
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from shahrdad.federation.log.guard import Guarded, SigningGuard
from shahrdad.federation.log.store import MIGRATIONS, LogStore
from shahrdad.federation.log.writer import CommitPoint, LogWriter, PutEntry
from shahrdad.federation.static_mirror import StaticMirror
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.note import Kind, Signer
from shahrdad.federation.verify.state import LiveEntry, apply
from shahrdad.federation.verify.tile import MirrorPath, decode_bundle, layout
from shahrdad.federation.verify.tree import Frontier

ORIGIN = "kerman.example.ir/catalog"
SECONDS = 1_795_000_000  # 2026-11-18T10:26:40Z


def make_signer(name: str, kind: Kind = Kind.LOG) -> Signer:
    """Return the signer whose seed is the digest of its name."""
    return Signer.from_seed(name, sha256(name.encode()).digest(), kind)


class Files:
    """A `NamedStore` over a folder, which asserts that immutable files never change."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write_named(self, path: MirrorPath, content: bytes) -> None:
        """Write a file."""
        file = self.root / str(path)
        if path.immutable and file.exists():
            assert file.read_bytes() == content, f"immutable {path} was modified"
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f".{file.name}.partly")
        try:
            beside.write_bytes(content)
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)

    def read_named(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file."""
        file = self.root / str(path)
        if not file.exists():
            return None
        content = file.read_bytes()
        assert len(content) <= limit
        return content

    def delete_named(self, path: MirrorPath) -> None:
        """Delete a file."""
        (self.root / str(path)).unlink(missing_ok=True)


class Connections:
    """One SQLite connection a thread, as the node's database gives them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        fresh = not path.exists()
        connection = self.connect()
        if fresh:
            for script in MIGRATIONS:
                connection.executescript(script)

    def connect(self) -> sqlite3.Connection:
        """Return this thread's connection."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self.path, isolation_level=None, timeout=20)
            found.execute("PRAGMA journal_mode=WAL")
            self._local.connection = found
        return found

    def close(self) -> None:
        """Close this thread's connection."""
        self.connect().close()
        self._local.connection = None


class World:
    """One city's memories in a folder: `node.db`, `signer.db`, the static mirror."""

    def __init__(self, root: Path, origin: str = ORIGIN) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.signer = make_signer(origin)
        self.connections = Connections(root / "node.db")
        self.store = LogStore(self.connections.connect)
        self.guard = SigningGuard(root / "signer.db")
        self.files = Files(root / "mirror")
        self.mirror = StaticMirror(self.files)

    def writer(
        self, reached: Callable[[CommitPoint], None] = lambda _: None
    ) -> LogWriter:
        """Return a new writer, as a restarted process has it."""
        return LogWriter(
            self.store,
            self.guard,
            self.signer,
            self.mirror,
            software="shahrdad/test",
            clock=lambda: SECONDS,
            reached=reached,
        )

    def copy(self, name: str) -> "World":
        """Return a copy of all memories: a backup, or a disk that went its own way."""
        self.connections.connect().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        target = self.root.parent / name
        shutil.copytree(self.root, target)
        return World(target, self.signer.name)

    def close(self) -> None:
        """Close the database."""
        self.connections.close()


def record(number: int, bytes_min: int = 0) -> tuple[PutEntry, dict[Digest, bytes]]:
    """Return a put of a dataset, and its body."""
    body = f'{{"name":"{number}"}}'.encode().ljust(bytes_min)
    digest = Digest.of(body)
    return PutEntry(f"ds/table-{number}", digest), {digest: body}


def publish(writer: LogWriter, *numbers: int) -> None:
    """Publish some records at once."""
    records = [record(number) for number in numbers]
    bodies = {digest: body for _, part in records for digest, body in part.items()}
    writer.publish([put for put, _ in records], bodies)


class Killed(BaseException):
    """The process ended here."""


def killer(point: CommitPoint, times: int = 1) -> Callable[[CommitPoint], None]:
    """Return what ends the process the n-th time that a step is done."""
    seen: list[CommitPoint] = []

    def reached(done: CommitPoint) -> None:
        seen.append(done)
        if done is point and seen.count(point) == times:
            raise Killed

    return reached


def check(world: World) -> None:
    """Check the whole world: the log, its tiles, its head, the guard and the mirror."""
    log = world.store.log(ORIGIN)
    assert log.checkpoint is not None
    head, _ = checkpoints.open_checkpoint(log.checkpoint, [world.signer.verifier])
    raws = world.store.entries(ORIGIN, 0, log.size)
    growth = grow(Frontier(), raws, ORIGIN)
    assert growth.frontier == world.store.frontier(ORIGIN)
    assert (log.size, growth.frontier.root()) == (head.size, head.root)
    assert Guarded(head.size, head.root) == world.guard.read()
    live: dict[str, LiveEntry] = {}
    for entry in growth.entries:
        assert entry is not None
        apply(live, entry)
    assert live == world.store.live(ORIGIN)
    check_mirror(world, head, raws)


def check_mirror(world: World, head: Checkpoint, raws: list[bytes]) -> None:
    """Check that the mirror holds the same head, entries and tiles."""
    note = world.files.read_named(MirrorPath.checkpoint(ORIGIN), 65_536)
    assert note is not None
    assert head == checkpoints.peek(note)
    assert f"{ORIGIN} {head.size}\n".encode() == world.files.read_named(
        MirrorPath.heads(), 65_536
    )
    for span in layout(head.size):
        tile = MirrorPath.tile(ORIGIN, span.level, span.number, span.width)
        hashes = world.files.read_named(tile, 8_192)
        assert world.store.tile(ORIGIN, span.level, span.number) == hashes
        if span.level == 0:
            path = MirrorPath.entries(ORIGIN, span.number, span.width)
            bundle = world.files.read_named(path, 2_000_000)
            assert bundle is not None
            start = span.number * 256
            assert raws[start : start + span.width] == decode_bundle(bundle, span.width)


def signed_roots(*worlds: World) -> dict[int, set[bytes]]:
    """Return every root that was ever made public, by size."""
    roots: dict[int, set[bytes]] = {}
    for world in worlds:
        note = world.store.log(ORIGIN).checkpoint
        for found in (
            note,
            world.files.read_named(MirrorPath.checkpoint(ORIGIN), 65_536),
        ):
            if found is not None:
                head = checkpoints.peek(found)
                roots.setdefault(head.size, set()).add(head.root)
    return roots
