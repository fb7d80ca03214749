"""Nothing wrong that a peer says is ever stored, and its name is in the error."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation_world import (
    ORIGIN,
    check_prefix,
    filled,
    new_ingest,
    refusal,
)
from shahrdad.datasets.errors import (
    ConflictError,
    PeerError,
    Reason,
    ShahrdadError,
)
from shahrdad.federation import limits
from shahrdad.federation.reader import (
    Body,
    BodyAbsence,
    LogChunk,
    LogStart,
)
from shahrdad.federation.verify.digest import Digest
from simulator import Change, SimLog, SimPeer, changed


def hash_of(data: bytes) -> bytes:
    """Return a digest's bytes."""
    return Digest.of(data).raw


def start(**fields: Any) -> Change:
    """Return a change of a stream's start."""
    return lambda part: [
        replace(part, **fields) if isinstance(part, LogStart) else part
    ]


def chunk(change: Callable[[LogChunk], LogChunk]) -> Change:
    """Return a change of each chunk of a stream."""
    return lambda part: [change(part) if isinstance(part, LogChunk) else part]


OTHER = hash_of(b"another")
MUTATIONS: dict[str, tuple[Change, Reason]] = {  # a change, and its reason
    "no start": (
        lambda part: [part][isinstance(part, LogStart) :],
        Reason.MALFORMED,
    ),
    "two starts": (
        lambda part: [part, part] if isinstance(part, LogStart) else [part],
        Reason.MALFORMED,
    ),
    "from another size": (start(from_size=3), Reason.MALFORMED),
    "proof from zero": (start(proof=(OTHER,)), Reason.MALFORMED),
    "root at zero": (start(from_root=OTHER), Reason.MALFORMED),
    "a gap": (
        chunk(lambda part: replace(part, start_index=part.start_index + 1)),
        Reason.MALFORMED,
    ),
    "an entry left out": (
        chunk(lambda part: replace(part, entries=part.entries[1:])),
        Reason.BAD_PROOF,
    ),
    "an entry twice": (
        chunk(lambda part: replace(part, entries=part.entries[:1] + part.entries)),
        Reason.MALFORMED,
    ),
    "entries swapped": (
        chunk(lambda part: replace(part, entries=part.entries[::-1])),
        Reason.BAD_PROOF,
    ),
    "an empty entry": (
        chunk(lambda part: replace(part, entries=(b"", *part.entries[1:]))),
        Reason.TOO_LARGE,
    ),
    "no entries": (chunk(lambda part: replace(part, entries=())), Reason.MALFORMED),
    "a body changed": (
        chunk(
            lambda part: replace(part, bodies=(Body(part.bodies[0].sha256, b"lie"),))
        ),
        Reason.DIGEST_MISMATCH,
    ),
    "a body that nothing names": (
        chunk(lambda part: replace(part, bodies=(Body(hash_of(b"x"), b"x"),))),
        Reason.MALFORMED,
    ),
    "an absent body": (
        chunk(
            lambda part: replace(
                part,
                bodies=(Body(part.bodies[0].sha256, absence=BodyAbsence.UNKNOWN),),
            )
        ),
        Reason.MALFORMED,
    ),
    "a proof at the end": (
        chunk(lambda part: replace(part, proof=(OTHER,))),
        Reason.BAD_PROOF,
    ),
    "a chunk twice": (
        lambda part: [part, part] if isinstance(part, LogChunk) else [part],
        Reason.MALFORMED,
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_fault_is_refused_and_named(name: str) -> None:
    """Each way to change a stream is refused, for its reason, with the peer's name."""
    change, reason = MUTATIONS[name]
    log = filled(6)
    ingest = new_ingest(log)
    peer = SimPeer("liar", [log])
    peer.change = change
    error = refusal(ingest.pull, peer, ORIGIN)

    assert isinstance(error, PeerError)
    assert (reason, "liar", ORIGIN) == (
        error.reason,
        error.values["peer"],
        error.values["origin"],
    )
    assert 0 == ingest.store.log(ORIGIN).head_size
    check_prefix(ingest, log)


def test_chunk_does_not_cross_a_tile() -> None:
    """A chunk stays within 256 entries of one tile, also when its proof holds."""
    log = filled(300)
    ingest = new_ingest(log)

    def merge(part: LogStart | LogChunk) -> list[LogStart | LogChunk]:
        if isinstance(part, LogStart):
            return [part]
        if part.start_index == 0:
            first = replace(part, entries=part.entries[:200], bodies=())
            rest = LogChunk(200, tuple(log.raws[200:300]), (), log.proof(300, 301))
            return [replace(first, proof=log.proof(200, 301)), rest]
        return []

    peer = SimPeer("wide", [log])
    peer.change = merge
    error = refusal(ingest.pull, peer, ORIGIN)

    assert Reason.MALFORMED is error.reason
    assert 200 == ingest.store.log(ORIGIN).size
    check_prefix(ingest, log)


def test_largest_entry_passes_and_one_above_is_refused() -> None:
    """An entry has at most 4,096 bytes."""
    log = filled(1)
    log.append(b"x" * limits.ENTRY_BYTES_MAX)
    ingest = new_ingest(log)
    ingest.pull(SimPeer("a", [log]), ORIGIN)
    check_prefix(ingest, log)

    def longer(part: LogStart | LogChunk) -> list[LogStart | LogChunk]:
        if isinstance(part, LogChunk):
            entries = (b"x" * (limits.ENTRY_BYTES_MAX + 1),)
            return [replace(part, entries=entries)]
        return [part]

    log.fill(1, start=1)
    peer = SimPeer("a", [log])
    peer.change = longer

    assert Reason.TOO_LARGE is refusal(ingest.pull, peer, ORIGIN).reason


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_hostile_relay_stores_nothing_wrong(data: st.DataObject) -> None:
    """Any byte, hash, message or order changed: only a true prefix is ever held."""
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    log = SimLog(ORIGIN)
    log.fill(chance.randrange(1, 40))
    ingest = new_ingest(log)
    if chance.random() < 0.5:
        ingest.pull(SimPeer("honest", [log]), ORIGIN)
        log.fill(chance.randrange(1, 30), start=50)
    touched = False

    def change(part: LogStart | LogChunk) -> list[LogStart | LogChunk]:
        nonlocal touched
        if chance.random() < 0.5:
            return [part]
        parts = mutate(part, chance)
        touched = touched or parts != [part]
        return parts

    relay = SimPeer("relay", [log])
    relay.chunk_entries = chance.randrange(1, 12)
    relay.change = change
    fault: ShahrdadError | None = None
    try:
        ingest.pull(relay, ORIGIN)
    except (PeerError, ConflictError) as error:
        fault = error
    if isinstance(fault, PeerError):
        assert "relay" == fault.values["peer"]
    elif fault is not None:
        assert Reason.LOG_FORKED is fault.reason
    assert touched or fault is None
    check_prefix(ingest, log)
    assert ingest.store.log(ORIGIN).evidence is None
    ingest.pull(SimPeer("honest", [log]), ORIGIN)

    assert log.size == ingest.store.log(ORIGIN).head_size
    check_prefix(ingest, log)


def mutate(
    part: LogStart | LogChunk, chance: random.Random
) -> list[LogStart | LogChunk]:
    """Return a part with one thing changed, dropped, repeated or invented."""
    kind = chance.randrange(8)
    if kind == 0:
        return []
    if kind == 1:
        return [part, part]
    proof = list(part.proof)
    if kind == 2 and proof:
        place = chance.randrange(len(proof))
        proof[place] = hash_of(proof[place])
        return [replace(part, proof=tuple(proof))]
    if kind == 3:
        return [replace(part, proof=(*part.proof, hash_of(b"more")))]
    if isinstance(part, LogStart):
        if kind == 4:
            note = changed(part.head.checkpoint, chance)
            return [replace(part, head=replace(part.head, checkpoint=note))]
        if kind == 5:
            return [replace(part, from_size=part.from_size + chance.choice([-1, 1]))]
        return [replace(part, from_root=hash_of(part.from_root))]
    raws = list(part.entries)
    place = chance.randrange(len(raws))
    if kind == 4:
        raws[place] = changed(raws[place], chance)
    elif kind == 5:
        del raws[place]
    elif kind == 6:
        raws.insert(place, raws[place])
    elif part.bodies:
        body = part.bodies[chance.randrange(len(part.bodies))]
        return [
            replace(
                part, bodies=(replace(body, content=changed(body.content, chance)),)
            )
        ]
    return [replace(part, entries=tuple(raws))]
