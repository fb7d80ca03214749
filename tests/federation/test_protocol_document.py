"""Every byte of the worked example in docs/protocol.md is what the code makes."""

import re
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest

from shahrdad.federation.month_roots import LogRoot, MonthRoots, groups, read
from shahrdad.federation.verify import receipt, tree
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import leaf_hash
from shahrdad.federation.verify.growth import Growth, grow
from shahrdad.federation.verify.note import Kind, Signer, join
from shahrdad.federation.verify.state import LiveEntry, apply, state_digest
from shahrdad.federation.verify.tile import MirrorPath, layout

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol.md"
ORIGIN = "kerman.example.ir/catalog"
LINES_MAX = 400


@cache
def text() -> str:
    """Return the document."""
    return DOCUMENT.read_text("utf-8")


@cache
def blocks() -> tuple[str, ...]:
    """Return the code blocks of the worked example, in order."""
    _, _, example = text().partition("## 19 Worked example")
    return tuple(re.findall(r"```\w*\n(.*?)```", example, re.DOTALL))


@cache
def example() -> Growth:
    """Return the three entries, as they stand in the document."""
    raws = [line.encode() for line in blocks()[0].splitlines()]
    return grow(tree.Frontier(), raws, ORIGIN)


def short(value: bytes) -> str:
    """Return a hash as the table shows it."""
    return f"`{value.hex()[:8]}…{value.hex()[-6:]}`"


@cache
def note() -> bytes:
    """Return the checkpoint of the three entries."""
    signer = Signer.from_seed(ORIGIN, bytes(32), Kind.LOG)
    signed = Checkpoint(ORIGIN, 3, example().frontier.root()).text()
    return join(signed, [signer.sign(signed)])


def test_document_is_short() -> None:
    """A stranger reads it in one sitting."""
    assert len(text().splitlines()) <= LINES_MAX


def test_entries_are_applied_as_they_stand() -> None:
    """Their lengths are those that the text says, and none is refused."""
    assert [117, 170, 100] == [len(raw) for raw in example().raws]
    assert () == example().refused


@pytest.mark.parametrize("size", [1, 2, 3])
def test_table_of_hashes(size: int) -> None:
    """Leaf, root and state digest at each size."""
    raws = example().raws[:size]
    live: dict[str, LiveEntry] = {}
    for entry in example().entries[:size]:
        assert entry is not None
        apply(live, entry)
    root = grow(tree.Frontier(), raws, ORIGIN).frontier.root()
    cells = [leaf_hash(raws[-1]), root, state_digest(live).raw]
    row = f"| {size} | " + " | ".join(map(short, cells)) + " |"

    assert row in text()


def test_checkpoint() -> None:
    """Text, blank line and signature, to the last byte."""
    assert note().decode() == blocks()[1]


def test_receipt() -> None:
    """The lines before the checkpoint, to the last byte."""
    leaves = example().leaves
    made = receipt.make(example().raws[1], 1, [leaves[0], leaves[2]], note())

    assert made.decode() == f"{blocks()[2]}\n{blocks()[1]}"


def test_roots_of_a_month() -> None:
    """The line of the member log, and the digits of the minutes."""
    content = blocks()[3].rstrip("\n").encode()
    root = example().frontier.root().hex()
    logs = (LogRoot(ORIGIN, 3, root),)

    assert MonthRoots("forum.example.ir/members", "1405-08", logs) == read(content)
    assert [("roots/1405-08", content)] == read(content).bodies()
    assert sha256(content).hexdigest() == "".join(blocks()[4].split())
    assert groups(Digest.of(content)) == blocks()[4].strip()


def test_paths_of_the_static_mirror() -> None:
    """The worked tile numbers and widths."""
    paths = {
        str(MirrorPath.tile("o", span.level, span.number, span.width)).split("/tile/")[
            1
        ]
        for span in layout(70_000)
    }
    named = ["0/000", "0/272", "0/273.p/112", "1/000", "1/001.p/17", "2/000.p/1"]

    assert set(named) <= paths
    assert 276 + 1 == len(paths)
    assert str(MirrorPath.tile("o", 0, 1_234_067, 256)).endswith("x001/x234/067")
    assert "x001/x234/067" in text()
