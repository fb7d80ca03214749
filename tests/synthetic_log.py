"""Large logs, made fast: the bytes that a publisher writes, without its many checks.

`SyntheticLog` holds a whole log and is a `LogReader`; `tail_of` is the end of a log
whose beginning nobody needs: a verifier keeps of it only a frontier, so that the hashes
of the full subtrees below may be any.

>>> log = SyntheticLog("a.example/catalog", 3)
>>> log.size, log.raws[1][:30]
(3, b'{"bytes":28,"key":"ds/record-1')
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256

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
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify import tree
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.note import Kind, Signer, join
from shahrdad.federation.verify.tree import TILE_WIDTH, ReadHash

TIME = "2026-11-22T09:00:00Z"


def signer_of(origin: str) -> Signer:
    """Return the key of a synthetic log; never used outside tests."""
    return Signer.from_seed(origin, sha256(origin.encode()).digest(), Kind.LOG)


def body_of(number: int) -> bytes:
    """Return the body of a record."""
    return f'{{"n":{number},"title":"رکورد"}}'.encode()


def put_of(number: int, body: bytes, prev: int | None = None) -> bytes:
    """Return the entry of a record, as `entry.put` writes it."""
    return _put(number, len(body), sha256(body).hexdigest(), prev)


def _put(number: int, size: int, digest: str, prev: int | None = None) -> bytes:
    prev_text = "null" if prev is None else str(prev)
    return (
        f'{{"bytes":{size},"key":"ds/record-{number}","op":"put","prev":{prev_text}'
        f',"sha256":"{digest}","time":"{TIME}","v":1}}'
    ).encode()


def levels_of(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Return the hashes of all full subtrees, level by level."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = zip(below[::2], below[1::2], strict=False)
        levels.append([sha256(b"\1" + a + b).digest() for a, b in pairs])
    return levels


class SyntheticLog:
    """A log of so many records, behind its genesis; a `LogReader` named by its origin.

    Args:
        origin: Its name.
        count: Of all entries, the genesis among them.
        above: Added to the numbers in its bodies, so that two logs share none.
    """

    def __init__(self, origin: str, count: int, above: int = 0) -> None:
        self.origin = origin
        self.size = count
        bodies = [body_of(above + number) for number in range(1, count)]
        digests = [sha256(body) for body in bodies]
        self.raws = [entries.genesis(origin, "synthetic/1", time=TIME)]
        self.raws += [
            _put(number, len(body), digest.hexdigest())
            for number, (body, digest) in enumerate(
                zip(bodies, digests, strict=True), 1
            )
        ]
        self._bodies = [
            Body(digest.digest(), body)
            for body, digest in zip(bodies, digests, strict=True)
        ]
        leaves = [sha256(b"\0" + raw).digest() for raw in self.raws]
        self._levels = levels_of(leaves)
        text = Checkpoint(origin, count, tree.root_at(count, self.hash)).text()
        self.note = join(text, [signer_of(origin).sign(text)])

    @property
    def name(self) -> str:
        """The peer's name."""
        return self.origin

    @property
    def head(self) -> Head:
        """What is listed."""
        return Head(self.origin, self.size, self.note)

    def hash(self, height: int, number: int) -> bytes:
        """Return the root of a full subtree."""
        return self._levels[height][number]

    def node(self) -> NodeFacts:
        """Return who it is."""
        return NodeFacts(origin=self.origin)

    def list_heads(
        self, cursor: str = "", wait_seconds: int = 0, origins: Sequence[str] = ()
    ) -> HeadsPage:
        """List the one head, whatever was listed before."""
        del wait_seconds, origins
        return HeadsPage((self.head,), cursor or "0:1")

    def read_log(
        self, origin: str, from_size: int, body_mode: BodyMode = BodyMode.LIVE
    ) -> Iterator[LogStart | LogChunk]:
        """Yield one start, then the chunks."""
        del origin
        root = tree.root_at(from_size, self.hash) if from_size else b""
        yield LogStart(self.head, from_size, root, self._proof(from_size))
        start = from_size
        while start < self.size:
            end = min(self.size, (start // TILE_WIDTH + 1) * TILE_WIDTH)
            bodies: tuple[Body, ...] = ()
            if body_mode is not BodyMode.NONE:
                bodies = tuple(self._bodies[max(0, start - 1) : end - 1])
            raws = tuple(self.raws[start:end])
            yield LogChunk(start, raws, bodies, self._proof(end))
            start = end

    def read_bodies(self, digests: Sequence[Digest]) -> Iterator[Body]:
        """Answer that none is held: streams carry them."""
        for digest in digests:
            yield Body(digest.raw, absence=BodyAbsence.UNKNOWN)

    def consistency_proof(
        self, origin: str, from_size: int, to_size: int
    ) -> ConsistencyProof:
        """Prove two sizes."""
        del origin
        return ConsistencyProof(
            tree.root_at(from_size, self.hash),
            tree.root_at(to_size, self.hash),
            tuple(tree.consistency_proof(from_size, to_size, self.hash)),
        )

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _proof(self, size: int) -> tuple[bytes, ...]:
        if size in (0, self.size):
            return ()
        return tuple(tree.consistency_proof(size, self.size, self.hash))


def tail_of(size: int, raws: Sequence[bytes]) -> tuple[tree.Frontier, ReadHash]:
    """Return the frontier of `size` entries that nobody looks at, and all hashes.

    Args:
        size: Entries below; the hashes of their full subtrees are made up.
        raws: The entries above them, hashed as they are.
    """
    made_up: dict[tuple[int, int], bytes] = {}
    start = 0
    for height in reversed(range(size.bit_length())):
        if size >> height & 1:
            made_up[height, start >> height] = sha256(b"%d" % height).digest()
            start += 1 << height
    leaves = {size + n: entries.leaf_hash(raw) for n, raw in enumerate(raws)}

    def read(height: int, number: int) -> bytes:
        if (height, number) in made_up:
            return made_up[height, number]
        if height == 0:
            return leaves[number]
        below = height - 1
        return entries.node_hash(read(below, 2 * number), read(below, 2 * number + 1))

    return tree.frontier_at(size, read), read
