"""Any byte of any message, static file or bundle changed: nothing wrong is stored.

What comes is dropped, reordered, repeated, cut short or changed in one bit: serialised
messages, files, the ZIP itself. Whatever it does to a round, what is held stays a true
prefix, the fault is the peer's by name, no honest log is accused, and an honest peer
brings the rest.
"""

import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from federation_world import ORIGIN, filled, mirror, new_ingest
from hostile_world import (
    Alter,
    MemoryFiles,
    WiredPeer,
    ask,
    check_harmless,
    damaged,
)
from shahrdad.datasets.errors import PeerError, Reason, ShahrdadError
from shahrdad.federation import wire
from shahrdad.federation.bundle import export_bundle, open_bundle
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.static_mirror import StaticMirror
from shahrdad.federation.static_reader import StaticReader
from shahrdad.federation.sync_report import SyncReport
from shahrdad.federation.verify.note import Kind, Signer
from shahrdad.federation.verify.tile import MirrorPath
from shahrdad.federation.witness import Witness
from shahrdad.proto.v1 import federation_pb2 as pb
from simulator import Clock, SimLog, SimPeer, keys_of, seed

EXAMPLES = 400 if os.environ.get("SHAHRDAD_LONG") else 25
SIGNER = Signer.from_seed("w.example.ir/witness", seed("w"), Kind.WITNESS)


def at_random(chance: random.Random) -> Alter:
    """Return what damages messages: some bytes, or whole ones and their order."""

    def alter(call: str, sent: list[bytes]) -> Sequence[bytes]:
        del call
        messages = list(sent)
        if len(messages) > 1:
            place = chance.randrange(len(messages))
            match chance.randrange(6):
                case 0:
                    del messages[place]
                case 1:
                    messages.insert(place, messages[place])
                case 2:
                    chance.shuffle(messages)
                case _:
                    pass
        return [
            damaged(content, chance) if chance.random() < 0.4 else content
            for content in messages
        ]

    return alter


class DamagedFiles:
    """A `MirrorFiles` over held files: some come damaged, swapped or not at all."""

    def __init__(self, files: dict[str, bytes], chance: random.Random) -> None:
        self._files = files
        self._chance = chance

    def read(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file, or something else."""
        content = self._files.get(str(path))
        if content is None or self._chance.random() < 0.8:
            return content
        match self._chance.randrange(4):
            case 0:
                return None
            case 1:
                content = self._files[self._chance.choice(sorted(self._files))]
            case _:
                content = damaged(content, self._chance)
        if len(content) > limit:
            raise PeerError(
                Reason.TOO_LARGE, size_bytes=len(content), size_bytes_max=limit
            )
        return content

    def close(self) -> None:
        """Do nothing."""


def begun(chance: random.Random) -> tuple[SimLog, Ingest]:
    """Return a log, and a node that holds none of it or some."""
    log = filled(chance.randrange(1, 30))
    ingest = new_ingest(log, witnesses=[SIGNER], quorum=1)
    if chance.random() < 0.5:
        ingest.pull(SimPeer("honest", [log]), ORIGIN)
        log.fill(chance.randrange(1, 30), start=100)
    log.cosign(SIGNER, Clock()())
    return log, ingest


@settings(max_examples=EXAMPLES * 3, deadline=None)
@given(number=st.integers(0, 2**32))
def test_damaged_messages(number: int) -> None:
    """Every answer of every call, damaged at random, stores nothing wrong."""
    chance = random.Random(number)
    log, ingest = begun(chance)
    honest = SimPeer("liar", [log])
    honest.chunk_entries = chance.randrange(1, 12)
    peer = WiredPeer(honest, at_random(chance))
    report = ask(ingest, lambda: peer)
    check_harmless(ingest, log, report)


@settings(max_examples=EXAMPLES, deadline=None)
@given(number=st.integers(0, 2**32))
def test_damaged_pushes(number: int) -> None:
    """Who pushes damaged messages leaves a true prefix, and is told why."""
    chance = random.Random(number)
    log, ingest = begun(chance)
    size = ingest.store.ensure_log(ORIGIN).size
    peer = WiredPeer(SimPeer("liar", [log]), at_random(chance))
    incoming = ingest.incoming(ORIGIN, "liar")
    fault: ShahrdadError | None = None
    try:
        for part in peer.read_log(ORIGIN, size):
            incoming.take(part)
            if not incoming.wanted:
                break
        incoming.end()
    except ShahrdadError as error:
        fault = error
    finally:
        incoming.keep()

    assert fault is None or fault.reason is not Reason.EQUIVOCATION
    check_harmless(ingest, log, SyncReport(""))


@settings(max_examples=EXAMPLES, deadline=None)
@given(number=st.integers(0, 2**32))
def test_damaged_checkpoints_are_not_cosigned(number: int) -> None:
    """A witness signs what extends its record, or nothing, whatever it is sent."""
    chance = random.Random(number)
    log, ingest = begun(chance)
    witness = Witness(ingest.store, ingest.keys, SIGNER, clock=Clock())
    before = max(1, log.size // 2)
    witness.add_checkpoint(0, (), log.note(before))
    sent = pb.AddCheckpointRequest(
        old_size=before,
        proof=log.proof(before, log.size) if before < log.size else (),
        checkpoint=log.note(),
    ).SerializeToString()
    try:
        request = pb.AddCheckpointRequest.FromString(damaged(sent, chance))
        proof = wire.proof_from_wire(request.proof)
        witness.add_checkpoint(request.old_size, proof, request.checkpoint)
    except (DecodeError, ShahrdadError):
        pass
    recorded = ingest.store.witnessed(ORIGIN)

    assert recorded is not None
    assert recorded.size in {before, log.size}
    assert log.root(recorded.size) == recorded.root


@settings(max_examples=EXAMPLES * 2, deadline=None)
@given(number=st.integers(0, 2**32))
def test_damaged_static_files(number: int) -> None:
    """Tiles, bundles, bodies, checkpoint and heads: each may be anything."""
    chance = random.Random(number)
    log, ingest = begun(chance)
    source = new_ingest(log, witnesses=[SIGNER], quorum=1)
    source.pull(SimPeer("city", [log]), ORIGIN)
    files = MemoryFiles()
    StaticMirror(files).write_log(source.store, ORIGIN)
    reader = StaticReader(DamagedFiles(files.files, chance), "liar")
    report = ask(ingest, lambda: reader)
    check_harmless(ingest, log, report)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[SimLog, bytes]:
    """Return a log, and a bundle of it."""
    folder = tmp_path_factory.mktemp("bundle")
    log = filled(20)
    city = mirror(folder / "city.db", log)
    export_bundle(city.store, {ORIGIN: 0}, folder / "logs.zip")
    return log, (folder / "logs.zip").read_bytes()


@settings(max_examples=EXAMPLES * 2, deadline=None)
@given(number=st.integers(0, 2**32))
def test_damaged_bundle(
    bundle: tuple[SimLog, bytes],
    tmp_path_factory: pytest.TempPathFactory,
    number: int,
) -> None:
    """Any byte of the ZIP changed, cut or repeated: it is refused, or still true."""
    chance = random.Random(number)
    log, content = bundle
    path = tmp_path_factory.mktemp("stick") / "logs.zip"
    path.write_bytes(damaged(content, chance))
    ingest = Ingest(new_ingest(log).store, keys_of([log]), clock=Clock())
    fault: Reason | None = None
    report = SyncReport("")
    try:
        open_bundle([path]).close()
    except PeerError as error:
        fault = error.reason
    else:
        report = ask(ingest, lambda: renamed(path))
    check_harmless(ingest, log, report)

    assert fault in {None, Reason.MALFORMED, Reason.TOO_LARGE}


def renamed(path: Path) -> StaticReader:
    """Return a bundle as the peer that the checks name."""
    reader = open_bundle([path])
    reader._name = "liar"
    return reader


def test_damage_is_real() -> None:
    """The damage of these tests changes what it is done to."""
    chance = random.Random(1)
    content = bytes(range(256))
    changed = [damaged(content, chance) != content for _ in range(100)]

    assert 100 == sum(changed)
    assert b"" == damaged(b"", chance)
