"""One city's node, opened: everything that its commands and services work with.

    config     what the operator set
    database   node.db: logs, catalog, submissions
    store      the objects
    logs       the signed logs, the city's own and those it mirrors
    catalog    what is published, read from the projection

Only `start_signing` loads the key; everything else reads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import Reason, RequestError, UnavailableError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.cards import Cards
from shahrdad.node.catalog import Catalog, Version
from shahrdad.node.config import Config, load
from shahrdad.node.database import Database
from shahrdad.node.projection import Projection

if TYPE_CHECKING:
    from shahrdad.federation.keyring import KeyRing
    from shahrdad.federation.log.new_entry import NewEntry
    from shahrdad.federation.log.store import LogState, LogStore, PeerState
    from shahrdad.federation.log.writer import LogWriter, Recovery
    from shahrdad.federation.verify.entry import DeleteReason, RedactReason
    from shahrdad.federation.witness import Witness
    from shahrdad.node.accounts.keys import AccountKey
    from shahrdad.node.desk.drafts import Kind as DraftKind
    from shahrdad.node.store.contract import ObjectStore

KEY_NAME = "signing.key"  # the Ed25519 seed: whoever reads it signs as the city
VKEY_NAME = "signing.vkey"
WITNESS_KEY_NAME = "witness.key"  # another key: it vouches for other cities' logs
WITNESS_VKEY_NAME = "witness.vkey"
GUARD_NAME = "signer.db"


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest version of a dataset of this city, and its record."""

    version: Version
    body: dict[str, Any]
    live: bool


class Node:
    """A node on this machine.

    Args:
        config: Its configuration.

    Raises:
        ConflictError: DATABASE_NEWER.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.database = Database(config.data / "node.db")
        self.catalog = Catalog(self.database.connect)
        self.projection = Projection(self.database, self.city_of, Cards(config))

    def __enter__(self) -> "Node":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what is open."""
        self.close()

    def close(self) -> None:
        """Close this thread's connection to the database."""
        self.database.close()

    @cached_property
    def store(self) -> "ObjectStore":
        """The object store."""
        from shahrdad.node.configured_store import settings_of
        from shahrdad.node.store.opening import open_store

        return open_store(settings_of(self.config))

    @cached_property
    def logs(self) -> "LogStore":
        """The signed logs."""
        from shahrdad.federation.log.store import LogStore

        return LogStore(self.database.connect)

    @cached_property
    def keys(self) -> "KeyRing":
        """The keys that heads are checked with: ours, and those that are trusted."""
        from shahrdad.node.peering.trust import node_keys

        return node_keys(self)

    @cached_property
    def witness(self) -> "Witness | None":
        """What cosigns other cities' heads, or None: this node is no witness."""
        from shahrdad.node.peering.trust import open_witness

        return open_witness(self)

    @cached_property
    def account_key(self) -> "AccountKey":
        """The key that tokens, sessions and second factors are kept under."""
        from shahrdad.node.accounts.keys import load_key

        return load_key(self.config.data)

    @property
    def vkey(self) -> str | None:
        """The public key of the city's own log, or None before `shahrdad init`."""
        path = self.config.data / VKEY_NAME
        return path.read_text("utf-8").strip() if path.exists() else None

    @property
    def has_key(self) -> bool:
        """Whether this node can sign; a replica cannot."""
        return (self.config.data / KEY_NAME).exists()

    @property
    def witness_vkey(self) -> str | None:
        """The public key of the node's witness, or None: it has none."""
        path = self.config.data / WITNESS_VKEY_NAME
        return path.read_text("utf-8").strip() if path.exists() else None

    @cached_property
    def writer(self) -> "LogWriter":
        """The one that signs.

        Raises:
            RequestError: KEY_NOT_FOUND.
        """
        from shahrdad.federation.keyfile import load_signer
        from shahrdad.federation.keyring import log_verifier
        from shahrdad.federation.log.guard import SigningGuard
        from shahrdad.federation.log.writer import LogWriter
        from shahrdad.federation.static_mirror import StaticMirror
        from shahrdad.node.peering import rotation

        data, origin = self.config.data, self.config.federation.origin
        path = data / KEY_NAME
        if not path.exists():
            raise RequestError(Reason.KEY_NOT_FOUND, path=str(path))
        rotation.settle(data, origin)
        coming = rotation.coming(data, origin)
        return LogWriter(
            self.logs,
            SigningGuard(data / GUARD_NAME),
            load_signer(path, origin),
            StaticMirror(self.store),
            besides=[] if coming is None else [coming],
            former=[log_verifier(key) for key in rotation.former(data, origin)],
        )

    def city_of(self, origin: str) -> str | None:
        """Return the city whose log has this origin, or None."""
        return self.keys.city(origin) or None

    def newest(self, ref: str) -> Newest | None:
        """Return the newest version of a dataset, or None before the first."""
        try:
            dataset, version = self.catalog.version(ref)
        except RequestError:
            return None
        body = self.catalog.body(version.digest)
        return Newest(version, body, dataset.state == "live")

    def start_signing(
        self, *, offline: bool = False, confirmed: bool = False
    ) -> "Recovery":
        """Compare with store and peers, and finish what a kill left unsigned.

        Call it while holding `database.exclusive("publish")`.

        Args:
            offline: The operator's word that no peer can be asked.
            confirmed: The operator's word, after a restore, to make the guard anew.

        Raises:
            UnavailableError: SIGNING_WAITS: this node may not sign now, and why.
            RequestError: KEY_NOT_FOUND, SIGNING_KEY.
        """
        from shahrdad.federation.log.writer import State
        from shahrdad.node.peering.own_heads import start_writer

        recovery = start_writer(self, offline=offline, confirmed=confirmed)
        if recovery.state is not State.READY:
            raise UnavailableError(Reason.SIGNING_WAITS, state=recovery.state.value)
        return recovery

    def append_put(self, key: str, body: bytes) -> int:
        """Publish a record under a key, and return the index of its entry.

        Raises:
            RequestError: APPROVAL_NEEDED: four eyes are asked for, and saw it not.
        """
        from shahrdad.federation.log.writer import PutEntry

        digest = Digest.of(body)
        self._check_approved("publish", key, digest)
        head = self.writer.publish([PutEntry(key, digest)], {digest: body})
        return _index(head.indexes)

    def append_delete(
        self, key: str, reason: "DeleteReason", by: str | None = None
    ) -> int:
        """Publish a tombstone for a key, and return the index of its entry.

        Raises:
            RequestError: APPROVAL_NEEDED.
        """
        from shahrdad.federation.log.writer import DeleteEntry

        self._check_approved("withdraw", key)
        head = self.writer.publish([DeleteEntry(key, reason, by)], {})
        return _index(head.indexes)

    def append_redact(
        self, key: str, digest: Digest, reason: "RedactReason", *, newest: bool
    ) -> int:
        """Remove a record from every mirror, and return the index of the entry.

        Args:
            key: The key that the record was put under.
            digest: Of the record.
            reason: Why.
            newest: It is what its key shows: the key is withdrawn with it.

        Raises:
            RequestError: APPROVAL_NEEDED: always two persons, whatever `approval` says.
        """
        from shahrdad.federation.log.writer import DeleteEntry, RedactEntry
        from shahrdad.node.desk import drafts

        slug = key.removeprefix("ds/")
        if not drafts.is_approved(self.database.connect(), "redact", slug):
            raise RequestError(Reason.APPROVAL_NEEDED)
        cause: DeleteReason = "error" if reason == "error" else "legal"
        new: list[NewEntry] = [RedactEntry(digest, reason)]
        if newest:
            new.append(DeleteEntry(key, cause))
        head = self.writer.publish(new, {})
        return _index(head.indexes[:1])

    def _check_approved(
        self, kind: "DraftKind", key: str, digest: Digest | None = None
    ) -> None:
        """Let nothing into the log that four eyes did not see, whichever door it took.

        Raises:
            RequestError: APPROVAL_NEEDED.
        """
        from shahrdad.node.desk import drafts

        if self.config.publish.approval == "single" or not key.startswith("ds/"):
            return
        slug = key.removeprefix("ds/")
        if not drafts.is_approved(self.database.connect(), kind, slug, digest):
            raise RequestError(Reason.APPROVAL_NEEDED)

    def own_log(self) -> "LogState | None":
        """Return the city's own log, or None before its first entry."""
        return self.logs.find_log(self.config.federation.origin)

    def peer_states(self) -> "list[PeerState]":
        """Return what is remembered of each peer."""
        return self.logs.peers()

    def receipt(self, ref: str, n: int) -> bytes:
        """Return the receipt (.tlog-proof) of a version.

        Raises:
            RequestError: DATASET_UNKNOWN, VERSION_UNKNOWN.
        """
        _, version = self.catalog.version(ref, n)
        return self.logs.receipt(version.origin, version.index)

    def federation_status(self) -> dict[str, Any]:
        """Return what is known of logs and peers; see `http.view.NodeView`."""
        from shahrdad.node.peering.network import federation_status

        return federation_status(self)


def _index(indexes: "tuple[int | None, ...]") -> int:
    """Return the index of the one entry that was asked for."""
    (index,) = indexes
    if index is None:
        raise RuntimeError("the entry changed nothing, although the catalog said so")
    return index


@contextmanager
def open_node(
    path: Path | None, *, signing: bool | None = False, offline: bool = False
) -> Iterator[Node]:
    """Open the node that a command works with, and close it afterwards.

    Args:
        path: The configuration, or None for the usual places.
        signing: The command will publish; None: it will where one approval is enough.
        offline: The operator's word that no peer can be asked.

    Raises:
        RequestError: CONFIG_NOT_FOUND and other faults of the configuration.
        UnavailableError: SIGNING_WAITS.
    """
    with Node(load(path)) as node:
        if signing is None:
            signing = node.config.publish.approval == "single"
        if signing:
            with node.database.exclusive("publish"):
                node.start_signing(offline=offline)
        yield node


def create_node(file: Path) -> str:
    """Make key, database and the log's first entry for a configuration.

    Returns:
        The public key that other cities put into their configuration.

    Raises:
        RequestError: SIGNING_KEY: there is a key already.
    """
    from shahrdad.federation.keyfile import create_signer

    config = load(file)
    config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    signer = create_signer(config.data / KEY_NAME, config.federation.origin)
    (config.data / VKEY_NAME).write_text(signer.vkey + "\n", "utf-8")
    if config.federation.witness:
        create_witness(config)
    with Node(config) as node, node.database.exclusive("publish"):
        node.start_signing(offline=True)
    return signer.vkey


def create_witness(config: Config) -> str:
    """Make a node's witness key beside its signing key, and return the public one.

    Raises:
        RequestError: SIGNING_KEY: there is a key already.
    """
    from shahrdad.federation.keyfile import create_signer
    from shahrdad.federation.verify.note import Kind

    name = f"{config.federation.origin.partition('/')[0]}/witness"
    signer = create_signer(config.data / WITNESS_KEY_NAME, name, Kind.WITNESS)
    (config.data / WITNESS_VKEY_NAME).write_text(signer.vkey + "\n", "utf-8")
    return signer.vkey
