"""A node whose federation status is remembered for a moment.

Every dataset that is shown asks for it, and it reads every log's head.
"""

import threading
import time
from collections.abc import Mapping
from typing import Any

from shahrdad.node.catalog import Catalog
from shahrdad.node.config import Config
from shahrdad.node.database import Database
from shahrdad.node.http.view import NodeView
from shahrdad.node.store.contract import ObjectStore

STATUS_SECONDS = 1.0


class RememberedNode:
    """A `NodeView` over another; everything but the status passes through."""

    def __init__(self, node: NodeView) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._status: Mapping[str, Any] = {}
        self._until = 0.0

    @property
    def config(self) -> Config:
        """The configuration."""
        return self._node.config

    @property
    def database(self) -> Database:
        """The database."""
        return self._node.database

    @property
    def catalog(self) -> Catalog:
        """The catalog."""
        return self._node.catalog

    @property
    def store(self) -> ObjectStore:
        """The object store."""
        return self._node.store

    def receipt(self, ref: str, n: int) -> bytes:
        """Return the receipt of a version."""
        return self._node.receipt(ref, n)

    def federation_status(self) -> Mapping[str, Any]:
        """Return the status, at most `STATUS_SECONDS` old."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._status = self._node.federation_status()
                self._until = time.monotonic() + STATUS_SECONDS
            return self._status
