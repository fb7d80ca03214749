"""Reading a peer's logs from a static mirror: a folder, a ZIP, or a web prefix.

It gives the same plain values as the gRPC reader, with proofs made from the tiles, to
the same verifier. Nothing here is trusted: a wrong tile makes a proof that does not
hold, and a wrong entry another root.

Bodies of `BodyMode.LIVE` are not in the stream: which entry is live is known at its
end alone, and then `read_bodies` fetches exactly those that are missing.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from shahrdad.datasets.errors import (
    PeerError,
    Reason,
    RequestError,
    UnavailableError,
)
from shahrdad.federation.limits import (
    BODY_BYTES_MAX,
    ENTRY_BUNDLE_BYTES_MAX,
    HEADS_FILE_BYTES_MAX,
    NOTE_BYTES_MAX,
)
from shahrdad.federation.mirror_files import FolderFiles, MirrorFiles, ZipFiles
from shahrdad.federation.reader import (
    Body,
    BodyAbsence,
    BodyMode,
    ConsistencyProof,
    Head,
    HeadsPage,
    LogChunk,
    LogStart,
    NodeFacts,
)
from shahrdad.federation.static_mirror import parse_heads
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import tree
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import applied
from shahrdad.federation.verify.tile import (
    MirrorPath,
    decode_bundle,
    hash_reader,
    level_size,
)
from shahrdad.federation.verify.tree import HASH_BYTES, TILE_WIDTH, ReadHash

T = TypeVar("T")


class StaticReader:
    """A `LogReader` over the files of a static mirror.

    Args:
        files: Where they lie.
        name: The peer's name, for the ledger.
    """

    def __init__(self, files: MirrorFiles, name: str) -> None:
        self._files = files
        self._name = name

    @property
    def name(self) -> str:
        """The peer's name."""
        return self._name

    def node(self) -> NodeFacts:
        """Return nothing: files do not say whose they are."""
        return NodeFacts()

    def list_heads(
        self, cursor: str = "", wait_seconds: int = 0, origins: Sequence[str] = ()
    ) -> HeadsPage:
        """Return the head of every log that `heads` names, or of the logs asked for.

        A mirror keeps no state for its readers: the cursor stays empty, nothing is
        waited for, and a checkpoint that cannot be read is passed over.
        """
        del cursor, wait_seconds
        names = list(origins)
        if not names:
            listed = self._read(MirrorPath.heads(), HEADS_FILE_BYTES_MAX) or b""
            names = [origin for origin, _ in parse_heads(listed)]
        heads = []
        for origin in dict.fromkeys(names):
            try:
                heads.append(self._head(origin))
            except (PeerError, RequestError):
                continue  # one bad file must not hide the other logs
        return HeadsPage(tuple(heads), "")

    def read_log(
        self, origin: str, from_size: int, body_mode: BodyMode = BodyMode.LIVE
    ) -> Iterator[LogStart | LogChunk]:
        """Yield one start, then the chunks from `from_size` to the mirror's head.

        Raises:
            RequestError: ORIGIN_UNKNOWN; SIZE_AHEAD: the mirror is behind.
            PeerError: TOO_LARGE or MALFORMED.
            UnavailableError: PEER_UNREACHABLE: a file is missing.
        """
        head = self._head(origin)
        end = head.size
        if from_size > end:
            raise RequestError(
                Reason.SIZE_AHEAD, origin=origin, size=from_size, size_max=end
            )
        read = self._hashes(origin, end)
        inner = 0 < from_size < end
        yield LogStart(
            head,
            from_size,
            tree.root_at(from_size, read) if from_size else b"",
            tuple(tree.consistency_proof(from_size, end, read)) if inner else (),
        )
        start = from_size
        while start < end:
            raws = self._bundle(origin, start, end)
            stop = start + len(raws)
            proof = tree.consistency_proof(stop, end, read) if stop < end else []
            bodies: tuple[Body, ...] = ()
            if body_mode is BodyMode.ALL:
                bodies = self._bodies_of(origin, start, raws)
            yield LogChunk(start, raws, bodies, tuple(proof))
            start = stop

    def read_bodies(self, digests: Sequence[Digest]) -> Iterator[Body]:
        """Yield one body, present or absent, for each digest, in that order."""
        for digest in digests:
            content = self._read(MirrorPath.body(digest), BODY_BYTES_MAX)
            if content:
                yield Body(digest.raw, content)
            else:
                yield Body(digest.raw, absence=BodyAbsence.UNKNOWN)

    def consistency_proof(
        self, origin: str, from_size: int, to_size: int
    ) -> ConsistencyProof:
        """Return the proof between two sizes of the mirror's tree, 1 ≤ from ≤ to.

        Raises:
            RequestError: ORIGIN_UNKNOWN, SIZE_AHEAD; MALFORMED for other sizes.
        """
        held = self._checkpoint(origin)[0].size
        if to_size > held:
            raise RequestError(
                Reason.SIZE_AHEAD, origin=origin, size=to_size, size_max=held
            )
        if not 1 <= from_size <= to_size:
            raise RequestError(
                Reason.MALFORMED, field="from_size", detail=f"not 1 to {to_size}"
            )
        read = self._hashes(origin, held)
        return ConsistencyProof(
            tree.root_at(from_size, read),
            tree.root_at(to_size, read),
            tuple(tree.consistency_proof(from_size, to_size, read)),
        )

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    def _head(self, origin: str) -> Head:
        """Return a log's checkpoint, and the evidence against it when there is some."""
        checkpoint, note = self._checkpoint(origin)
        evidence = self._read(MirrorPath.evidence(origin), NOTE_BYTES_MAX) or b""
        return Head(origin, checkpoint.size, note, evidence=evidence)

    def _checkpoint(self, origin: str) -> tuple[Checkpoint, bytes]:
        """Return what a log's checkpoint claims, and its note."""
        note = self._read(MirrorPath.checkpoint(origin), NOTE_BYTES_MAX)
        if note is None:
            raise RequestError(Reason.ORIGIN_UNKNOWN, origin=origin)
        checkpoint = self._blame(lambda: checkpoints.peek(note))
        if checkpoint.origin != origin:
            raise self._malformed(f"the checkpoint of {origin} is another log's")
        return checkpoint, note

    def _hashes(self, origin: str, size: int) -> ReadHash:
        """Return the hashes of a log at a size, read from its tiles."""

        def read_tile(level: int, number: int) -> bytes:
            width = min(TILE_WIDTH, level_size(size, level) - number * TILE_WIDTH)
            path = MirrorPath.tile(origin, level, number, width)
            hashes = self._read(path, width * HASH_BYTES)
            if hashes is not None and len(hashes) != width * HASH_BYTES:
                raise self._malformed(f"{path} is {len(hashes)} bytes")
            if hashes is None and width < TILE_WIDTH:
                whole = MirrorPath.tile(origin, level, number)
                hashes = self._read(whole, TILE_WIDTH * HASH_BYTES)
            if hashes is None or len(hashes) < width * HASH_BYTES:
                raise self._missing(path)
            return hashes[: width * HASH_BYTES]

        return hash_reader(read_tile)

    def _bundle(self, origin: str, start: int, end: int) -> tuple[bytes, ...]:
        """Return the entries from `start` to the end of their bundle.

        256 entries of the longest kind are 1 MiB, which is what a chunk may hold.
        """
        number, first = divmod(start, TILE_WIDTH)
        width = min(TILE_WIDTH, end - number * TILE_WIDTH)
        path = MirrorPath.entries(origin, number, width)
        data = self._read(path, ENTRY_BUNDLE_BYTES_MAX)
        if data is None and width < TILE_WIDTH:
            whole = MirrorPath.entries(origin, number)
            data = self._read(whole, ENTRY_BUNDLE_BYTES_MAX)
        if data is None:
            raise self._missing(path)
        content = data
        return tuple(self._blame(lambda: decode_bundle(content, width))[first:])

    def _bodies_of(
        self, origin: str, start: int, raws: Sequence[bytes]
    ) -> tuple[Body, ...]:
        """Return the bodies that are here of some entries; each digest once."""
        named = [
            entry.sha256
            for entry in applied(raws, start, origin)
            if entry.op == "put" and entry.sha256 is not None
        ]
        bodies = self.read_bodies(list(dict.fromkeys(named)))
        return tuple(body for body in bodies if body.content)

    def _read(self, path: MirrorPath, limit: int) -> bytes | None:
        """Read a file; who sent a bad one is named."""
        return self._blame(lambda: self._files.read(path, limit))

    def _blame(self, act: Callable[[], T]) -> T:
        """Do something with what the peer sent; its faults carry its name."""
        try:
            return act()
        except PeerError as error:
            error.values.setdefault("peer", self._name)
            raise

    def _malformed(self, detail: str) -> PeerError:
        """Say what is wrong with the mirror."""
        return PeerError(
            Reason.MALFORMED, field="mirror", detail=detail, peer=self._name
        )

    def _missing(self, path: MirrorPath) -> UnavailableError:
        """Say which file the mirror lacks."""
        return UnavailableError(
            Reason.PEER_UNREACHABLE, peer=self._name, detail=f"no file {path}"
        )


def open_static(path: Path, name: str = "") -> StaticReader:
    """Open a mirror in a folder or in a ZIP.

    Raises:
        PeerError: MALFORMED or TOO_LARGE: no ZIP that can be read.
    """
    files = FolderFiles(path) if path.is_dir() else ZipFiles(path)
    return StaticReader(files, name or str(path))
