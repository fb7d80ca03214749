"""Nodes among each other: witnesses, receipts, bundles, held logs, pushes."""

import json
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from federated_nodes import changed, listening, make_cities, opened
from node_world import put_record
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.log.schema import Status
from shahrdad.federation.static_mirror import StaticMirror
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import receipt as receipts
from shahrdad.node.accounts.moments import present, stamp
from shahrdad.node.city import Node
from shahrdad.node.commands import bundle as bundle_commands
from shahrdad.node.commands import federation as commands
from shahrdad.node.config import Config
from shahrdad.node.config_file import render
from shahrdad.node.console import Common
from shahrdad.node.peering.clocks import clocks_ahead
from shahrdad.node.peering.network import federation_status
from shahrdad.node.peering.peers import known_peers
from shahrdad.node.peering.rounds import RoundReport, follow_peers, run_round
from shahrdad.node.peering.trust import policy_of

KERMAN = "kerman.example/catalog"


def saved(config: Config) -> Common:
    """Write a configuration back, and return the options of a command that reads it."""
    file = config.folder / "shahrdad.toml"
    file.write_text(render(config), "utf-8")
    return Common(config=file, json=True, lang="en")


def log_of(node: Node, origin: str = KERMAN) -> dict[str, object]:
    """Return what a node says of a log."""
    logs = federation_status(node)["logs"]
    found: dict[str, object] = next(log for log in logs if log["origin"] == origin)
    return found


def test_witness_key_is_another_file_that_only_the_owner_reads(tmp_path: Path) -> None:
    """A node's two keys are apart, and each is announced by its public half."""
    config = make_cities(tmp_path, ("kerman", "shiraz"))["kerman"]
    with Node(config) as node:
        keys = [config.data / name for name in ("signing.key", "witness.key")]
        modes = {stat.S_IMODE(path.stat().st_mode) for path in keys}
        vkeys = [node.vkey, node.witness_vkey]

    assert {0o600} == modes
    assert keys[0].read_text() != keys[1].read_text()
    assert [KERMAN, "kerman.example/witness"] == [
        str(vkey).partition("+")[0] for vkey in vkeys
    ]


def test_two_other_cities_confirm_a_head(tmp_path: Path) -> None:
    """Rounds carry cosignatures home: status, receipt and static mirror have them."""
    configs = make_cities(tmp_path)
    with opened(*configs.values()) as (kerman, shiraz, mashhad):
        put_record(kerman, "budget-1404", "بودجه")
        before = log_of(kerman)["state"]
        with listening(kerman, shiraz, mashhad):
            for node in (shiraz, mashhad):
                assert run_round(node).sync.ok
            run_round(kerman)
        status = log_of(kerman)
        receipt = kerman.receipt("kerman/budget-1404", 1)
        policy = policy_of(kerman.keys)
        on_mirror = StaticMirror(kerman.store).checkpoint(KERMAN)
        at_shiraz = StaticMirror(shiraz.store).checkpoint(KERMAN)

    verdict = receipts.verify(receipt, policy=policy)
    assert ("signed", "confirmed", 2) == (
        before,
        status["state"],
        status["cosignatures"],
    )
    assert verdict.anchored
    assert ["mashhad.example/witness", "shiraz.example/witness"] == sorted(
        checkpoints.stored_cosignature_times(on_mirror or b"")
    )
    assert at_shiraz is not None


def test_old_cosignatures_are_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the hours of the configuration a silent witness shows."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    with opened(*configs.values()) as (kerman, shiraz):
        put_record(kerman, "budget-1404")
        with listening(kerman, shiraz):
            run_round(shiraz)
            run_round(kerman)
        fresh = log_of(kerman)["state"]
        later = time.time() + 49 * 3_600
        monkeypatch.setattr("shahrdad.node.peering.network.time.time", lambda: later)
        states = (fresh, log_of(kerman)["state"])

    assert ("confirmed", "stale") == states


def test_clock_that_is_behind_shows_in_what_came(tmp_path: Path) -> None:
    """A cosignature from our future is another clock's; what is old is forgotten."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    with opened(*configs.values()) as (kerman, shiraz):
        put_record(kerman, "budget-1404")
        with listening(kerman, shiraz):
            run_round(shiraz)
            run_round(kerman)
        agreed = clocks_ahead(kerman, present())
        early = stamp(present() - timedelta(hours=1))
        kerman.database.connect().execute("UPDATE log SET verified_at=?", (early,))
        behind = clocks_ahead(kerman, present())
        healed = clocks_ahead(kerman, present() + timedelta(hours=48))

    assert ({}, {}) == (agreed, healed)
    assert ["shiraz.example"] == list(behind)
    assert 3_500 < behind["shiraz.example"] < 3_700


def test_policy_command_writes_what_verify_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The policy file holds every log and witness, and its digest is told."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    common = saved(configs["kerman"])
    file = tmp_path / "forum.policy"
    commands.policy(output=file, common=common)
    told = json.loads(capsys.readouterr().out)
    with pytest.raises(RequestError) as caught:
        commands.policy("unknown.example/catalog", common=common)

    assert (2, 2) == (told["logs"], told["witnesses"])
    assert told["policy"].encode() == file.read_bytes()
    assert Reason.ORIGIN_UNKNOWN is caught.value.reason


def test_push_command_brings_log_and_cosignature(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A city that nobody can reach is mirrored, and confirmed, all the same."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    common = saved(configs["kerman"])
    with opened(*configs.values()) as (kerman, shiraz):
        put_record(kerman, "budget-1404")
        with listening(shiraz):
            commands.push("shiraz", common=common)
            told = json.loads(capsys.readouterr().out)
            with pytest.raises(RequestError) as caught:
                commands.push("nowhere", common=common)
        shiraz.projection.follow()
        dataset = shiraz.catalog.get("kerman/budget-1404")
        state = log_of(kerman)["state"]

    assert (2, True) == (told["size"], told["cosigned"])
    assert ("live", "confirmed") == (dataset.state, state)
    assert Reason.PEER_UNKNOWN is caught.value.reason


def test_round_pushes_where_the_configuration_says(tmp_path: Path) -> None:
    """With `push` a round also brings our log to that peer."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    kerman_config = configs["kerman"]
    peers = tuple(replace(peer, push=True) for peer in kerman_config.federation.peers)
    with opened(changed(kerman_config, peers=peers), configs["shiraz"]) as nodes:
        kerman, shiraz = nodes
        put_record(kerman, "budget-1404")
        with listening(shiraz):
            report = run_round(kerman)

        assert report.sync.ok, report.text("en")
        assert 2 == shiraz.logs.log(KERMAN).head_size


def test_bundle_commands_join_cities_without_a_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There and back again: the catalog arrives, the cosignature returns."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    commons = {city: saved(config) for city, config in configs.items()}
    there, back = tmp_path / "there.zip", tmp_path / "back.zip"
    with opened(*configs.values()) as (kerman, shiraz):
        put_record(kerman, "budget-1404")
        bundle_commands.bundle(output=there, objects=True, common=commons["kerman"])
        bundle_commands.import_bundle(there, common=commons["shiraz"])
        bundle_commands.bundle(output=back, have=there, common=commons["shiraz"])
        capsys.readouterr()
        bundle_commands.import_bundle(back, common=commons["kerman"])
        imported = json.loads(capsys.readouterr().out)
        bundle_commands.heads(common=replace(commons["kerman"], json=False))
        heads = capsys.readouterr().out
        refs = [dataset.ref for dataset in shiraz.catalog.list()]
        digests = {node.logs.state_digest(KERMAN) for node in (kerman, shiraz)}
        state = log_of(kerman)["state"]

    assert ["kerman/budget-1404"] == refs
    assert 1 == len(digests)
    assert ("confirmed", True) == (state, imported["ok"])
    assert "kerman.example/catalog 2\nshiraz.example/catalog 1\n" == heads


def test_bundle_carries_data_objects(tmp_path: Path) -> None:
    """With `--objects` the table itself travels, and is verified by its digest."""
    from node_world import publish_example
    from shahrdad.node.store.contract import Area

    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    commons = {city: saved(config) for city, config in configs.items()}
    there = tmp_path / "there.zip"
    with opened(*configs.values()) as (kerman, shiraz):
        publish_example(kerman, "org-units")
        bundle_commands.bundle(
            KERMAN, output=there, objects=True, common=commons["kerman"]
        )
        bundle_commands.import_bundle(there, common=commons["shiraz"])
        theirs = {digest for digest, _ in kerman.store.list(Area.OBJECT)}
        ours = {digest for digest, _ in shiraz.store.list(Area.OBJECT)}

    assert ours
    assert ours <= theirs


def test_mass_withdrawal_is_held_for_a_person(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A catalog that is emptied at once stays readable until somebody looked."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    common = saved(configs["shiraz"])
    with opened(*configs.values()) as (kerman, shiraz):
        for number in range(30):
            put_record(kerman, f"table-{number}")
        with listening(kerman):
            run_round(shiraz)
            for number in range(25):
                kerman.append_delete(f"ds/table-{number}", "withdrawn")
            held = run_round(shiraz)
            live_held = len(shiraz.logs.live(KERMAN))
            status = shiraz.logs.log(KERMAN).status
            commands.resume(KERMAN, common=common)
            with pytest.raises(Exception, match="takes nothing more"):
                commands.resume(KERMAN, common=common)
        live = len(shiraz.logs.live(KERMAN))
    capsys.readouterr()

    assert ["MASS_WITHDRAWAL"] == [line.reason for line in held.sync.refused]
    assert "25" in held.sync.refused[0].detail_en
    assert (30, Status.PAUSED, 5) == (live_held, status, live)


def until(met: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Poll until something is so; return whether it came to be."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if met():
            return True
        threading.Event().wait(0.05)
    return met()


def test_continuous_mode_takes_changes_as_they_come(tmp_path: Path) -> None:
    """Without rounds a change arrives by a long poll, and ending ends at once."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    reports: list[RoundReport] = []
    ended = threading.Event()
    with opened(*configs.values()) as (kerman, shiraz):
        put_record(kerman, "budget-1404")
        thread = threading.Thread(
            target=follow_peers, args=(shiraz, ended, reports.append)
        )
        with listening(kerman):
            thread.start()
            try:
                logs = shiraz.logs
                assert until(lambda: bool(logs.find_log(KERMAN)))
                assert until(lambda: logs.log(KERMAN).head_size == 2)
                put_record(kerman, "budget-1405")
                assert until(lambda: logs.log(KERMAN).head_size == 3)
                assert until(lambda: len(reports) >= 2)
            finally:
                start = time.monotonic()
                ended.set()
                thread.join(timeout=30)
            seconds = time.monotonic() - start

        assert not thread.is_alive()
        assert seconds < 10
        assert 0 == shiraz.logs.peer("kerman").failures


def test_status_tells_peers_witness_and_quorum(tmp_path: Path) -> None:
    """What `shahrdad peers --json` says of the node itself."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    with Node(configs["kerman"]) as node:
        status = federation_status(node)
        names = [peer.name for peer in known_peers(node)]

        assert ["shiraz"] == names == [peer["name"] for peer in status["peers"]]
        assert (1, node.witness_vkey, None) == (
            status["quorum"],
            status["witness"],
            status["member_log"],
        )


def test_node_without_a_witness_key_gets_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`shahrdad witness` makes the key once, and shows the same one afterwards."""
    config = make_cities(tmp_path, ("kerman",))["kerman"]
    common = saved(config)
    for name in ("witness.key", "witness.vkey"):
        (config.data / name).unlink()
    told = []
    for _ in range(2):
        commands.witness(common=common)
        told.append(json.loads(capsys.readouterr().out)["vkey"])

    assert told[0] == told[1]
    assert told[0].startswith("kerman.example/witness+")
