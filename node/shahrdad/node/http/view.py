"""What the HTTP service needs of a node.

The service reads; it never publishes, signs or dials. The methods are called from many
threads at once.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from shahrdad.node.catalog import Catalog
from shahrdad.node.config import Config
from shahrdad.node.database import Database
from shahrdad.node.store.contract import ObjectStore


class NodeView(Protocol):
    """A node, as its readers see it."""

    @property
    def config(self) -> Config:
        """The configuration; `config.public_url` makes absolute addresses."""
        ...

    @property
    def database(self) -> Database:
        """The database, of which only the catalog's tables are read."""
        ...

    @property
    def catalog(self) -> Catalog:
        """The catalog."""
        ...

    @property
    def store(self) -> ObjectStore:
        """The object store."""
        ...

    def receipt(self, ref: str, n: int) -> bytes:
        """Return the receipt (.tlog-proof) of a version.

        Raises:
            RequestError: DATASET_UNKNOWN, VERSION_UNKNOWN.
        """
        ...

    def federation_status(self) -> Mapping[str, Any]:
        """Return what is known of logs and peers; times are RFC 3339, UTC, or None.

        `origin` text. `logs`: list of {`origin`, `city`, `size`, `root`, `time`,
        `status` (of the log), `state` (signed|confirmed|stale|quarantined),
        `confirmed_size`, `cosignatures`, `newest_cosignature`, `vkeys`}. `peers`: list
        of {`name`, `address`, `state`, `last_contact`, `error` {`fa`, `en`}}. `homes`:
        city → root address of its node, for other cities where it is known.
        """
        ...
