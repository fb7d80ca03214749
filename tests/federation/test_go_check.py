"""An implementation that we did not write reads the static logs that we write."""

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from log_world import ORIGIN, SECONDS, World, make_signer
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.note import Kind, join
from shahrdad.federation.verify.tile import MirrorPath

SOURCE = Path(__file__).parent.parent / "go" / "check.go"
MODULES = Path("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog")
SIZES = [1, 255, 256, 257, 1_000]
LONG_SIZES = [70_000] if os.environ.get("SHAHRDAD_LONG") == "1" else []

pytestmark = [
    pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed"),
    pytest.mark.skipif(
        not MODULES.is_dir(), reason="golang-golang-x-mod-dev is not installed"
    ),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the checker, built against the system's own Go packages."""
    folder = tmp_path_factory.mktemp("go")
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOFLAGS": "",
        "GOCACHE": str(folder / "cache"),
    }
    binary = folder / "check"
    run = subprocess.run(
        ["go", "build", "-o", binary, SOURCE],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert 0 == run.returncode, run.stderr
    return binary


def write_log(root: Path, size: int) -> list[str]:
    """Write a static log of some size, an older checkpoint and a receipt.

    Returns:
        The arguments of the checker.
    """
    world = World(root / "kerman")
    world.store.ensure_log(ORIGIN, own=True)
    time = "2026-11-22T09:00:00Z"
    digest = Digest.of(b"{}")
    raws = [entries.genesis(ORIGIN, "shahrdad/test", time=time)]
    put = partial(entries.put, prev=None, digest=digest, size=2, time=time)
    raws += [put(f"ds/table-{number}") for number in range(1, size)]
    for start in range(0, size, 256):
        growth = grow(world.store.frontier(ORIGIN), raws[start : start + 256], ORIGIN)
        world.store.append(growth, {digest: b"{}"})
    witness = make_signer("shiraz.example.ir/witness", Kind.WITNESS)
    head = Checkpoint(ORIGIN, size, world.store.root_at(ORIGIN, size))
    text = head.text()
    lines = [world.signer.sign(text), witness.sign(text, seconds=SECONDS)]
    world.store.put_head(ORIGIN, join(text, lines), seconds=SECONDS)
    world.mirror.write_log(world.store, ORIGIN)

    older = max(1, size * 2 // 3)
    old = Checkpoint(ORIGIN, older, world.store.root_at(ORIGIN, older)).text()
    (root / "old").write_bytes(join(old, [world.signer.sign(old)]))
    (root / "receipt").write_bytes(world.store.receipt(ORIGIN, size // 2))
    folder = world.files.root / Path(str(MirrorPath.checkpoint(ORIGIN))).parent
    return [
        str(folder),
        world.signer.vkey,
        str(root / "old"),
        str(root / "receipt"),
        witness.vkey,
    ]


def check(program: Path, arguments: list[str]) -> tuple[int, str]:
    """Run the checker: its exit code and what it said."""
    run = subprocess.run([program, *arguments], capture_output=True, text=True)
    return run.returncode, run.stdout.strip()


@pytest.mark.parametrize("size", [*SIZES, *LONG_SIZES])
def test_go_accepts_our_log(program: Path, tmp_path: Path, size: int) -> None:
    """Signatures, root, every entry, consistency and the receipt's inclusion hold."""
    assert (0, str(size)) == check(program, write_log(tmp_path, size))


@pytest.mark.parametrize(
    "pattern",
    [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/1",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/1",
    ],
)
def test_go_refuses_a_changed_file(program: Path, tmp_path: Path, pattern: str) -> None:
    """One changed bit in any file of the log is found."""
    arguments = write_log(tmp_path, 257)
    file = Path(arguments[0]) / pattern
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    code, said = check(program, arguments)

    assert 1 == code, said
    assert "257" != said


def test_go_refuses_another_history(program: Path, tmp_path: Path) -> None:
    """An older checkpoint with another root is not consistent with the log."""
    arguments = write_log(tmp_path, 257)
    signer = make_signer(ORIGIN)
    text = Checkpoint(ORIGIN, 100, bytes(32)).text()
    Path(arguments[2]).write_bytes(join(text, [signer.sign(text)]))

    assert 1 == check(program, arguments)[0]


def test_go_refuses_a_receipt_of_another_index(program: Path, tmp_path: Path) -> None:
    """The place of an entry is part of what a receipt proves."""
    arguments = write_log(tmp_path, 257)
    receipt = Path(arguments[3])
    content = receipt.read_bytes()
    assert checkpoints.peek(content.partition(b"\n\n")[2]).size == 257
    receipt.write_bytes(content.replace(b"\nindex 128\n", b"\nindex 129\n"))

    assert 1 == check(program, arguments)[0]
