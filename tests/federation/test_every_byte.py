"""Each byte of each message and file, changed one at a time: nothing wrong is stored.

What `test_hostile_bytes` does at random is done here in order: of every call's answers
each message is left out, repeated and swapped with the next, cut short and changed in
one bit at each place; so are the files of a mirror, a bundle, a receipt, evidence and
what is pushed. `SHAHRDAD_LONG=1` takes every byte; else some of them are taken.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from google.protobuf.message import DecodeError

from federation_world import ORIGIN, check_prefix, filled, mirror, new_ingest
from hostile_world import (
    Alter,
    MemoryFiles,
    WiredPeer,
    ask,
    blamed_peers,
    check_harmless,
    flipped,
)
from shahrdad.datasets.errors import PeerError, ShahrdadError
from shahrdad.federation import push, wire
from shahrdad.federation.bundle import export_bundle, open_bundle
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.log.store import LogStore, Status
from shahrdad.federation.reader import LogChunk, LogReader, LogStart
from shahrdad.federation.static_mirror import StaticMirror
from shahrdad.federation.static_reader import StaticReader
from shahrdad.federation.sync_report import SyncReport
from shahrdad.federation.verify import receipt
from shahrdad.federation.verify.note import Kind, Signer
from shahrdad.federation.verify.tile import MirrorPath
from shahrdad.federation.witness import Witness
from shahrdad.proto.v1 import federation_pb2 as pb
from simulator import Clock, SimLog, SimPeer, keys_of, seed

STEP = 1 if os.environ.get("SHAHRDAD_LONG") else 61
WITNESS = Signer.from_seed("w.example.ir/witness", seed("w"), Kind.WITNESS)
STREAMED = ("ReadLog", "ReadBodies", "GetConsistencyProof")


class Altered(NamedTuple):
    """One thing that happens to one message of one call."""

    call: str
    what: str
    messages: tuple[bytes, ...]


def bytewise(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a content with one bit changed, and cut short, at each place."""
    for place in range(0, len(content), STEP):
        bit = (place // STEP) % 8
        yield f"bit {bit} of byte {place}", flipped(content, place, bit)
        yield f"cut at {place}", content[:place]


def alterations(call: str, messages: Sequence[bytes]) -> Iterator[Altered]:
    """Yield everything that happens to the messages of a call."""
    for number, content in enumerate(messages):
        before, after = tuple(messages[:number]), tuple(messages[number + 1 :])
        yield Altered(call, f"{number} left out", before + after)
        yield Altered(call, f"{number} twice", (*before, content, content, *after))
        if after:
            swapped = (*before, after[0], content, *after[1:])
            yield Altered(call, f"{number} after the next", swapped)
        for what, changed in bytewise(content):
            yield Altered(call, f"{number}: {what}", (*before, changed, *after))


def apply(altered: Altered) -> Alter:
    """Return what does this to the first such call, and lets all others be."""
    left = [altered]

    def alter(call: str, sent: list[bytes]) -> Sequence[bytes]:
        if left and call == altered.call:
            return left.pop().messages
        return sent

    return alter


class Scene:
    """A log of nine entries; a node that holds three, and saw a head at five."""

    def __init__(self, with_bodies: bool) -> None:
        self.log = SimLog(ORIGIN)
        self.log.fill(2)
        self.early = self.log.fork(3)
        self.log.fill(2, start=10)
        self.seen = self.log.head()
        self.log.fill(4, start=20)
        self.log.cosign(WITNESS, Clock()())
        self.with_bodies = with_bodies
        ingest = new_ingest(self.log, witnesses=[WITNESS], quorum=1)
        ingest.pull(SimPeer("honest", [self.early]), ORIGIN)
        ingest.offer(self.seen, "honest")
        self._keys = ingest.keys
        self._image = ingest.store._connect().serialize()

    def node(self) -> Ingest:
        """Return a copy of the node."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.deserialize(self._image)
        return Ingest(LogStore(lambda: connection), self._keys, clock=Clock())

    def peer(self, alter: Alter) -> WiredPeer:
        """Return a peer that has all, behind a relay."""
        honest = SimPeer("liar", [self.log])
        honest.chunk_entries = 2
        honest.with_bodies = self.with_bodies
        return WiredPeer(honest, alter)

    def recorded(self) -> dict[str, list[bytes]]:
        """Return the messages of the first call of each kind in an honest round."""
        calls: dict[str, list[bytes]] = {}

        def record(call: str, sent: list[bytes]) -> Sequence[bytes]:
            calls.setdefault(call, list(sent))
            return sent

        report = ask(self.node(), lambda: self.peer(record))
        assert not blamed_peers(report)
        return calls


@pytest.mark.parametrize("with_bodies", [True, False])
def test_every_answer_of_a_round(with_bodies: bool) -> None:
    """Either all is there in the end, or the peer that did it is named."""
    scene = Scene(with_bodies)
    calls = scene.recorded()

    assert {"ListHeads", "ReadLog", "GetConsistencyProof"} <= set(calls)
    assert with_bodies or "ReadBodies" in calls
    for call, messages in calls.items():
        for altered in alterations(call, messages):
            ingest = scene.node()
            report = ask(ingest, lambda done=altered: scene.peer(apply(done)))  # type: ignore[misc]
            log = ingest.store.log(ORIGIN)
            whole = log.head_size == scene.log.size and not log.missing_bodies

            # Who leaves a head out of a list withholds it: the next peer shows it.
            assert whole or blamed_peers(report) or call == "ListHeads", altered.what
            check_harmless(ingest, scene.log, report)


def test_every_message_of_a_push() -> None:
    """Who pushes is told, a true prefix stays, and the next push brings the rest."""
    scene = Scene(with_bodies=True)
    messages = scene.recorded()["ReadLog"]
    for altered in alterations("PushLog", messages):
        ingest = scene.node()
        incoming = ingest.incoming(ORIGIN, "liar")
        fault: ShahrdadError | None = None
        try:
            for part in _parts(altered.messages):
                incoming.take(part)
                if not incoming.wanted:
                    break
            incoming.end()
        except ShahrdadError as error:
            fault = error
        finally:
            incoming.keep()

        if isinstance(fault, PeerError):
            assert "liar" == fault.values["peer"], altered.what
        check_harmless(ingest, scene.log, SyncReport(""))


def _parts(messages: Sequence[bytes]) -> Iterator[LogStart | LogChunk]:
    """Yield what a server reads of pushed messages, up to one that it cannot read.

    The fields of PushLog are those of ReadLog.
    """
    for content in messages:
        try:
            yield wire.part_from_wire(pb.PushLogRequest.FromString(content))
        except (DecodeError, PeerError):
            return


def test_every_byte_of_a_checkpoint_that_a_witness_is_asked_about() -> None:
    """It signs what extends its record, or nothing."""
    scene = Scene(with_bodies=True)
    log = scene.log
    sent = pb.AddCheckpointRequest(
        old_size=5, proof=log.proof(5, log.size), checkpoint=log.note()
    ).SerializeToString()
    for what, content in bytewise(sent):
        ingest = new_ingest(log)
        witness = Witness(ingest.store, ingest.keys, WITNESS, clock=Clock())
        witness.add_checkpoint(0, (), log.note(5))
        try:
            request = pb.AddCheckpointRequest.FromString(content)
            proof = wire.proof_from_wire(request.proof)
            witness.add_checkpoint(request.old_size, proof, request.checkpoint)
        except (DecodeError, ShahrdadError):
            pass
        recorded = ingest.store.witnessed(ORIGIN)

        assert recorded is not None
        assert recorded.size in {5, log.size}, what
        assert log.root(recorded.size) == recorded.root, what


def test_every_byte_of_a_cosignature_that_comes_back() -> None:
    """A line that does not verify is refused with the peer's name, and never kept."""
    log = filled(5)
    signed = WITNESS.sign(log.checkpoint().text(), seconds=Clock()())
    line = signed.line().encode()
    whole = new_ingest(log, witnesses=[WITNESS], quorum=1)
    whole.pull(SimPeer("city", [log]), ORIGIN)
    assert push.merge(whole, ORIGIN, line, "honest")
    for what, content in bytewise(line):
        ingest = new_ingest(log, witnesses=[WITNESS], quorum=1)
        ingest.pull(SimPeer("city", [log]), ORIGIN)
        before = ingest.store.log(ORIGIN).checkpoint
        fault: ShahrdadError | None = None
        try:
            push.merge(ingest, ORIGIN, content, "liar")
        except PeerError as error:
            fault = error
        held = ingest.store.log(ORIGIN)

        assert fault is None or "liar" == fault.values["peer"], what
        assert held.checkpoint in {before, whole.store.log(ORIGIN).checkpoint}, what
        assert (held.confirmed is not None) == (held.checkpoint != before), what


def test_every_byte_of_a_receipt() -> None:
    """It proves the entry that it was made for, or nothing."""
    log = filled(5)
    city = new_ingest(log)
    city.pull(SimPeer("city", [log]), ORIGIN)
    made = city.store.receipt(ORIGIN, 2)
    for what, content in bytewise(made):
        try:
            verdict = receipt.verify(content, verifiers=[log.signer.verifier])
        except PeerError:
            continue
        assert not verdict or (verdict.index, verdict.entry.raw) == (2, log.raws[2]), (
            what
        )


def test_every_byte_of_evidence() -> None:
    """Only what still shows two histories quarantines a log; else the peer is named."""
    log = filled(5)
    twin = log.fork(3)
    twin.fill(4, start=70)
    city = new_ingest(log)
    city.pull(SimPeer("city", [log]), ORIGIN)
    report = ask(city, lambda: SimPeer("liar", [twin]))
    assert [ORIGIN] == report.quarantined
    evidence = city.store.log(ORIGIN).evidence
    assert evidence is not None
    for what, content in bytewise(evidence):
        ingest = new_ingest(log)
        ingest.pull(SimPeer("city", [log]), ORIGIN)
        log.evidence = content
        report = ask(ingest, lambda: SimPeer("liar", [log]))
        held = ingest.store.log(ORIGIN)
        if held.status is Status.QUARANTINED:
            ingest.forks.judge(ORIGIN, held.evidence or b"")
        else:
            assert not content or {"liar"} == blamed_peers(report), what


def mirrored(log: SimLog) -> dict[str, bytes]:
    """Return the files of a static mirror of a log."""
    source = new_ingest(log, witnesses=[WITNESS], quorum=1)
    source.pull(SimPeer("city", [log]), ORIGIN)
    files = MemoryFiles()
    StaticMirror(files).write_log(source.store, ORIGIN)
    return files.files


def test_every_static_file() -> None:
    """Each file is absent, cut, changed, or another one: the mirror is named, or heals.

    What `heads` says is a hint: a mirror that hides a log withholds, and no more.
    """
    scene = Scene(with_bodies=True)
    files = mirrored(scene.log)
    heads = str(MirrorPath.heads())

    assert {"checkpoint", "entries", "heads", "body"} <= {
        part for name in files for part in name.split("/")
    }
    for name, others in zip(files, [*list(files)[1:], heads], strict=True):
        wrong = [("absent", None), ("another file", files[others])]
        for what, content in [*wrong, *bytewise(files[name])]:
            served = {key: text for key, text in files.items() if key != name}
            if content is not None:
                served[name] = content
            ingest = scene.node()
            peer = StaticReader(MemoryFiles(served), "liar")
            report = ask(ingest, lambda reader=peer: reader)  # type: ignore[misc]
            log = ingest.store.log(ORIGIN)
            whole = log.head_size == scene.log.size and not log.missing_bodies
            hidden = not any(one.heads for one in report.peers)
            lacking = name.startswith("body/") and log.head_size == scene.log.size

            assert whole or hidden or lacking or blamed_peers(report), (name, what)
            check_harmless(ingest, scene.log, report)


def test_every_byte_of_a_bundle(tmp_path: Path) -> None:
    """The ZIP is refused as a whole, or what it brings is true."""
    log = filled(8)
    city = mirror(tmp_path / "city.db", log)
    export_bundle(city.store, {ORIGIN: 0}, tmp_path / "logs.zip")
    path = tmp_path / "damaged.zip"
    for what, content in bytewise((tmp_path / "logs.zip").read_bytes()):
        path.write_bytes(content)
        ingest = Ingest(new_ingest(log).store, keys_of([log]), clock=Clock())
        report = SyncReport("")
        fault = ""
        try:
            reader = open_bundle([path])
        except PeerError as error:
            fault = str(error.values.get("peer", path))
        else:
            report = ask(ingest, _named_liar(reader))
        check_harmless(ingest, log, report)

        assert fault in {"", str(path)}, what


def _named_liar(reader: StaticReader) -> Callable[[], LogReader]:
    """Return a bundle as the peer that the checks name."""
    reader._name = "liar"
    return lambda: reader


def test_prefix_check_sees_what_is_wrong() -> None:
    """The check of these tests fails where something wrong is held."""
    log = filled(4)
    ingest = new_ingest(log)
    ingest.pull(SimPeer("city", [log]), ORIGIN)
    connection = ingest.store._connect()
    connection.execute("UPDATE entry SET raw=x'00' WHERE idx=2")

    with pytest.raises(AssertionError):
        check_prefix(ingest, log)
