"""Vectors of others, and our own worked example: every format, byte for byte."""

import base64
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from shahrdad.datasets.errors import PeerError
from shahrdad.federation.mirror_files import FolderFiles
from shahrdad.federation.reader import BodyMode, LogChunk, LogStart
from shahrdad.federation.static_reader import StaticReader
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import evidence, policy, receipt, strict_json, tree
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import leaf_hash
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.note import (
    Kind,
    Signer,
    Verifier,
    ed25519_verify,
    join,
    open_note,
)
from shahrdad.federation.verify.receipt import Outcome, StepName
from shahrdad.federation.verify.state import LiveEntry, apply, state_digest
from shahrdad.federation.verify.tile import layout, tile_number, tile_path
from shahrdad.federation.verify.tree import Frontier
from shared_data import SHARED

ORIGIN = "kerman.example.ir/catalog"
VECTORS = Path(os.environ.get("SHAHRDAD_VECTORS", SHARED / "vectors"))

pytestmark = pytest.mark.skipif(
    not VECTORS.is_dir(), reason=f"vectors folder absent: {VECTORS}"
)


@cache
def worked() -> dict[str, Any]:
    """Return the worked example."""
    found: dict[str, Any] = json.loads(
        (VECTORS / "worked/worked.json").read_text("utf-8")
    )
    return found


def raws() -> list[bytes]:
    """Return the five entries."""
    return [row["entry"].encode() for row in worked()["entries"]]


def verifiers() -> list[Verifier]:
    """Return all keys of the example."""
    return [Verifier.parse(key["vkey"]) for key in worked()["keys"].values()]


def reader(entries: list[bytes]) -> tree.ReadHash:
    """Return the hashes of a small log, computed without tiles."""

    def read(height: int, n: int) -> bytes:
        frontier = Frontier()
        frontier.extend(
            leaf_hash(raw) for raw in entries[n << height : (n + 1) << height]
        )
        return frontier.root()

    return read


def merkle_cases(suite: str) -> list[dict[str, Any]]:
    """Return the cases of a suite of transparency-dev/merkle."""
    files = sorted((VECTORS / "merkle" / suite).rglob("*.json"))
    return [json.loads(file.read_text("utf-8")) for file in files]


def unbase64(value: str | None) -> bytes:
    """Return bytes; null stands for none."""
    return base64.b64decode(value or "")


def refused(check: Any, *arguments: Any) -> bool:
    """Return whether a check refuses."""
    try:
        check(*arguments)
    except PeerError:
        return True
    return False


def test_inclusion_vectors() -> None:
    """A proof is refused exactly when the vectors of transparency-dev want it."""
    cases = merkle_cases("inclusion")

    assert 98 == len(cases)
    for case in cases:
        actual = refused(
            tree.verify_inclusion,
            case["leafIdx"],
            case["treeSize"],
            unbase64(case["leafHash"]),
            unbase64(case["root"]),
            [unbase64(node) for node in case["proof"] or []],
        )
        assert case["wantErr"] == actual, case["desc"]


def test_consistency_vectors() -> None:
    """A proof is refused exactly when the vectors want it; size 0 always is."""
    cases = merkle_cases("consistency")

    assert 98 == len(cases)
    for case in cases:
        actual = refused(
            tree.verify_consistency,
            case["size1"],
            case["size2"],
            unbase64(case["root1"]),
            unbase64(case["root2"]),
            [unbase64(node) for node in case["proof"] or []],
        )
        assert case["wantErr"] == actual, case["desc"]
        assert actual or case["size1"]


def test_canonical_json_vectors() -> None:
    """JCS of each input is the output, byte for byte."""
    inputs = sorted((VECTORS / "jcs/input").glob("*.json"))

    assert 6 == len(inputs)
    for file in inputs:
        output = (VECTORS / "jcs/output" / file.name).read_bytes()
        hexadecimal = (VECTORS / "jcs/outhex" / f"{file.stem}.txt").read_text("ascii")
        assert output == bytes.fromhex(hexadecimal)
        assert output == strict_json.canonical(json.loads(file.read_text("utf-8")))


def test_ed25519_vectors() -> None:
    """Wycheproof: valid signatures are accepted, invalid ones refused."""
    suite = json.loads((VECTORS / "wycheproof/ed25519_test.json").read_text("utf-8"))
    counts = {"valid": 0, "invalid": 0}
    for group in suite["testGroups"]:
        key = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            counts[case["result"]] += 1
            accepted = ed25519_verify(
                key, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
            )
            assert (case["result"] == "valid") is accepted, case["tcId"]

    assert {"valid": 88, "invalid": 63} == counts


def test_keys() -> None:
    """A seed gives the public key, its key id and its vkey text."""
    keys = worked()["keys"]

    assert 8 == len(keys)
    for name, key in keys.items():
        seed = bytes.fromhex(key["seed"])
        assert Digest.of(f"shahrdad worked example: {name}".encode()).raw == seed
        signer = Signer.from_seed(name, seed, Kind(key["type"]))
        assert key["vkey"] == signer.vkey
        assert key["key_id"] == signer.verifier.key_id.hex()
        assert signer.verifier == Verifier.parse(key["vkey"])


def test_bodies() -> None:
    """Each body parses, is canonical, and is the one that an entry names."""
    named = {
        entry.sha256: entry.bytes
        for entry in grow(Frontier(), raws(), ORIGIN).entries
        if entry and entry.op == "put"
    }
    bodies = [text.encode() for text in worked()["bodies"]]

    assert 3 == len(bodies)
    assert named == {Digest.of(body): len(body) for body in bodies}
    for body in bodies:
        parsed = strict_json.loads(body, bytes_max=1_048_576)
        assert body == strict_json.canonical(parsed)


def test_entries() -> None:
    """Leaf hashes are those of the exact bytes; the frontier gives each root."""
    frontier = Frontier()
    rows = worked()["entries"]

    assert 5 == len(rows)
    assert worked()["empty_root"] == frontier.root().hex()
    for row in rows:
        raw = row["entry"].encode()
        assert row["leaf_hash"] == leaf_hash(raw).hex()
        frontier.append(leaf_hash(raw))
        assert row["root_after"] == frontier.root().hex()
        assert raw == strict_json.canonical(json.loads(raw))


def test_states() -> None:
    """Live keys and state digest are equal in every implementation, at each size."""
    live: dict[str, LiveEntry] = {}
    for entry in grow(Frontier(), raws(), ORIGIN).entries:
        assert entry is not None
        apply(live, entry)
        size = str(entry.index + 1)
        expected = worked()["live_after"][size]
        assert expected == {key: at.index for key, at in live.items()}
        assert worked()["state_digest"][size] == str(state_digest(live))


def test_consistency_proofs() -> None:
    """The prover makes exactly these hashes; the verifier takes no change of them."""
    rows = worked()["consistency"]
    read = reader(raws())

    assert 15 == len(rows)
    for row in rows:
        old, new = row["from"], row["to"]
        proof = tree.consistency_proof(old, new, read)
        assert row["proof"] == [node.hex() for node in proof]
        roots = tree.root_at(old, read), tree.root_at(new, read)
        tree.verify_consistency(old, new, *roots, proof)
        for at in range(len(proof)):
            changed = list(proof)
            changed[at] = bytes([changed[at][0] ^ 1]) + changed[at][1:]
            assert refused(tree.verify_consistency, old, new, *roots, changed)


def test_inclusion_proofs() -> None:
    """The same for inclusion."""
    rows = worked()["inclusion"]
    read = reader(raws())

    assert 15 == len(rows)
    for row in rows:
        index, size = row["index"], row["size"]
        proof = tree.inclusion_proof(index, size, read)
        assert row["proof"] == [node.hex() for node in proof]
        leaf, root = leaf_hash(raws()[index]), tree.root_at(size, read)
        tree.verify_inclusion(index, size, leaf, root, proof)
        for at in range(len(proof)):
            changed = list(proof)
            changed[at] = bytes([changed[at][0] ^ 1]) + changed[at][1:]
            assert refused(tree.verify_inclusion, index, size, leaf, root, changed)


@pytest.mark.parametrize(
    ("size", "witnesses"),
    [
        (3, [("shiraz.example.ir/witness", 1_795_250_100)]),
        (
            5,
            [
                ("shiraz.example.ir/witness", 1_795_428_300),
                ("mashhad.example.ir/witness", 1_795_428_360),
            ],
        ),
    ],
)
def test_checkpoints(size: int, witnesses: list[tuple[str, int]]) -> None:
    """Signing again gives the same bytes, the cosignatures too."""
    note = worked()[f"checkpoint_{size}"].encode()
    head, opened = checkpoints.open_checkpoint(note, verifiers())

    assert (ORIGIN, size) == (head.origin, head.size)
    assert worked()["entries"][size - 1]["root_after"] == head.root.hex()
    assert dict(witnesses) == checkpoints.cosignature_times(opened)
    keys = worked()["keys"]
    lines = [_signer(keys, ORIGIN).sign(head.text())]
    lines += [
        _signer(keys, name).sign(head.text(), seconds=seconds)
        for name, seconds in witnesses
    ]
    assert note == join(head.text(), lines)


def _signer(keys: dict[str, Any], name: str) -> Signer:
    """Return a key of the example."""
    key = keys[name]
    return Signer.from_seed(name, bytes.fromhex(key["seed"]), Kind(key["type"]))


def test_receipt() -> None:
    """It verifies alone: body, inclusion, signature, and a quorum of two witnesses."""
    text = worked()["receipt"].encode()
    parsed = receipt.parse(text)
    logs = [key for key in verifiers() if key.name == ORIGIN]
    named = {key.name: key for key in verifiers() if key.kind is Kind.WITNESS}
    rules = policy.Policy.of(logs, named, 2)

    verdict = receipt.verify(text, policy=rules, body=worked()["bodies"][2].encode())

    assert (3, raws()[3]) == (parsed.index, parsed.entry)
    assert 5 == verdict.checkpoint.size
    assert verdict
    assert verdict.anchored
    assert 2 == len(verdict.cosigned)
    assert Outcome.HOLDS is verdict.outcome(StepName.BODY)
    proof = tree.inclusion_proof(3, 5, reader(raws()))
    assert text == receipt.make(raws()[3], 3, proof, worked()["checkpoint_5"].encode())


def test_evidence() -> None:
    """Three hold, and one is the history of an honest log."""
    rows = worked()["evidence"]
    keys = evidence.OriginKeys([key for key in verifiers() if key.name == ORIGIN])

    assert [True, True, True, False] == [row["valid"] for row in rows]
    for row in rows:
        actual = refused(evidence.verify, row["text"].encode(), lambda _: keys)
        assert row["valid"] is not actual, row["name"]


def test_approved_notes() -> None:
    """Two of three approvers signed each; one alone is another note."""
    approvers = [key for key in verifiers() if key.name.endswith("/approver")]
    rows = worked()["approved"]

    assert (2, 3) == (len(rows), len(approvers))
    for row in rows:
        opened = open_note(row["note"].encode(), approvers)
        assert row["signers"] == len(opened.signatures)
        first, body, end = opened.text.split("\n")
        assert first in ("shahrdad/rules@v1", "shahrdad/member@v1")
        assert ("", body.encode()) == (end, strict_json.canonical(json.loads(body)))
        alone = [key for key in approvers if key.name == opened.signatures[0].name]
        assert 1 == len(open_note(row["note"].encode(), alone).signatures)


def test_tile_paths() -> None:
    """A tile number becomes groups of three digits."""
    assert 6 == len(worked()["tile_paths"])
    for number, path in worked()["tile_paths"].items():
        assert path == tile_number(int(number))


def test_layouts() -> None:
    """Which tiles a size has, level by level."""
    rows = worked()["layout"]

    assert 12 == len(rows)
    for row in rows:
        size, levels = row["size"], row["levels"]
        # A level-3 hash spans 2^24 entries; so every level grew since that many before.
        spans = list(layout(size, max(0, size - 2**24)))
        for level in levels:
            last = [span for span in spans if span.level == level["level"]][-1]
            full = last.width == 256
            assert level["full_tiles"] == last.number + full
            path = tile_path(*last)
            assert path == (level["last_full"] if full else level["partial"])
        assert {level["level"] for level in levels} == {span.level for span in spans}


def test_static_mirror_reads_to_the_same_state() -> None:
    """Entries, proofs and bodies of the files end at the state digest of size 5."""
    static = StaticReader(FolderFiles(VECTORS / "worked/static"), "worked")
    (head,) = static.list_heads().heads
    assert (ORIGIN, 5) == (head.origin, head.size)
    parts = list(static.read_log(ORIGIN, 0, BodyMode.ALL))
    start, chunk = parts
    assert isinstance(start, LogStart)
    assert isinstance(chunk, LogChunk)

    growth = grow(Frontier(), chunk.entries, ORIGIN)
    live: dict[str, LiveEntry] = {}
    for entry in growth.entries:
        assert entry is not None
        apply(live, entry)

    checkpoint, _ = checkpoints.open_checkpoint(start.head.checkpoint, verifiers())
    assert checkpoint.root == growth.frontier.root()
    assert worked()["state_digest"]["5"] == str(state_digest(live))
    assert worked()["bodies"] == [body.content.decode() for body in chunk.bodies]
    for old in range(1, 6):
        answer = static.consistency_proof(ORIGIN, old, 5)
        tree.verify_consistency(old, 5, answer.from_root, answer.to_root, answer.proof)
        assert checkpoint.root == answer.to_root
