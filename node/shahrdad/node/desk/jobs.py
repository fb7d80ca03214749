"""Work that takes longer than a request: kept in the database, done in a thread.

    queued ──▶ running ──▶ done | failed

A job is a name of work and the number of what it is about; all else stands in the
tables of that work, so a job may be done twice. A kill leaves it running; the next
start queues it again, and after `ATTEMPTS_MAX` starts it fails with a reason: none
stays running for ever.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import structlog

from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError
from shahrdad.node.accounts.moments import present, stamp
from shahrdad.node.http.identity import ulid

if TYPE_CHECKING:
    from shahrdad.node.city import Node

LOG = structlog.get_logger("shahrdad.jobs")
State = Literal["queued", "running", "done", "failed"]
ATTEMPTS_MAX = 3
THREADS = 2
IDLE_SECONDS = 2.0  # another process may have queued something
_COLUMNS = "id, account, kind, subject, state, attempts, done, total, problem, created"


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work.

    Attributes:
        account: Whose it is, and in whose name it is done.
        kind: Which work.
        subject: The number of what it is about.
        done: Bytes read, of `total`, where that is known.
        problem: Reason and values of the error that ended it.
    """

    id: str
    account: int
    kind: str
    subject: str
    state: State
    attempts: int
    done: int
    total: int | None
    problem: Mapping[str, Any] | None
    created: str

    @property
    def open(self) -> bool:
        """Whether it is still to be done."""
        return self.state in {"queued", "running"}

    def error(self) -> ShahrdadError | None:
        """Return the error that ended it."""
        if self.problem is None:
            return None
        return RequestError(Reason(self.problem["reason"]), **self.problem["values"])


Tell = Callable[[int, int | None], None]
Work = Callable[["Node", Job, Tell], None]
Ended = Callable[[str, float], None]  # kind, seconds


def add(connection: sqlite3.Connection, account: int, kind: str, subject: str) -> Job:
    """Queue a job; the caller commits, and then wakes the runner."""
    number, at = ulid(), stamp(present())
    connection.execute(
        "INSERT INTO job(id, account, kind, subject, state, created, updated)"
        " VALUES (?,?,?,?,'queued',?,?)",
        (number, account, kind, subject, at, at),
    )
    return get(connection, number)


def get(connection: sqlite3.Connection, number: str) -> Job:
    """Return a job.

    Raises:
        RequestError: JOB_UNKNOWN.
    """
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM job WHERE id=?",  # noqa: S608
        (number.upper(),),
    ).fetchone()
    if row is None:
        raise RequestError(Reason.JOB_UNKNOWN, job=number[:40])
    return _job(row)


def newest(connection: sqlite3.Connection, subject: str) -> Job | None:
    """Return the newest job about something, or None before the first."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM job WHERE subject=?"  # noqa: S608
        " ORDER BY created DESC, id DESC LIMIT 1",
        (subject,),
    ).fetchone()
    return _job(row) if row else None


def cancel(connection: sqlite3.Connection, job: Job) -> bool:
    """Take a job out of the queue; False when it has begun. The caller commits."""
    values = {"reason": Reason.JOB_CANCELLED.value, "values": {"job": job.id}}
    done = connection.execute(
        "UPDATE job SET state='failed', problem=?, updated=?"
        " WHERE id=? AND state='queued'",
        (json.dumps(values), stamp(present()), job.id),
    )
    return done.rowcount == 1


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many jobs there are in each state."""
    return dict(connection.execute("SELECT state, COUNT(*) FROM job GROUP BY state"))


class Jobs:
    """The threads that do a node's jobs.

    They begin at the first `wake`, or at `resume` where a kill left something.

    Args:
        node: The node.
        works: The work of each kind.
        ended: Told how long each took.
    """

    def __init__(
        self,
        node: "Node",
        works: Mapping[str, Work],
        ended: Ended = lambda _kind, _seconds: None,
    ) -> None:
        self._node = node
        self._works = works
        self._tell_ended = ended
        self._lock = threading.Lock()
        self._bell = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()

    def resume(self) -> int:
        """Queue again what a kill left running, and begin where anything waits.

        Returns:
            How many jobs wait.
        """
        with self._node.database.transaction() as connection:
            connection.execute("UPDATE job SET state='queued' WHERE state='running'")
            (count,) = connection.execute(
                "SELECT COUNT(*) FROM job WHERE state='queued'"
            ).fetchone()
        if count:
            self.wake()
        return int(count)

    def wake(self) -> None:
        """Let a thread look for a job."""
        with self._lock:
            if not self._threads:
                self._threads = [
                    threading.Thread(target=self._run, name=f"job-{n}", daemon=True)
                    for n in range(THREADS)
                ]
                for thread in self._threads:
                    thread.start()
        self._bell.release()

    def stop(self, seconds: float) -> bool:
        """Take no new job, and wait so long for those that run; whether all ended."""
        deadline = time.monotonic() + seconds
        self._ended.set()
        for _ in self._threads:
            self._bell.release()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while not self._ended.is_set():
            self._bell.acquire(timeout=IDLE_SECONDS)
            while not self._ended.is_set() and (job := self._claim()) is not None:
                self._do(job)
        self._node.database.close()

    def _claim(self) -> Job | None:
        """Take the oldest job that waits; one that failed too often fails for good."""
        with self._node.database.transaction() as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM job"  # noqa: S608
                " WHERE state='queued' ORDER BY created, id LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            job = _job(row)
            connection.execute(
                "UPDATE job SET state='running', attempts=attempts+1, updated=?"
                " WHERE id=?",
                (stamp(present()), job.id),
            )
        return job

    def _do(self, job: Job) -> None:
        """Do a job; what it raises is its result, and ends no thread."""
        problem: dict[str, Any] | None = None
        started = time.monotonic()
        if job.attempts >= ATTEMPTS_MAX:
            problem = {"reason": Reason.JOB_KILLED.value, "values": {"job": job.id}}
        else:
            try:
                self._works[job.kind](self._node, job, self._teller(job))
            except ShahrdadError as error:
                problem = {"reason": error.reason.value, "values": dict(error.values)}
            except Exception:
                LOG.exception("job failed", job=job.id)
                values = {"request_id": job.id}
                problem = {"reason": Reason.INTERNAL.value, "values": values}
        self._tell_ended(job.kind, time.monotonic() - started)
        self._node.database.connect().execute(
            "UPDATE job SET state=?, problem=?, updated=? WHERE id=?",
            (
                "failed" if problem else "done",
                json.dumps(problem, ensure_ascii=False, default=str)
                if problem
                else None,
                stamp(present()),
                job.id,
            ),
        )

    def _teller(self, job: Job) -> Tell:
        def tell(done: int, total: int | None) -> None:
            self._node.database.connect().execute(
                "UPDATE job SET done=?, total=? WHERE id=?", (done, total, job.id)
            )

        return tell


def _job(row: tuple[Any, ...]) -> Job:
    number, account, kind, subject, state, attempts, done, total, problem, at = row
    known = json.loads(problem) if problem else None
    return Job(number, account, kind, subject, state, attempts, done, total, known, at)
