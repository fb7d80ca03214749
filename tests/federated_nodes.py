"""Real nodes that know each other, in one process: configured, served, restored."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from shahrdad.federation.server import serving
from shahrdad.node.city import Node
from shahrdad.node.config import Config, FederationSection, LogSection, load
from shahrdad.node.demonstration.world import Place, make_world, origin
from shahrdad.node.grpc_serving import federation_server


def make_cities(
    folder: Path, cities: Sequence[str] = ("kerman", "shiraz", "mashhad")
) -> dict[str, Config]:
    """Make nodes that know each other's log and witness keys; two of them confirm."""
    places = make_world(folder, cities)
    vkeys = {place.city: _vkeys(place) for place in places}
    logs = tuple(LogSection(origin(city), city, vkeys[city]) for city in cities)
    return {
        place.city: changed(load(place.file), logs=logs, quorum=len(cities) - 1)
        for place in places
    }


def changed(config: Config, **values: object) -> Config:
    """Return a configuration with other values in its federation section."""
    section: FederationSection = replace(config.federation, **values)  # type: ignore[arg-type]
    return replace(config, federation=section)


@contextmanager
def opened(*configs: Config) -> Iterator[list[Node]]:
    """Open nodes, ready to publish."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(Node(config)) for config in configs]
        for node in nodes:
            with node.database.exclusive("publish"):
                node.start_signing(offline=True)
        yield nodes


@contextmanager
def listening(*nodes: Node) -> Iterator[None]:
    """Serve the federation of nodes, each at its configured port."""
    with ExitStack() as stack:
        for node in nodes:
            stack.enter_context(serving(federation_server(node)))
        yield


def back_up(config: Config, name: str, *parts: str) -> Path:
    """Copy parts of a node's data folder, as a backup does."""
    target = config.folder / name
    target.mkdir()
    with Node(config) as node:
        node.database.connect().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for part in parts:
        source = config.data / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, target / part)
    return target


def restore(config: Config, backup: Path) -> None:
    """Put a backup back over a node's data folder."""
    for part in backup.iterdir():
        target = config.data / part.name
        if target.is_dir():
            shutil.rmtree(target)
        # A new file: connections of the life before keep the old one.
        for name in ("", "-wal", "-shm"):
            (config.data / f"{part.name}{name}").unlink(missing_ok=True)
        copy = shutil.copytree if part.is_dir() else shutil.copy
        copy(part, target)


def _vkeys(place: Place) -> tuple[str, ...]:
    """Return log and witness key of a node."""
    with Node(load(place.file)) as node:
        return tuple(vkey for vkey in (node.vkey, node.witness_vkey) if vkey)
