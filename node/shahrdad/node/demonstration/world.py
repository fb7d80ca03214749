"""Three nodes in one folder, each with its own key, database, store and process."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from shahrdad.datasets.codelists import city as find_city
from shahrdad.datasets.errors import Reason, UnavailableError
from shahrdad.node.city import Node, create_node
from shahrdad.node.config import (
    Config,
    FederationSection,
    GrpcSection,
    HttpSection,
    LogSection,
    MirrorSection,
    NodeSection,
    PeerSection,
    PublishSection,
    StoreSection,
    load,
)
from shahrdad.node.config_file import render

CITIES = ("kerman", "shiraz", "mashhad")
READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30


@dataclass(frozen=True, slots=True)
class Place:
    """Where one city's node lives."""

    city: str
    folder: Path
    http_port: int
    grpc_port: int

    @property
    def url(self) -> str:
        """The node's address."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def file(self) -> Path:
        """Its configuration."""
        return self.folder / "shahrdad.toml"


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def make_world(
    folder: Path,
    cities: Sequence[str] = CITIES,
    stores: dict[str, StoreSection] | None = None,
) -> list[Place]:
    """Make a node for each city, each knowing the keys and addresses of the others.

    Args:
        folder: Where their folders go.
        cities: Slugs.
        stores: Object stores by city; a local directory where none is named.
    """
    ports = free_ports(2 * len(cities))
    places = [
        Place(city, folder / city, ports[2 * n], ports[2 * n + 1])
        for n, city in enumerate(cities)
    ]
    vkeys: dict[str, tuple[str, ...]] = {}
    for place in places:
        place.folder.mkdir(parents=True)
        config = configuration(place, (stores or {}).get(place.city))
        place.file.write_text(render(config), "utf-8")
        create_node(place.file)
        with Node(load(place.file)) as node:
            keys = (node.vkey, node.witness_vkey)
        vkeys[place.city] = tuple(key for key in keys if key is not None)
    for place in places:
        others = [other for other in places if other is not place]
        config = configuration(place, (stores or {}).get(place.city))
        place.file.write_text(render(acquainted(config, others, vkeys)), "utf-8")
    return places


def configuration(place: Place, store: StoreSection | None = None) -> Config:
    """Return the configuration of a node that knows nobody yet."""
    facts = find_city(place.city)
    if facts is None:
        raise ValueError(place.city)
    return Config(
        node=NodeSection(
            city=place.city,
            city_code=facts.code,
            name_fa=facts.name_fa,
            name_en=facts.name_en,
            public_url=place.url,
        ),
        http=HttpSection(port=place.http_port, drain_seconds=0),
        grpc=GrpcSection(port=place.grpc_port),
        store=store or StoreSection(),
        publish=PublishSection(approval="single"),
        federation=FederationSection(
            origin=origin(place.city),
            allow_private=("127.0.0.0/8",),
            interval_seconds=0,  # the story says when a round is
        ),
        mirror=MirrorSection(objects="all"),
        folder=place.folder,
    )


def acquainted(
    config: Config, others: Sequence[Place], vkeys: dict[str, tuple[str, ...]]
) -> Config:
    """Return a configuration that follows the other cities."""
    peers = tuple(
        PeerSection(
            name=other.city,
            grpc=f"127.0.0.1:{other.grpc_port}",
            static=f"{other.url}/mirror",
            insecure=True,
        )
        for other in others
    )
    logs = tuple(
        LogSection(origin(other.city), other.city, vkeys[other.city])
        for other in others
    )
    # Both other cities must have seen a head before it counts as confirmed.
    federation = replace(config.federation, peers=peers, logs=logs, quorum=len(others))
    return replace(config, federation=federation)


def origin(city: str) -> str:
    """Return the name of a demonstration city's log."""
    return f"{city}.example/catalog"


@contextmanager
def running(places: Sequence[Place]) -> Iterator[dict[str, int]]:
    """Run the nodes as processes of their own; yield their process numbers by city.

    Raises:
        UnavailableError: NODE_DID_NOT_START.
    """
    processes = {place.city: start(place) for place in places}
    try:
        for place in places:
            await_ready(place, processes[place.city])
        yield {city: process.pid for city, process in processes.items()}
    finally:
        for process in processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
        for process in processes.values():
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start(place: Place) -> subprocess.Popen[bytes]:
    """Start a node's process; what it says goes to node.log in its folder."""
    log = (place.folder / "node.log").open("ab")
    with log:
        return subprocess.Popen(  # noqa: S603 (our own command)
            [sys.executable, "-m", "shahrdad.node.cli", "serve", "-c", str(place.file)],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )


def await_ready(place: Place, process: subprocess.Popen[bytes]) -> None:
    """Wait until a node answers.

    Raises:
        UnavailableError: NODE_DID_NOT_START.
    """
    import httpx2

    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx2.get(f"{place.url}/readyz", timeout=2).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise UnavailableError(
        Reason.NODE_DID_NOT_START,
        city=place.city,
        log=str(place.folder / "node.log"),
    )
