"""What others show of our own log: asked before anything is signed (federation 4.6).

A node whose database was restored from a backup has forgotten entries that it signed.
Its peers and its static mirror remember. So it asks min(2, peers) of them first, signs
nothing that would contradict what they hold, and pulls what it lacks from them with
the ordinary verifier: peers are the backup.
"""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.federation.limits import PEERS_AT_ONCE_MAX
from shahrdad.federation.log.writer import Recovery, State
from shahrdad.federation.reader import LogReader
from shahrdad.federation.static_reader import StaticReader
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tile import MirrorPath
from shahrdad.node.peering.peers import KnownPeer, known_peers, open_reader

if TYPE_CHECKING:
    from shahrdad.federation.ingest import Ingest
    from shahrdad.node.city import Node
    from shahrdad.node.store.contract import ObjectStore

PEERS_ASKED_MAX = 16  # of many, some at random: two are enough


def start_writer(
    node: "Node",
    *,
    offline: bool = False,
    confirmed: bool = False,
    readers: Sequence[LogReader] = (),
) -> Recovery:
    """Compare with store and peers, recover what is lost, and finish what was begun.

    Call it while holding `database.exclusive("publish")`.

    Args:
        node: The node.
        offline: The operator's word that no peer can be asked.
        confirmed: The operator's word, after a restore, to make the guard anew.
        readers: What shows our log besides: a bundle.

    Raises:
        RequestError: STORE_FOREIGN: another log's node keeps its objects there, and
            each would collect the other's.
    """
    node.store.claim(node.config.federation.origin)
    peers = known_peers(node)
    asked = [] if offline else random.sample(peers, min(len(peers), PEERS_ASKED_MAX))
    heads, compared = ask_peers(node, asked)
    origin = node.config.federation.origin
    for reader in readers:
        shown = reader.list_heads("", 0, [origin]).heads
        heads += [head.checkpoint for head in shown if head.origin == origin]

    def start() -> Recovery:
        return node.writer.start(
            heads,
            peers_configured=len(peers),
            peers_compared=compared,
            offline=offline,
            confirmed=confirmed,
        )

    recovery = start()
    if recovery.state is State.RECOVERING:
        recover(node, asked, readers)
        recovery = start()
    return recovery


def ask_peers(node: "Node", peers: Sequence[KnownPeer]) -> tuple[list[bytes], int]:
    """Return the notes that peers show of our log, and how many peers answered."""
    origin = node.config.federation.origin

    def ask(peer: KnownPeer) -> list[bytes] | None:
        try:
            reader = open_reader(node.config, peer)
            try:
                page = reader.list_heads("", 0, [origin])
            finally:
                reader.close()
        except ShahrdadError:
            return None  # silence of a peer; the writer counts those that answered
        return [head.checkpoint for head in page.heads if head.origin == origin]

    if not peers:
        return [], 0
    with ThreadPoolExecutor(min(PEERS_AT_ONCE_MAX, len(peers))) as threads:
        answers = [found for found in threads.map(ask, peers) if found is not None]
    return [note for found in answers for note in found], len(answers)


def recover(
    node: "Node", peers: Sequence[KnownPeer], readers: Sequence[LogReader] = ()
) -> int:
    """Pull our own log from the static mirror, from peers, and from open readers.

    An unsigned tail goes to the outbox first, and is published again afterwards.

    Returns:
        How many entries came back.
    """
    from shahrdad.node.peering.exchange import Exchange

    origin = node.config.federation.origin
    if node.writer.prepare_recovery():
        node.projection.rebuild()  # it may have shown what was never signed
    ingest = Exchange(node).ingest
    before = node.logs.log(origin).size
    for reader in _readers(node, peers):
        with _closing(reader):
            _take(ingest, reader, origin)
    for reader in readers:
        _take(ingest, reader, origin)
    node.projection.follow()
    return node.logs.log(origin).size - before


def _take(ingest: "Ingest", reader: LogReader, origin: str) -> None:
    """Pull our log from one reader, as far as it goes; another has the rest."""
    try:
        ingest.pull(reader, origin, recovering=True)
        asked: set[Digest] = set()
        while True:
            count = len(asked)
            ingest.fetch_bodies(reader, origin, asked=asked)
            if len(asked) == count:
                return
    except ShahrdadError:
        return


def _readers(node: "Node", peers: Sequence[KnownPeer]) -> Iterator[LogReader]:
    """Yield our own static mirror, then the peers that can be opened."""
    yield StaticReader(_StoreFiles(node.store), "own mirror")
    for peer in peers:
        try:
            yield open_reader(node.config, peer)
        except ShahrdadError:
            continue


@contextmanager
def _closing(reader: LogReader) -> Iterator[None]:
    try:
        yield
    finally:
        reader.close()


class _StoreFiles:
    """The static mirror in the node's own object store; a `MirrorFiles`."""

    def __init__(self, store: "ObjectStore") -> None:
        self._store = store

    def read(self, path: MirrorPath, limit: int) -> bytes | None:
        """Return a file."""
        return self._store.read_named(path, limit)

    def close(self) -> None:
        """The store belongs to the node."""
