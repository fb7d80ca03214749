"""`/metrics`: what a supervisor asks a node every minute, for those who may read it.

Requests are counted as they end; everything else is read when it is asked for, so it
cannot drift from what is stored. Labels are bounded: templates of addresses, methods,
classes of status, names of peers, cities.
"""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from shahrdad.node.accounts.roles import Action
from shahrdad.node.city import Node
from shahrdad.node.desk import jobs
from shahrdad.node.desk.intake_works import JUDGE
from shahrdad.node.http.write.writing import Desk, Done, Writing

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("route", "method", "status")
        self._requests = Counter(
            "shahrdad_http_requests",
            "Requests answered.",
            labels,
            registry=self.registry,
        )
        self._seconds = Histogram(
            "shahrdad_http_request_seconds",
            "Time until the answer was sent.",
            ("route", "method"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._limited = Counter(
            "shahrdad_rate_limited",
            "Requests refused because their caller asked too often.",
            registry=self.registry,
        )
        self._rows = Counter(
            "shahrdad_rows_served", "Rows in pages of rows.", registry=self.registry
        )
        self._exports = Histogram(
            "shahrdad_export_seconds",
            "Time until an export was made.",
            ("format",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._validations = Histogram(
            "shahrdad_validation_seconds",
            "Time until a file of the desk was judged.",
            buckets=BUCKETS,
            registry=self.registry,
        )

    def follow(self, node: Node) -> None:
        """Read the state of a node at each scrape, too."""
        self.registry.register(_Stored(node))

    def rows_served(self, count: int) -> None:
        """Count the rows of a page."""
        self._rows.inc(count)

    def exported(self, form: str, seconds: float) -> None:
        """Count an export that was made."""
        self._exports.labels(form).observe(seconds)

    def job_ended(self, kind: str, seconds: float) -> None:
        """Count a job of the desk, where it judged a file."""
        if kind == JUDGE:
            self._validations.observe(seconds)

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that ended."""
        known = method if method in METHODS else "other"
        self._requests.labels(route, known, f"{status // 100}xx").inc()
        if status == 429:
            self._limited.inc()
        self._seconds.labels(route, known).observe(seconds)

    def scrape(self, desk: Desk) -> Done:
        """Answer with all metrics in the text format."""
        del desk
        return Done(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)

    def writing(self) -> Writing:
        """Return the address."""
        right = Action.METRICS_READ
        return Writing("metrics", "GET", "/metrics", right, self.scrape, "Metrics.")


class _Stored:
    """Reads what the database and the disk say."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def describe(self) -> list[Any]:
        """Name nothing beforehand: the database is not read at registration."""
        return []

    def collect(self) -> Iterator[Any]:
        """Yield the families of metrics."""
        connection = self._node.database.connect()
        published = CounterMetricFamily(
            "shahrdad_publish",
            "Files handed in, by outcome.",
            labels=["result"],
        )
        for state, count in connection.execute(
            "SELECT state, COUNT(*) FROM submission GROUP BY state"
        ):
            published.add_metric([state], count)
        yield published
        waiting = GaugeMetricFamily(
            "shahrdad_drafts", "Drafts, by state.", labels=["state"]
        )
        for state, count in connection.execute(
            "SELECT state, COUNT(*) FROM draft GROUP BY state"
        ):
            waiting.add_metric([state], count)
        yield waiting
        queued = GaugeMetricFamily("shahrdad_jobs", "Jobs, by state.", labels=["state"])
        for state, count in jobs.counts(connection).items():
            queued.add_metric([state], count)
        yield queued
        yield from self._logs()
        yield from self._peers()
        yield from self._faults(connection)
        objects = GaugeMetricFamily(
            "shahrdad_objects_bytes",
            "Bytes of the newest tables.",
            labels=["city"],
        )
        for city, size in connection.execute(
            "SELECT city, SUM(bytes) FROM dataset WHERE state='live' GROUP BY city"
        ):
            objects.add_metric([city], size or 0)
        yield objects
        path = self._node.database.path
        wal = path.with_name(f"{path.name}-wal")
        yield GaugeMetricFamily(
            "shahrdad_db_wal_bytes",
            "Size of the write-ahead log.",
            value=wal.stat().st_size if wal.exists() else 0,
        )

    def _faults(self, connection: sqlite3.Connection) -> Iterator[Any]:
        """Yield what peers sent and objects held that did not verify."""
        refused = CounterMetricFamily(
            "shahrdad_sync_errors",
            "What a peer was refused.",
            labels=["peer", "reason"],
        )
        for peer, reason, count in connection.execute(
            "SELECT peer, reason, COUNT(*) FROM problem GROUP BY peer, reason"
        ):
            refused.add_metric([peer or "none", reason or "none"], count)
        yield refused
        (failures,) = connection.execute(
            "SELECT COUNT(*) FROM object_problem"
        ).fetchone()
        yield CounterMetricFamily(
            "shahrdad_object_verify_failures",
            "Objects that were damaged or missing when they were read again.",
            value=failures,
        )

    def _logs(self) -> Iterator[Any]:
        """Yield size and age of the newest cosignature of each log."""
        size = GaugeMetricFamily(
            "shahrdad_log_size", "Entries of a log.", labels=["city"]
        )
        age = GaugeMetricFamily(
            "shahrdad_cosignature_age_seconds",
            "Since the newest cosignature of a log.",
            labels=["city"],
        )
        now = datetime.now(UTC)
        for log in self._node.federation_status()["logs"]:
            city = str(log.get("city") or "other")
            size.add_metric([city], log["size"])
            newest = log.get("newest_cosignature")
            if newest:
                when = datetime.fromisoformat(newest)
                age.add_metric([city], max(0.0, (now - when).total_seconds()))
        yield size
        yield age

    def _peers(self) -> Iterator[Any]:
        """Yield since when each peer was silent."""
        lag = GaugeMetricFamily(
            "shahrdad_sync_lag_seconds",
            "Since the last good round with a peer.",
            labels=["peer"],
        )
        now = datetime.now(UTC)
        for peer in self._node.federation_status()["peers"]:
            contact = peer.get("last_contact")
            if contact:
                when = datetime.fromisoformat(contact)
                seconds = max(0.0, (now - when).total_seconds())
                lag.add_metric([str(peer["name"])], seconds)
        yield lag
