"""What a node does with what its peers say: verify, store, cosign, mirror.

One `Exchange` goes through a round, an import or the life of a server. While it works
it remembers which logs changed; `settle` then does what follows from that: members are
applied, logs frozen or opened, and the static mirror gets the new heads.
"""

import threading
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from shahrdad.federation.ingest import Ingest
from shahrdad.federation.reader import BodyMode
from shahrdad.federation.static_mirror import StaticMirror
from shahrdad.federation.sync import Syncer
from shahrdad.node.peering.trust import members_of

if TYPE_CHECKING:
    from shahrdad.federation.verify.digest import Digest
    from shahrdad.node.city import Node

ALL_PERCENT = 100


class Exchange:
    """Ingest, witness and syncer of a node, joined with its mirror; thread-safe.

    Args:
        node: The node.
        unbraked: Logs that a person looked at: they may withdraw as much as they do.
    """

    def __init__(self, node: "Node", unbraked: Collection[str] = ()) -> None:
        self.node = node
        self.members = members_of(node)
        self.witness = node.witness
        self._lock = threading.Lock()
        self._heads: set[str] = set()
        self._bodies: set[str] = set()
        self._judged = False  # whether member entries were applied, or refused
        self._compared = False  # whether the mirror was compared with the logs
        percent = node.config.federation.withdrawn_percent_max
        self.ingest = Ingest(
            node.logs,
            node.keys,
            # Earlier versions stay readable at every mirror.
            body_mode=lambda origin: BodyMode.ALL,
            withdrawn_percent_max=lambda origin: (
                ALL_PERCENT if origin in unbraked else percent
            ),
            also_wanted=self._also_wanted,
            on_entries=self._on_entries,
            on_head=self._on_head,
        )
        self.syncer = Syncer(
            self.ingest,
            witness=self.witness,
            member_origin=self.members.forum if self.members else "",
        )

    def settle(self) -> None:
        """Do what follows from the logs that changed.

        Raises:
            UnavailableError: of the object store; call it again.
        """
        changed = False
        if self.members is not None:
            self._follow_members(self.members.forum)
            changed = bool(self.members.set_statuses())
        with self._lock:
            changed = changed or self._judged
            self._judged = False
            heads, bodies = self._heads, self._bodies
            self._heads, self._bodies = set(), set()
        if changed:
            self.syncer.list_again()
        mirror = StaticMirror(self.node.store)
        if not self._compared:
            heads |= self._behind(mirror)
            self._compared = True
        for origin in sorted(heads | bodies):
            # The list of heads is read and written by whoever publishes, too.
            with self.node.database.exclusive("publish"):
                try:
                    if origin in bodies:
                        self._write_live_bodies(mirror, origin)
                    mirror.write_log(self.node.logs, origin)
                except BaseException:
                    with self._lock:
                        self._heads |= heads
                        self._bodies |= bodies
                    raise

    def _behind(self, mirror: StaticMirror) -> set[str]:
        """Return the logs whose head a kill kept from the mirror."""
        sizes = mirror.sizes()
        return {
            log.origin
            for log in self.node.logs.logs()
            if not log.own and log.head_size > sizes.get(log.origin, 0)
        }

    def _write_live_bodies(self, mirror: StaticMirror, origin: str) -> None:
        """Write bodies that came later than their entries."""
        logs = self.node.logs
        live = [entry.sha256 for entry in logs.live(origin).values()]
        for start in range(0, len(live), 256):
            mirror.write_bodies(logs.bodies(live[start : start + 256]))

    def _also_wanted(self, origin: str) -> "Sequence[Digest]":
        """Return the body that the replay of the member log waits for."""
        if self.members is None or origin != self.members.forum:
            return ()
        return self.members.wanted

    def _on_entries(self, origin: str, first: int, size: int) -> None:
        """Remember bodies that came for entries held before."""
        if first == size:
            with self._lock:
                self._bodies.add(origin)
            self._follow_members(origin)

    def _on_head(self, origin: str) -> None:
        """Remember a head that changed; new members count at once."""
        with self._lock:
            self._heads.add(origin)
        self._follow_members(origin)

    def _follow_members(self, origin: str) -> None:
        if (
            self.members is not None
            and origin == self.members.forum
            and self.members.refresh()
        ):
            with self._lock:
                self._judged = True
