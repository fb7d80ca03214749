"""`shahrdad month`: the forum closes, everybody verifies, a changed past is found."""

import json
from pathlib import Path
from typing import Any

import pytest

from federated_nodes import changed
from forum_world import FORUM, approver
from shahrdad.datasets.errors import ConflictError, PeerError, Reason, RequestError
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.verify import receipt
from shahrdad.federation.verify.note import Verifier
from shahrdad.node.city import Node, create_node
from shahrdad.node.commands import month as commands
from shahrdad.node.config import Config, LogSection, TrustSection, load
from shahrdad.node.config_file import render
from shahrdad.node.console import Common
from shahrdad.node.demonstration.world import Place, configuration, free_ports
from simulator import SimLog, SimPeer

ORIGIN = "kerman.example.ir/catalog"
MONTH = "1404-01"  # 2025-03-21 to 2025-04-20


def the_log() -> SimLog:
    """Return a city's log with entries of that month, and one of the next."""
    log = SimLog(ORIGIN)
    log.put("ds/a", b"a", time="2025-03-25T00:00:00Z")
    log.put("ds/b", b"b", time="2025-04-20T20:29:59Z")
    log.put("ds/c", b"c", time="2025-04-20T20:30:00Z")
    return log


class World:
    """The forum's node, which holds a city's log."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        place = Place("tehran", folder / "forum", *free_ports(2))
        place.folder.mkdir()
        self.log = the_log()
        config = changed(
            configuration(place),
            origin=FORUM,
            logs=(LogSection(ORIGIN, "kerman", (self.log.signer.vkey,)),),
        )
        place.file.write_text(render(config), "utf-8")
        self.vkey = create_node(place.file)
        trust = TrustSection(FORUM, self.vkey, (approver("qom").vkey,), 1)
        place.file.write_text(render(changed(config, trust=trust)), "utf-8")
        self.config: Config = load(place.file)
        self.common = Common(config=place.file, json=True, quiet=True)
        self._capsys = capsys
        with Node(self.config) as node:
            ingest = Ingest(node.logs, node.keys)
            ingest.pull(SimPeer("kerman", [self.log]), ORIGIN)

    def told(self) -> Any:
        """Return what the last command printed as JSON."""
        return json.loads(self._capsys.readouterr().out)

    def close(self, month: str = MONTH) -> Any:
        """Close a month."""
        commands.close(month, offline=True, common=self.common)
        return self.told()

    def verify(self, *months: str, digest: str | None = None) -> Any:
        """Verify months."""
        commands.verify(*months, digest=digest, common=self.common)
        return self.told()


@pytest.fixture
def world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> World:
    """Make the forum's node."""
    return World(tmp_path, capsys)


def test_month_is_closed_verified_and_shown(world: World, tmp_path: Path) -> None:
    """The roots are in the member log, agree with the entries, and have a proof."""
    closed = world.close()
    (verified,) = world.verify()
    file = tmp_path / "1404-01.json"
    commands.show(MONTH, output=file, common=world.common)
    found = world.told()
    checked = receipt.verify(
        Path(found["receipt"]).read_bytes(),
        verifiers=[Verifier.parse(world.vkey)],
        body=file.read_bytes(),
    )

    assert (1, 1) == (closed["logs"], verified["same"])
    assert [] == verified["differs"] + verified["not_held"]
    assert closed["sha256"] == verified["sha256"]
    assert checked.checkpoint.origin == FORUM
    assert [{"origin": ORIGIN, "root": world.log.root(3).hex(), "size": 3}] == (
        json.loads(file.read_bytes())["logs"]
    )


def test_closing_again_changes_nothing(world: World) -> None:
    """The same month gives the same bytes, and no second entry."""
    assert world.close() == world.close()


def test_closed_month_is_not_rewritten(world: World) -> None:
    """When the past looks different now, the published roots stay."""
    world.close()
    with Node(world.config) as node:
        other = SimLog("qom.example.ir/catalog")
        entry = other.raws[0].replace(b"2026-11-22", b"2025-03-30")
        other.raws[0] = entry
        section = (
            *world.config.federation.logs,
            LogSection(other.origin, "qom", (other.signer.vkey,)),
        )
        late = changed(world.config, logs=section)
        node.config.folder.joinpath("shahrdad.toml").write_text(render(late), "utf-8")
    with Node(load(world.config.folder / "shahrdad.toml")) as node:
        Ingest(node.logs, node.keys).pull(SimPeer("qom", [other]), other.origin)
    with pytest.raises(ConflictError) as caught:
        world.close()

    assert Reason.MONTH_CLOSED is caught.value.reason


def test_changed_past_entry_fails(world: World) -> None:
    """One byte of an old entry, changed on this disk, contradicts the month."""
    world.close()
    with Node(world.config) as node:
        changed_entry = world.log.raws[1].replace(b"ds/a", b"ds/z")
        node.database.connect().execute(
            "UPDATE entry SET raw=? WHERE raw=?", (changed_entry, world.log.raws[1])
        )
    with pytest.raises(PeerError) as caught:
        world.verify(MONTH)

    assert Reason.MONTH_DIFFERS is caught.value.reason
    assert ORIGIN == caught.value.values["origins"]


def test_digits_of_the_minutes_are_compared(world: World) -> None:
    """What stands on paper decides, however it was typed."""
    digest = world.close()["sha256"]
    spaced = " ".join(digest[at : at + 8] for at in range(0, 64, 8)).upper()
    world.verify(MONTH, digest=spaced)
    with pytest.raises(PeerError) as caught:
        world.verify(MONTH, digest="0" * 64)

    assert Reason.DIGEST_MISMATCH is caught.value.reason


@pytest.mark.parametrize(
    ("month", "reason"),
    [("1498-12", Reason.MONTH_NOT_OVER), ("1404-13", Reason.MONTH_UNKNOWN)],
)
def test_month_that_cannot_be_closed(world: World, month: str, reason: Reason) -> None:
    """A month that is not over, or is none, is not closed."""
    with pytest.raises(RequestError) as caught:
        world.close(month)

    assert reason is caught.value.reason


def test_month_that_nobody_closed(world: World) -> None:
    """It is said, with what to do."""
    with pytest.raises(RequestError) as caught:
        world.verify("1404-02")

    assert Reason.MONTH_NOT_CLOSED is caught.value.reason
