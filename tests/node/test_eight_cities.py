"""Eight nodes, a process each, on a network whose cables are pulled."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cabled_hosts import CANNOT, NETWORK, Relays, Switch, can_make
from federated_nodes import changed, make_cities
from shahrdad.federation.keyring import ConfiguredKeys, LogKey
from shahrdad.federation.verify import evidence as evidences
from shahrdad.node.config import Config, GrpcSection
from shahrdad.node.config_file import render
from shahrdad.node.demonstration.world import origin

OPEN = ("kerman", "shiraz", "mashhad", "tehran", "isfahan")
BEHIND_NAT = "qom"  # reaches others, and nobody reaches it
OFFLINE = "yazd"  # a stick goes there and back
FORGER = "rasht"  # restores a backup, signer.db and all, and signs once more
CITIES = (*OPEN, FORGER, BEHIND_NAT, OFFLINE)
HONEST = [city for city in CITIES if city != FORGER]
ROUNDS_MAX = 4
LONG = bool(os.environ.get("SHAHRDAD_LONG"))
PROGRAM = Path(__file__).parent.parent / "node_process.py"


class Host:
    """A running node, and the way to tell it something."""

    def __init__(self, switch: Switch | Relays, config: Config) -> None:
        self.config = config
        words = [sys.executable, str(PROGRAM), str(config.folder / "shahrdad.toml")]
        with (config.folder / "node.log").open("ab") as log:
            self._process = subprocess.Popen(
                switch.command(config.node.city, *words),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def begin(self, *words: str) -> None:
        """Tell the node something, and do not wait."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Wait for the next answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, (self.config.folder / "node.log").read_text()[-2_000:]
        return json.loads(line)

    def tell(self, *words: str) -> Any:
        """Tell the node something, and return its answer."""
        self.begin(*words)
        return self.answer()

    def end(self) -> None:
        """End the process."""
        self._process.communicate()
        assert 0 == self._process.returncode


def configured(folder: Path, switch: Switch | Relays) -> dict[str, Config]:
    """Return the nodes' configurations, with addresses of the switch."""
    made = {}
    for city, config in make_cities(folder, CITIES).items():
        peers = tuple(
            replace(
                peer,
                grpc=switch.address(city, peer.name),
                static="",
                push=city == BEHIND_NAT and peer.name in OPEN[:2],
            )
            for peer in config.federation.peers
            if peer.name not in {BEHIND_NAT, OFFLINE} and city != OFFLINE
        )
        host, port = switch.listen(city)
        config = changed(
            replace(config, grpc=GrpcSection(host=host, port=port)),
            peers=peers,
            allow_private=(f"{NETWORK}.0/24", "127.0.0.0/8"),
            quorum=2,
        )
        (config.folder / "shahrdad.toml").write_text(render(config), "utf-8")
        made[city] = config
    return made


@contextmanager
def running(
    switch: Switch | Relays, configs: dict[str, Config]
) -> Iterator[dict[str, Host]]:
    """Run the nodes; whoever is put in another's place is ended in its place."""
    hosts = {city: Host(switch, config) for city, config in configs.items()}
    try:
        for host in hosts.values():
            host.answer()
        yield hosts
    finally:
        for host in hosts.values():
            host.end()


def rounds(hosts: dict[str, Host], *cities: str) -> dict[str, Any]:
    """Let cities run a round at the same time, and return their reports."""
    for city in cities:
        hosts[city].begin("round")
    return {city: hosts[city].answer() for city in cities}


def forge(hosts: dict[str, Host], switch: Switch | Relays, backup: Path) -> None:
    """Show Shiraz one history; restore the backup, and show Tehran another."""
    config = hosts[FORGER].config
    hosts[FORGER].tell("put", "budget-1405", "first")
    hosts["shiraz"].tell("round", FORGER)
    hosts[FORGER].end()
    shutil.rmtree(config.data)
    shutil.copytree(backup, config.data)
    hosts[FORGER] = Host(switch, config)
    hosts[FORGER].answer()
    hosts[FORGER].tell("put", "budget-1405", "second")
    hosts["tehran"].tell("round", FORGER)


def carry(hosts: dict[str, Host], stick: Path) -> None:
    """Carry a stick to the city without a line, and back."""
    for giver, taker in (("kerman", OFFLINE), (OFFLINE, "kerman")):
        hosts[giver].tell("export", str(stick))
        hosts[taker].tell("import", str(stick))
        stick.unlink()


def agreed(states: dict[str, Any]) -> bool:
    """Tell whether the honest nodes hold the same logs, and all accuse the forger."""
    return all(
        1 == len({states[city].get(origin(log), {}).get("digest") for city in HONEST})
        for log in HONEST
    ) and all(states[city].get(origin(FORGER), {}).get("evidence") for city in HONEST)


@pytest.mark.skipif(not LONG, reason="eight processes; SHAHRDAD_LONG=1")
@pytest.mark.parametrize("kind", [Switch, Relays])
def test_eight_cities_agree_whatever_is_cut(
    tmp_path: Path, kind: type[Switch | Relays]
) -> None:
    """A cut cable, a city behind NAT, one by stick, a forger: one state, with proof."""
    if kind is Switch and not can_make():
        pytest.skip(CANNOT)
    switch = kind(CITIES, uncabled=[OFFLINE])
    try:
        configs = configured(tmp_path, switch)
        with running(switch, configs) as hosts:
            for city in CITIES:
                hosts[city].begin("put", "budget-1404", city)
            for city in CITIES:
                hosts[city].answer()
            backup = tmp_path / "backup"
            shutil.copytree(configs[FORGER].data, backup)
            switch.pull("mashhad")
            alone = rounds(hosts, "mashhad", "kerman")
            forge(hosts, switch, backup)
            switch.plug("mashhad")
            carry(hosts, tmp_path / "stick.zip")
            states: dict[str, Any] = {}
            for _ in range(ROUNDS_MAX):
                rounds(hosts, *OPEN, BEHIND_NAT)
                carry(hosts, tmp_path / "stick.zip")
                states = {city: hosts[city].tell("state") for city in HONEST}
                if agreed(states):
                    break
    finally:
        switch.close()

    assert not any(peer["answered"] for peer in alone["mashhad"]["peers"])
    assert {"mashhad"} == {
        peer["name"] for peer in alone["kerman"]["peers"] if not peer["answered"]
    }
    assert agreed(states), states
    logs = configs["kerman"].federation.logs
    keys = ConfiguredKeys(
        LogKey(log.origin, vkey) for log in logs for vkey in log.vkeys[:1]
    )
    for city in HONEST:
        held = states[city]
        assert {"confirmed"} == {held[origin(log)]["state"] for log in HONEST}
        proof = held[origin(FORGER)]["evidence"].encode()
        assert origin(FORGER) == evidences.verify(proof, keys.evidence_keys).origin
