"""Publishing one large file: judged in ranges, committed like any other.

Without an executor, or when the file cannot be cut, this is `publish.publish`. With one
the result is the same, entry for entry and object for object.
"""

import threading
from typing import TYPE_CHECKING

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.desk import submissions
from shahrdad.node.executor.batch import commit, task_of
from shahrdad.node.executor.ranges import LargeFile, plan_of
from shahrdad.node.executor.tasks import Executor
from shahrdad.node.publish import (
    Handed,
    OnProgress,
    Outcome,
    check_handed,
    keep_original,
    now,
    publish,
)

if TYPE_CHECKING:
    from shahrdad.node.city import Node
    from shahrdad.validators.report import Report


def publish_large(
    node: "Node",
    handed: Handed,
    executor: Executor,
    tell: OnProgress,
    range_bytes: int | None = None,
    cancel: threading.Event | None = None,
) -> tuple[Outcome, "Report"]:
    """Judge a file on an executor and publish it; see `publish.publish`.

    Args:
        node: Ready to sign; the approval of another is not asked for here.
        handed: The file.
        executor: Judges its ranges and writes its parts.
        tell: Told how many of them are done.
        range_bytes: About so many for a range; None for the usual.
        cancel: Ends the work of the executor; the file is then published in one pass.

    Raises:
        RequestError, DataError, UnavailableError: As `publish.publish`.
    """
    check_handed(handed)
    if node.config.publish.approval != "single":
        raise RequestError(Reason.APPROVAL_NEEDED)
    plan = plan_of(handed, range_bytes)
    if plan is None:
        return publish(node, handed, tell)
    ref = f"{node.config.node.city}/{handed.slug}"
    original = keep_original(node, handed, ref, tell)
    task = task_of(node, handed, original)
    large = LargeFile(
        node, handed, task, plan, executor, cancel or threading.Event(), tell
    )
    found = large.run()
    if found is None:
        return publish(node, handed, tell)
    number = submissions.receive(
        node.database.connect(),
        at=now(),
        ref=ref,
        family=handed.family,
        file_name=handed.file.name,
        original=original.digest,
    )
    report = found.report
    if report.valid:
        with node.database.exclusive("publish"):
            outcome = commit(node, handed, original, found.result)
    else:
        kept = Digest.parse(found.result["report"])
        outcome = Outcome("refused", ref, report.to_dict(), kept, original.digest)
    submissions.settle(
        node.database.connect(),
        number,
        state=outcome.state,
        report=outcome.report_digest,
        version=outcome.version,
    )
    return outcome, report
