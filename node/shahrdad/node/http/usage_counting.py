"""Counting who reads what, in memory, and writing it down now and then.

A kill loses the counts of a minute at most, which no decision rests on.
"""

import threading
from collections import Counter

from starlette.types import Scope

from shahrdad.node.accounts.moments import present
from shahrdad.node.database import Database
from shahrdad.node.http.limits import USAGE_READINGS_MAX
from shahrdad.node.usage import Reading, add, reader_of

FLUSH_SECONDS = 60.0


class UsageCounting:
    """The counts of one application.

    Args:
        database: Where they are added.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._counts: Counter[Reading] = Counter()

    def note(self, scope: Scope, status: int) -> None:
        """Count an answer that was about a dataset; errors and probes are not use."""
        path = scope.get("path_params") or {}
        if status not in {200, 206} or scope["method"] != "GET" or "slug" not in path:
            return
        agent = next(
            (value for name, value in scope["headers"] if name == b"user-agent"), b""
        )
        reading = Reading(
            present().date().isoformat(),
            f"{path.get('city', '')}/{path['slug']}",
            reader_of(agent[:400].decode("latin-1")),
            "page" if scope["path"][:4] in {"/fa/", "/en/"} else "data",
        )
        with self._lock:
            if reading in self._counts or len(self._counts) < USAGE_READINGS_MAX:
                self._counts[reading] += 1

    def flush(self) -> int:
        """Write what was counted; returns how many sorts of readings it were."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if counts:
            with self._database.transaction() as connection:
                add(connection, counts)
        return len(counts)

    def run(self, ended: threading.Event) -> None:
        """Write every minute until `ended`, and a last time then."""
        while not ended.wait(FLUSH_SECONDS):
            self.flush()
        self.flush()
        self._database.close()
