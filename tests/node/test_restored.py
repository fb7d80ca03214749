"""A restored backup never forks its city's log: it refuses to sign, or heals first."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from federated_nodes import back_up, changed, listening, make_cities, opened, restore
from node_world import put_record
from shahrdad.datasets.errors import Reason, UnavailableError
from shahrdad.federation.log.schema import Status
from shahrdad.federation.log.writer import State
from shahrdad.node.city import Node
from shahrdad.node.commands import bundle as bundle_commands
from shahrdad.node.config import Config
from shahrdad.node.config_file import render
from shahrdad.node.console import Common
from shahrdad.node.peering.rounds import run_round

KERMAN = "kerman.example/catalog"
DATABASE = ("node.db",)
BOTH = ("node.db", "signer.db")
EVERYTHING = ("node.db", "signer.db", "objects")


def lose(configs: dict[str, Config], parts: Sequence[str]) -> None:
    """Publish, back up, publish more, let Shiraz mirror it, and restore the backup."""
    with opened(*configs.values()) as (kerman, shiraz):
        put_record(kerman, "budget-1403")
        backup = back_up(configs["kerman"], "backup", *parts)
        put_record(kerman, "budget-1404")
        put_record(kerman, "projects")
        with listening(kerman):
            assert run_round(shiraz).sync.ok
    restore(configs["kerman"], backup)


def check_healed(kerman: Node, shiraz: Node) -> None:
    """Assert that the city goes on in the one history, and its mirror follows."""
    put_record(kerman, "contracts")
    with listening(kerman):
        report = run_round(shiraz)

    assert report.sync.ok, report.text("en")
    assert 5 == kerman.logs.log(KERMAN).head_size == shiraz.logs.log(KERMAN).head_size
    assert kerman.logs.state_digest(KERMAN) == shiraz.logs.state_digest(KERMAN)
    assert Status.ACTIVE is shiraz.logs.log(KERMAN).status
    assert ["budget-1403", "budget-1404", "contracts", "projects"] == sorted(
        dataset.slug
        for dataset in kerman.catalog.list()
        if dataset.city == "kerman" and dataset.state == "live"
    )


@pytest.mark.parametrize("parts", [DATABASE, BOTH, EVERYTHING])
def test_restored_node_heals_before_it_signs(
    tmp_path: Path, parts: Sequence[str]
) -> None:
    """What it forgot comes back from its peers, verified; then it publishes on."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    lose(configs, parts)
    with Node(configs["kerman"]) as kerman, Node(configs["shiraz"]) as shiraz:
        with listening(shiraz), kerman.database.exclusive("publish"):
            kerman.start_signing()

        check_healed(kerman, shiraz)


@pytest.mark.parametrize("parts", [BOTH, EVERYTHING])
def test_restored_node_refuses_to_sign_unasked(
    tmp_path: Path, parts: Sequence[str]
) -> None:
    """With its peers out of reach it signs nothing, whatever its own files say."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    lose(configs, parts)
    shutil.rmtree(configs["kerman"].data / "objects")
    with (
        Node(configs["kerman"]) as kerman,
        kerman.database.exclusive("publish"),
        pytest.raises(UnavailableError) as caught,
    ):
        kerman.start_signing()

    assert (Reason.SIGNING_WAITS, "waiting for peers") == (
        caught.value.reason,
        caught.value.values["state"],
    )


def test_guard_alone_keeps_a_restored_database_from_signing(tmp_path: Path) -> None:
    """`signer.db` remembers, also where no peer and no mirror can be asked."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    lose(configs, DATABASE)
    shutil.rmtree(configs["kerman"].data / "objects")
    lonely = changed(configs["kerman"], peers=())
    with (
        Node(lonely) as kerman,
        kerman.database.exclusive("publish"),
        pytest.raises(UnavailableError) as caught,
    ):
        kerman.start_signing(offline=True)

    assert "waiting for its operator" == caught.value.values["state"]


def test_static_mirror_heals_without_peers(tmp_path: Path) -> None:
    """The object store is a mirror too: a lost database comes back from it."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    lose(configs, BOTH)
    with Node(configs["kerman"]) as kerman, Node(configs["shiraz"]) as shiraz:
        with kerman.database.exclusive("publish"):
            kerman.start_signing(offline=True)

        check_healed(kerman, shiraz)


def test_running_node_heals_in_its_next_round(tmp_path: Path) -> None:
    """`serve` notices in a round what its peers show of it, and recovers."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    lose(configs, EVERYTHING)
    with Node(configs["kerman"]) as kerman, Node(configs["shiraz"]) as shiraz:
        with listening(shiraz):
            report = run_round(kerman)

        assert 4 == report.sync.own_ahead
        assert State.READY is kerman.writer.state
        check_healed(kerman, shiraz)


def test_unsigned_tail_is_published_again(tmp_path: Path) -> None:
    """Entries that were never signed follow those that are recovered."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    lose(configs, BOTH)
    shutil.rmtree(configs["kerman"].data / "objects")
    with Node(configs["kerman"]) as kerman, Node(configs["shiraz"]) as shiraz:
        body = b'{"name":"tail"}'
        draft(kerman, body)
        with listening(shiraz), kerman.database.exclusive("publish"):
            recovery = kerman.start_signing()
        live = kerman.logs.live(KERMAN)

    assert 1 == recovery.outbox
    assert 4 == live["ds/tail"].index
    assert {"ds/budget-1404", "ds/projects"} < set(live)


def draft(node: Node, body: bytes) -> None:
    """Append an entry as a crash after step 2 leaves it: stored, and not signed."""
    from shahrdad.federation.verify import entry as entries
    from shahrdad.federation.verify.digest import Digest
    from shahrdad.federation.verify.growth import grow

    digest = Digest.of(body)
    raw = entries.put(
        "ds/tail", prev=None, digest=digest, size=len(body), time="2026-11-22T10:00:00Z"
    )
    growth = grow(node.logs.frontier(KERMAN), [raw], KERMAN)
    node.logs.append(growth, {digest: body}, durable=True)


def test_bundle_heals_a_city_without_a_network(tmp_path: Path) -> None:
    """What a neighbour brings on a stick recovers the log, as a peer would."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    lose(configs, BOTH)
    shutil.rmtree(configs["kerman"].data / "objects")
    commons = {}
    for city, config in configs.items():
        alone = changed(config, peers=()) if city == "kerman" else config
        file = config.folder / "shahrdad.toml"
        file.write_text(render(alone), "utf-8")
        commons[city] = Common(config=file, quiet=True)
    stick = tmp_path / "stick.zip"
    bundle_commands.bundle(KERMAN, output=stick, common=commons["shiraz"])
    bundle_commands.import_bundle(stick, common=commons["kerman"])
    with Node(configs["kerman"]) as kerman, Node(configs["shiraz"]) as shiraz:
        with listening(shiraz), kerman.database.exclusive("publish"):
            kerman.start_signing()

        check_healed(kerman, shiraz)
