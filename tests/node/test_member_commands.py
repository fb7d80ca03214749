"""A federation from its first approval to a suspended city, by commands alone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from federated_nodes import changed, listening, make_cities
from forum_world import FORUM
from node_world import put_record, ready
from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.node.city import Node, create_node
from shahrdad.node.commands import members as commands
from shahrdad.node.config import Config, TrustSection, load
from shahrdad.node.config_file import render
from shahrdad.node.console import Common
from shahrdad.node.demonstration.world import Place, configuration, free_ports
from shahrdad.node.peering.network import federation_status
from shahrdad.node.peering.peers import known_peers
from shahrdad.node.peering.rounds import run_round
from shahrdad.node.peering.trust import members_of
from tls_world import Authority

APPROVERS = ("rasht", "qom", "tehran")
CITIES = ("kerman", "shiraz")
AUTHORITY = Authority("the nodes' own authority")


class Federation:
    """A forum's node, cities' nodes, and the approvers' keys in files."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.approvers: list[str] = []
        for city in APPROVERS:
            commands.key(
                self.name(city), output=self.key(city), common=Common(json=True)
            )
            self.approvers.append(self.told()["vkey"])
        self.forum = self._make_forum()
        configs = make_cities(folder / "cities", CITIES)
        self.cities = {city: self._join(config) for city, config in configs.items()}

    def told(self) -> Any:
        """Return what the last command printed as JSON."""
        return json.loads(self._capsys.readouterr().out)

    def name(self, city: str) -> str:
        """Return the name of an approver."""
        return f"{city}.example.ir/approver"

    def key(self, city: str) -> Path:
        """Return the file of an approver's key."""
        return self.folder / f"{city}.key"

    def common(self, config: Config) -> Common:
        """Return the options of a node's commands."""
        return Common(config=config.folder / "shahrdad.toml", json=True, quiet=True)

    def approve(self, note: Path, *cities: str) -> None:
        """Let cities approve a draft."""
        for city in cities:
            commands.approve(
                note,
                name=self.name(city),
                key=self.key(city),
                common=Common(quiet=True),
            )

    def decide(self, key: str, fields: dict[str, Any], *cities: str) -> int:
        """Propose, approve and publish a record; return the index of its entry."""
        record, note = self.folder / "fields.json", self.folder / "proposal.note"
        record.write_text(json.dumps(fields), "utf-8")
        commands.propose(key, record, output=note, common=self.common(self.forum))
        self.approve(note, *cities)
        self._capsys.readouterr()
        commands.publish(note, offline=True, common=self.common(self.forum))
        index: int = self.told()[0]["index"]
        return index

    def describe(self, city: str, roots: Path) -> dict[str, Any]:
        """Return what a city sends to the forum."""
        config = self.cities[city]
        address = f"127.0.0.1:{config.grpc.port}"
        commands.describe(grpc=address, tls_roots=roots, common=self.common(config))
        found: dict[str, Any] = self.told()
        return found

    def rules(self) -> dict[str, Any]:
        """Return rules in which both cities witness, and one other confirms."""
        witnesses = []
        for city, config in self.cities.items():
            with Node(config) as node:
                since = "2026-01-01T00:00:00Z"
                vkey = node.witness_vkey
            witnesses.append(
                {"city": city, "vkey": vkey, "since": since, "until": None}
            )
        span = {"vkey": self.vkey, "from_size": 0, "until_size": None}
        return {
            "approvers": self.approvers,
            "threshold": 2,
            "forum_keys": [span],
            "witnesses": witnesses,
            "quorum": 1,
            "stale_after_hours": 48,
        }

    def _make_forum(self) -> Config:
        place = Place("tehran", self.folder / "forum", *free_ports(2))
        place.folder.mkdir()
        config = changed(configuration(place), origin=FORUM)
        place.file.write_text(render(config), "utf-8")
        self.vkey = create_node(place.file)
        self._save(changed(config, trust=self._trust()))
        return load(place.file)

    def _join(self, config: Config) -> Config:
        """Let a city follow the forum alone: everything else it learns."""
        from shahrdad.node.config import PeerSection

        certificate, key = AUTHORITY.issue("127.0.0.1")
        for name, content in (("tls.pem", certificate), ("tls.key", key)):
            (config.folder / name).write_bytes(content)
        grpc = replace(config.grpc, tls_certificate="tls.pem", tls_key="tls.key")
        forum = PeerSection("forum", f"127.0.0.1:{self.forum.grpc.port}", insecure=True)
        joined = changed(
            replace(config, grpc=grpc), logs=(), peers=(forum,), trust=self._trust()
        )
        self._save(joined)
        return load(joined.folder / "shahrdad.toml")

    def _trust(self) -> TrustSection:
        return TrustSection(FORUM, self.vkey, tuple(self.approvers), 2)

    def _save(self, config: Config) -> None:
        (config.folder / "shahrdad.toml").write_text(render(config), "utf-8")


@pytest.fixture
def federation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Federation:
    """Make a forum and two cities that know only the forum."""
    return Federation(tmp_path, capsys)


@contextmanager
def nodes(federation: Federation) -> Iterator[tuple[Node, Node, Node]]:
    """Open and serve the three nodes."""
    configs = [federation.forum, *federation.cities.values()]
    with (
        Node(configs[0]) as forum,
        Node(configs[1]) as kerman,
        Node(configs[2]) as shiraz,
        listening(forum, kerman, shiraz),
    ):
        yield forum, kerman, shiraz


def admit(federation: Federation) -> None:
    """Publish the rules and both cities."""
    roots = federation.folder / "roots.pem"
    roots.write_bytes(AUTHORITY.roots)
    federation.decide("rules", federation.rules(), "rasht", "qom")
    for city in CITIES:
        fields = federation.describe(city, roots)
        federation.decide(f"city/{city}", fields, "qom", "tehran")


def test_cities_learn_each_other_from_the_member_log(federation: Federation) -> None:
    """Keys, addresses, TLS roots and witnesses come from approved entries alone."""
    admit(federation)
    with nodes(federation) as (_, kerman, shiraz):
        ready(kerman)
        put_record(kerman, "budget-1404")
        first = run_round(shiraz)  # the member log
        names = [peer.name for peer in known_peers(shiraz)]
        second = run_round(shiraz)  # and now the cities
        run_round(kerman)
        back = run_round(kerman)
        refs = [dataset.ref for dataset in shiraz.catalog.list()]
        status = federation_status(kerman)
        own = next(log for log in status["logs"] if log["own"])

    assert first.sync.ok, first.text("en")
    assert ["forum", "kerman"] == names
    assert second.sync.ok, second.text("en")
    assert back.sync.ok, back.text("en")
    assert ["kerman/budget-1404"] == refs
    assert ("confirmed", FORUM) == (own["state"], status["member_log"])


def test_suspended_city_is_frozen_everywhere(federation: Federation) -> None:
    """Two approvals stop a log at its size; what was published stays readable."""
    admit(federation)
    roots = federation.folder / "roots.pem"
    with nodes(federation) as (_, kerman, shiraz):
        ready(kerman)
        put_record(kerman, "budget-1404")
        for _ in range(2):
            run_round(shiraz)
        fields = federation.describe("kerman", roots)
        fields["status"] = "suspended"
        fields["logs"][0]["frozen_size"] = 2
        federation.decide("city/kerman", fields, "rasht", "tehran")
        put_record(kerman, "projects")
        run_round(shiraz)
        origin = kerman.config.federation.origin
        held = shiraz.logs.log(origin)
        refs = [dataset.ref for dataset in shiraz.catalog.list()]
        peers = [peer.name for peer in known_peers(shiraz)]
    commands.show(common=federation.common(federation.cities["shiraz"]))
    listed = federation.told()

    assert ("frozen", 2, ["kerman/budget-1404"]) == (held.status, held.size, refs)
    assert ["forum"] == peers
    assert [("kerman", "suspended"), ("shiraz", "active")] == [
        (member["city"], member["status"]) for member in listed["members"]
    ]


def test_too_few_approvals_are_not_published(federation: Federation) -> None:
    """The forum's node refuses what every other node would not apply."""
    federation.decide("rules", federation.rules(), "rasht", "qom")
    roots = federation.folder / "roots.pem"
    roots.write_bytes(AUTHORITY.roots)
    fields = federation.describe("kerman", roots)
    with pytest.raises(PeerError) as caught:
        federation.decide("city/kerman", fields, "rasht")

    assert Reason.NOT_APPROVED is caught.value.reason


def test_only_the_forum_publishes(federation: Federation) -> None:
    """A city's node does not write member entries into its own log."""
    note = federation.folder / "x.note"
    note.write_text("x", "utf-8")
    with pytest.raises(RequestError) as caught:
        commands.publish(
            note, offline=True, common=federation.common(federation.cities["kerman"])
        )

    assert Reason.NOT_THE_FORUM is caught.value.reason


def test_node_without_a_forum_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`members` needs a member log to speak of."""
    config = make_cities(tmp_path, ("kerman",))["kerman"]
    with pytest.raises(RequestError) as caught:
        commands.show(common=Common(config=config.folder / "shahrdad.toml"))
    with Node(config) as node:
        assert members_of(node) is None
    capsys.readouterr()

    assert Reason.NO_MEMBER_LOG is caught.value.reason
