"""A network of cities without sockets, on virtual time: honest, hostile, or cut off.

`SimLog` is a city's log as its own node would serve it, written here a second time and
in the plainest way, so that a mistake of the code under test is not made twice.
`SimPeer` is a `LogReader` over such logs, with knobs for everything a relay can do:

    peer.offline = True             it does not answer
    peer.chunk_entries = 3          it cuts streams into small chunks
    peer.stop_after = 2             its streams end early, without an error
    peer.change = lambda part: …    it alters what it relays

>>> log = SimLog("a.example/catalog")
>>> log.put("ds/budget", b"{}")
1
>>> SimPeer("relay", [log]).list_heads().heads[0].size
2
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from hashlib import sha256

from shahrdad.datasets.errors import PeerError, Reason, RequestError, UnavailableError
from shahrdad.federation.keyring import ConfiguredKeys, LogKey, WitnessKey
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
from shahrdad.federation.verify.note import Kind, Signature, Signer, join

EPOCH_SECONDS = 1_795_338_000  # 2026-11-22T09:00:00Z


class Clock:
    """Virtual time: it passes when a story says so."""

    def __init__(self, seconds: int = EPOCH_SECONDS) -> None:
        self.seconds = seconds

    def __call__(self) -> int:
        """Return the Unix time."""
        return self.seconds

    def pass_hours(self, hours: float) -> None:
        """Let time pass."""
        self.seconds += int(hours * 3_600)


def seed(name: str) -> bytes:
    """Return the test seed of a key: never used outside tests."""
    return sha256(f"simulator: {name}".encode()).digest()


class SimLog:
    """A city's log, in memory, with every hash computed from its leaves."""

    def __init__(self, origin: str, key_name: str = "") -> None:
        self.origin = origin
        self.signer = Signer.from_seed(origin, seed(key_name or origin), Kind.LOG)
        self.raws: list[bytes] = []
        self.bodies: dict[Digest, bytes] = {}
        self.absent: dict[Digest, BodyAbsence] = {}
        self.cosignatures: list[Signature] = []
        self.evidence = b""
        self._hashes: dict[tuple[int, int], bytes] = {}
        self._newest: dict[str, int] = {}
        time = "2026-11-22T09:00:00Z"
        self.append(entries.genesis(origin, "simulator/1", time=time))

    @property
    def size(self) -> int:
        """Number of entries."""
        return len(self.raws)

    @property
    def key(self) -> LogKey:
        """What others must know to verify this log."""
        return LogKey(self.origin, self.signer.vkey)

    def append(self, raw: bytes) -> int:
        """Append raw bytes as an entry; return its index."""
        index = self.size
        self.raws.append(raw)
        self.cosignatures = []
        entry = parsed(raw, index, self.origin)
        if entry is not None and entry.key is not None:
            self._newest[entry.key] = index
        return index

    def put(self, key: str, body: bytes, time: str = "2026-11-22T10:00:00Z") -> int:
        """Publish a body under a key; return the entry's index."""
        digest = Digest.of(body)
        self.bodies[digest] = body
        prev = self.newest(key)
        return self.append(
            entries.put(key, prev=prev, digest=digest, size=len(body), time=time)
        )

    def delete(self, key: str, time: str = "2026-11-22T11:00:00Z") -> int:
        """Withdraw a key; return the entry's index."""
        prev = self.newest(key)
        return self.append(
            entries.delete(key, prev=prev, time=time, reason="withdrawn")
        )

    def redact(self, digest: Digest, time: str = "2026-11-22T12:00:00Z") -> int:
        """Remove a body; return the entry's index."""
        self.bodies.pop(digest, None)
        self.absent[digest] = BodyAbsence.REDACTED
        return self.append(entries.redact(digest, time=time, reason="privacy"))

    def fill(self, count: int, start: int = 0) -> None:
        """Publish so many small records, a few versions of each key."""
        for number in range(start, start + count):
            body = json.dumps({"n": number, "city": self.origin}).encode()
            self.put(f"ds/record-{number % max(1, count // 3)}", body)

    def newest(self, key: str) -> int | None:
        """Return the index of a key's newest entry."""
        return self._newest.get(key)

    def live_digests(self) -> set[Digest]:
        """Return the bodies that are live at the head."""
        live: dict[str, Digest] = {}
        for index, raw in enumerate(self.raws):
            entry = parsed(raw, index, self.origin)
            if entry is None or entry.key is None:
                continue
            if entry.sha256 is not None:
                live[entry.key] = entry.sha256
            else:
                live.pop(entry.key, None)
        return set(live.values())

    def read_hash(self, height: int, n: int) -> bytes:
        """Return the root of the full subtree over leaves n·2^height onwards."""
        if height == 0:
            return entries.leaf_hash(self.raws[n])
        key = (height, n)
        if key not in self._hashes:
            self._hashes[key] = entries.node_hash(
                self.read_hash(height - 1, 2 * n), self.read_hash(height - 1, 2 * n + 1)
            )
        return self._hashes[key]

    def root(self, size: int | None = None) -> bytes:
        """Return the root at a size."""
        return tree.root_at(self.size if size is None else size, self.read_hash)

    def proof(self, old: int, new: int) -> tuple[bytes, ...]:
        """Return the consistency proof that the protocol wants between two sizes."""
        if old in {0, new}:
            return ()
        return tuple(tree.consistency_proof(old, new, self.read_hash))

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        """Return the checkpoint at a size."""
        size = self.size if size is None else size
        return Checkpoint(self.origin, size, self.root(size))

    def note(self, size: int | None = None) -> bytes:
        """Return the signed checkpoint at a size; at the head with its cosignatures."""
        text = self.checkpoint(size).text()
        extra = self.cosignatures if size in {None, self.size} else []
        return join(text, [self.signer.sign(text), *extra])

    def cosign(self, witness: Signer, seconds: int) -> None:
        """Let a witness cosign the head."""
        text = self.checkpoint().text()
        self.cosignatures.append(witness.sign(text, seconds=seconds))

    def head(self) -> Head:
        """Return the head as a node lists it."""
        return Head(self.origin, self.size, self.note(), evidence=self.evidence)

    def fork(self, at: int) -> "SimLog":
        """Return a log with the same key that shares the first `at` entries."""
        twin = copy(self)
        twin.raws = self.raws[:at]
        twin.bodies = dict(self.bodies)
        twin.absent = dict(self.absent)
        twin.cosignatures = []
        twin._hashes = {}
        twin._newest = {key: index for key, index in self._newest.items() if index < at}
        return twin


Change = Callable[[LogStart | LogChunk], Sequence[LogStart | LogChunk]]


class SimPeer:
    """A peer that serves logs, truthfully unless a knob says otherwise.

    Args:
        name: For the ledger.
        logs: What it serves; the list may change while it is used.
    """

    def __init__(self, name: str, logs: Sequence[SimLog]) -> None:
        self._name = name
        self.logs = list(logs)
        self.offline = False
        self.chunk_entries = 256
        self.stop_after: int | None = None
        self.with_bodies = True
        self.change: Change | None = None
        self.change_head: Callable[[Head], Head] | None = None
        self.change_body: Callable[[Body], Body] | None = None
        self.change_proof: Callable[[ConsistencyProof], ConsistencyProof] | None = None
        self.calls: list[str] = []

    @property
    def name(self) -> str:
        """The peer's name."""
        return self._name

    def node(self) -> NodeFacts:
        """Return who it says it is."""
        self._answer("node")
        return NodeFacts(origin=self.logs[0].origin if self.logs else "")

    def list_heads(
        self, cursor: str = "", wait_seconds: int = 0, origins: Sequence[str] = ()
    ) -> HeadsPage:
        """List every head at each call; the cursor counts the calls."""
        self._answer("list_heads")
        heads = [
            log.head() for log in self.logs if not origins or log.origin in origins
        ]
        if self.change_head is not None:
            heads = [self.change_head(head) for head in heads]
        return HeadsPage(tuple(heads), f"sim:{len(self.calls)}")

    def read_log(
        self, origin: str, from_size: int, body_mode: BodyMode = BodyMode.LIVE
    ) -> Iterator[LogStart | LogChunk]:
        """Stream a log."""
        self._answer("read_log")
        for number, part in enumerate(self._parts(origin, from_size, body_mode)):
            if self.stop_after is not None and number >= self.stop_after:
                return
            yield from self.change(part) if self.change else (part,)

    def read_bodies(self, digests: Sequence[Digest]) -> Iterator[Body]:
        """Answer each digest."""
        self._answer("read_bodies")
        for digest in digests:
            body = self._body(digest)
            yield self.change_body(body) if self.change_body else body

    def consistency_proof(
        self, origin: str, from_size: int, to_size: int
    ) -> ConsistencyProof:
        """Prove two sizes of the log that is served."""
        self._answer("consistency_proof")
        log = self._log(origin)
        answer = ConsistencyProof(
            log.root(from_size), log.root(to_size), log.proof(from_size, to_size)
        )
        return self.change_proof(answer) if self.change_proof else answer

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _parts(
        self, origin: str, from_size: int, body_mode: BodyMode
    ) -> Iterator[LogStart | LogChunk]:
        log = self._log(origin)
        size = log.size
        if from_size > size:
            raise RequestError(
                Reason.SIZE_AHEAD, origin=origin, size=from_size, size_max=size
            )
        from_root = log.root(from_size) if from_size else b""
        yield LogStart(log.head(), from_size, from_root, log.proof(from_size, size))
        live = log.live_digests()
        index = from_size
        while index < size:
            end = min(index + self.chunk_entries, size, (index // 256 + 1) * 256)
            raws = tuple(log.raws[index:end])
            bodies: list[Body] = []
            for position, raw in enumerate(raws, index):
                entry = parsed(raw, position, origin)
                digest = entry.sha256 if entry and entry.op == "put" else None
                wanted = body_mode is BodyMode.ALL or digest in live
                if digest and digest in log.bodies and wanted and self.with_bodies:
                    bodies.append(Body(digest.raw, log.bodies[digest]))
            if body_mode is BodyMode.NONE:
                bodies = []
            yield LogChunk(index, raws, tuple(bodies), log.proof(end, size))
            index = end

    def _body(self, digest: Digest) -> Body:
        for log in self.logs:
            if digest in log.bodies:
                return Body(digest.raw, log.bodies[digest])
            if digest in log.absent:
                return Body(digest.raw, absence=log.absent[digest])
        return Body(digest.raw, absence=BodyAbsence.UNKNOWN)

    def _log(self, origin: str) -> SimLog:
        for log in self.logs:
            if log.origin == origin:
                return log
        raise RequestError(Reason.ORIGIN_UNKNOWN, origin=origin)

    def _answer(self, call: str) -> None:
        self.calls.append(call)
        if self.offline:
            raise UnavailableError(
                Reason.PEER_UNREACHABLE, peer=self.name, detail="offline"
            )


def parsed(raw: bytes, index: int, origin: str) -> entries.Entry | None:
    """Read an entry; None when it is one that is never applied."""
    try:
        return entries.parse(raw, index, origin)
    except PeerError:
        return None


def keys_of(
    logs: Sequence[SimLog], witnesses: Sequence[Signer] = (), quorum: int = 0
) -> ConfiguredKeys:
    """Return the keys of honest logs and of witnesses."""
    return ConfiguredKeys(
        [log.key for log in logs],
        witnesses=[
            WitnessKey(witness.name.partition(".")[0], witness.vkey)
            for witness in witnesses
        ],
        quorum=quorum,
        cities={log.origin: log.origin.partition(".")[0] for log in logs},
    )


def changed(content: bytes, chance: random.Random) -> bytes:
    """Return bytes with one of them changed, added or taken away."""
    place = chance.randrange(len(content) + 1)
    kind = chance.randrange(3)
    if kind == 0 or place == len(content):
        return content[:place] + bytes([chance.randrange(256)]) + content[place:]
    if kind == 1:
        return content[:place] + content[place + 1 :]
    flipped = content[place] ^ (1 << chance.randrange(8))
    return content[:place] + bytes([flipped]) + content[place + 1 :]
