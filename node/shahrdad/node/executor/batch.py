"""Many files at once: judged in parallel, committed one after the other.

    1 originals  put into the private area, each noted as handed in
    2 judged     by the executor, in waves: a family that others look into goes first
    3 committed  in the order of the files, each its own entry, by the one coordinator

What is published is what publishing the files one by one in that order would publish.
A kill at any moment is mended by running the same command again: done tasks are
remembered, and a file whose content is published already appends nothing.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import record
from shahrdad.node.desk import submissions
from shahrdad.node.executor.judging import part_json, table_of
from shahrdad.node.executor.making import made
from shahrdad.node.executor.ranges import LargeFile, plan_of
from shahrdad.node.executor.task_store import Remembering, TaskStore
from shahrdad.node.executor.tasks import Executor, Result, Task
from shahrdad.node.publish import (
    Handed,
    Outcome,
    check_handed,
    keep_original,
    now,
    prepare_written,
    published_parts,
    sign,
)
from shahrdad.node.record import Attachment
from shahrdad.node.references import families_of
from shahrdad.node.store.contract import Area, read_bytes

if TYPE_CHECKING:
    from shahrdad.node.city import Node

REPORT_BYTES_MAX = 64 * 1024**2
LARGE_BYTES_MIN = 128 * 1024**2  # files from here on are cut into ranges, if possible


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one file; `unreadable` files have a reason and no report."""

    file: str
    ref: str
    state: str
    version: int | None = None
    index: int | None = None
    rows: int | None = None
    errors: int | None = None
    reason: str | None = None
    text: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Received:
    """A file whose original is kept."""

    handed: Handed
    original: Attachment
    number: int


OnEntry = Callable[[Entry], None]


def publish_all(
    node: "Node",
    files: Sequence[Handed],
    executor: Executor,
    *,
    on_entry: OnEntry = lambda entry: None,
    cancel: threading.Event | None = None,
) -> list[Entry]:
    """Publish many files, each as the next version of its dataset.

    Args:
        node: Ready to sign.
        files: In the order of their entries within a wave; no slug twice.
        executor: Judges them.
        on_entry: Told of each as it is settled.
        cancel: Ends the run; what is committed stays.

    Raises:
        RequestError: APPROVAL_NEEDED, FILE_NOT_FOUND, SLUG_WRONG, STANDARD_UNKNOWN.
        UnavailableError: the executor, the store or the signer does not answer.
    """
    if node.config.publish.approval != "single":
        raise RequestError(Reason.APPROVAL_NEEDED)
    for handed in files:
        check_handed(handed)
    cancel = cancel or threading.Event()
    remembering = Remembering(executor, TaskStore(node.database))
    found: list[Entry] = []
    for wave in waves(files):
        if cancel.is_set():
            break
        found += _Wave(node, wave, on_entry, executor).run(remembering, cancel)
    return found


def waves(files: Iterable[Handed]) -> list[list[Handed]]:
    """Return the files in groups: rules of a group look only into earlier groups.

    Two families that look into each other are in one group, and see the releases that
    were there before.
    """
    left = list(files)
    found: list[list[Handed]] = []
    while left:
        waiting = {handed.family for handed in left}
        ready = [
            handed
            for handed in left
            if not (families_of(handed.family) - {handed.family}) & waiting
        ]
        group = ready or left
        found.append(group)
        left = [handed for handed in left if handed not in group]
    return found


class _Wave:
    """Files that are judged at the same time."""

    def __init__(
        self,
        node: "Node",
        files: Sequence[Handed],
        on_entry: OnEntry,
        again: Executor,
    ) -> None:
        self._node, self._files, self._on_entry = node, files, on_entry
        self._again = again  # remembers nothing: what it made before is gone
        self._entries: list[Entry] = []
        self._done: dict[str, Result] = {}

    def run(self, executor: Executor, cancel: threading.Event) -> list[Entry]:
        """Judge all, and commit each when all before it are settled."""
        received = [self._receive(handed) for handed in self._files]
        tasks = [task_of(self._node, one.handed, one.original) for one in received]
        order = list(zip(received, tasks, strict=True))
        plans = {
            task.id: plan_of(one.handed)
            for one, task in order
            if one.original.size >= LARGE_BYTES_MIN
        }

        def settle(task: Task, result: Result) -> None:
            self._done[task.id] = result
            while order and order[0][1].id in self._done:
                one, first = order.pop(0)
                self._settle(one, self._done[first.id])

        def receive(task: Task, result: Result) -> None:
            if made(self._node, str(task.arguments["ref"]), result):
                settle(task, result)
            else:
                lost.append(task)

        lost: list[Task] = []
        small = [task for task in tasks if plans.get(task.id) is None]
        executor.run(small, on_done=receive, cancel=cancel)
        if lost and not cancel.is_set():
            self._again.run(lost, on_done=settle, cancel=cancel)
        for one, task in list(order):
            plan = plans.get(task.id)
            if plan is None or cancel.is_set():
                continue
            # One after the other: each keeps all workers busy.
            found = LargeFile(
                self._node, one.handed, task, plan, self._again, cancel, _silent
            ).run()
            if found is not None:
                settle(task, found.result)
            elif not cancel.is_set():
                executor.run([task], on_done=settle, cancel=cancel)
        return self._entries

    def _receive(self, handed: Handed) -> _Received:
        """Keep the original, and note that it was handed in."""
        ref = f"{self._node.config.node.city}/{handed.slug}"
        original = keep_original(self._node, handed, ref, _silent)
        number = submissions.receive(
            self._node.database.connect(),
            at=now(),
            ref=ref,
            family=handed.family,
            file_name=handed.file.name,
            original=original.digest,
        )
        return _Received(handed, original, number)

    def _settle(self, one: _Received, result: Result) -> None:
        """Commit a judged file, or note why not."""
        ref = f"{self._node.config.node.city}/{one.handed.slug}"
        name, report = one.handed.file.name, None
        if result["state"] == "unreadable":
            entry = Entry(
                name, ref, "refused", reason=result["reason"], text=result["text"]
            )
        elif result["state"] == "refused":
            report = Digest.parse(result["report"])
            entry = Entry(name, ref, "refused", errors=result["errors"])
        else:
            with self._node.database.exclusive("publish"):
                outcome = commit(self._node, one.handed, one.original, result)
            report = outcome.report_digest
            entry = Entry(
                name,
                ref,
                outcome.state,
                outcome.version,
                outcome.index,
                outcome.rows,
                0,
            )
        submissions.settle(
            self._node.database.connect(),
            one.number,
            state=entry.state,
            report=report,
            version=entry.version,
        )
        self._entries.append(entry)
        self._on_entry(entry)


def commit(
    node: "Node", handed: Handed, original: Attachment, result: Result
) -> Outcome:
    """Make the record of a judged file and sign it; under the publishing lock."""
    node.projection.follow()
    ref = f"{node.config.node.city}/{handed.slug}"
    digest = Digest.parse(result["report"])
    facts = json.loads(read_bytes(node.store, Area.OBJECT, digest, REPORT_BYTES_MAX))
    stored = Attachment(
        "report", "report", digest, result["report_size"], "json", "application/json"
    )
    ready = prepare_written(
        node,
        handed,
        original,
        table_of(result["table"]),
        stored,
        facts,
        node.newest(ref),
        {"approval": node.config.publish.approval},
    )
    return sign(node, handed, original, ready, facts, _silent)


def task_of(node: "Node", handed: Handed, original: Attachment) -> Task:
    """Return the task that judges a file, with all that it looks into, by digests."""
    node.projection.follow()
    ref = f"{node.config.node.city}/{handed.slug}"
    before = node.newest(ref)
    pinned_before = None
    if before is not None:
        parts = published_parts(before.body)
        m = record.cut_size(before.body)
        pinned_before = {"parts": [part_json(part) for part in parts], "m": m}
    return Task(
        "judge",
        {
            "file_name": handed.file.name,
            "original": original.digest.hex,
            "family": handed.family,
            "ref": ref,
            "profile": dict(handed.profile),
            "context": {
                "city_code": node.config.node.city_code,
                "release_date": now()[:10],
                **handed.context,
            },
            "options": dict(handed.options),
            "previous": _pinned(node, ref),
            "refs": _references(node, handed.family),
            "before": pinned_before
            if pinned_before and pinned_before["parts"]
            else None,
        },
    )


def _references(node: "Node", family: str) -> dict[str, Any]:
    """Return the city's newest release of each family that the rules look into."""
    found = {}
    for other in sorted(families_of(family) - {family}):
        held = node.catalog.list(city=node.config.node.city, family=other)
        newest = max(held, key=lambda dataset: dataset.updated, default=None)
        pinned = None if newest is None else _pinned(node, newest.ref)
        if pinned is not None:
            found[other] = pinned
    return found


def _pinned(node: "Node", ref: str) -> dict[str, Any] | None:
    """Return a dataset's newest version, pinned; None when it has no table."""
    try:
        dataset = node.catalog.get(ref)
    except RequestError:
        return None
    parts = record.table_parts(node.catalog.body(dataset.digest))
    if not parts:
        return None
    return {
        "release": f"{dataset.ref}@{dataset.version}",
        "digest": dataset.digest.hex,
        "parts": [part.hex for part in parts],
    }


def _silent(stage: object, done: int, total: int | None) -> None:
    """Tell nobody: progress of a batch is by file."""
