"""What `serve` does beside answering: finish approvals, and forget what is too old.

each minute       approved drafts that a kill or an error left are published,
                  deliveries that are due are fetched, notices go out by e-mail
every six hours   names and addresses of the audit older than two years, files that
                  did not arrive whole, and uploads that no draft was made of
"""

import threading
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.node.accounts import audit
from shahrdad.node.accounts.moments import present, stamp
from shahrdad.node.desk import deliveries, drafting, drafts, notices, resumable
from shahrdad.node.http.write import deferring
from shahrdad.node.http.write.limits import UPLOAD_HOURS

if TYPE_CHECKING:
    from shahrdad.node.city import Node

FINISH_SECONDS = 60.0
FORGET_SECONDS = 6 * 3600.0


def run(node: "Node", ended: threading.Event) -> None:
    """Keep house until `ended`; an error is logged and tried again."""
    log = structlog.get_logger("shahrdad.housekeeping")
    forgotten = -FORGET_SECONDS
    while not ended.is_set():
        try:
            for draft in finish_approved(node):
                log.info("finished", draft=draft.id, index=draft.index)
            deliveries.run_due(node, present())
            notices.run(node, present())
            if time.monotonic() - forgotten >= FORGET_SECONDS:
                log.info("forgotten", **forget_old(node, present()))
                forgotten = time.monotonic()
        except ShahrdadError as error:
            log.error("housekeeping", reason=error.reason, detail=str(error))
        ended.wait(FINISH_SECONDS)
    node.database.close()


def finish_approved(node: "Node") -> list[drafts.Draft]:
    """Publish what was approved before a kill; nothing approved needs no signer.

    Raises:
        UnavailableError: SIGNING_WAITS; the approval stands, the next call tries again.
    """
    from shahrdad.federation.log.writer import State

    if not drafts.find(node.database.connect(), ["approved"]):
        return []
    if node.writer.state is not State.READY:
        with node.database.exclusive("publish"):
            node.start_signing()
    return drafting.finish(node)


def forget_old(node: "Node", at: datetime) -> dict[str, int]:
    """Forget what is kept too long.

    Returns:
        How many personal values of the audit, unfinished files, unused uploads, and
        answers that nobody asks for any more.
    """
    old = stamp(at - timedelta(hours=UPLOAD_HOURS))
    with node.database.transaction() as connection:
        personal = audit.forget(connection, at)
        pieces = resumable.forget_old(node, connection, at)
        answers = deferring.forget_old(connection, old)
        # The row stays: whoever sent a file does not approve it, years later either.
        unused = connection.execute(
            "DELETE FROM object_ref WHERE kind='draft' AND owner IN ("
            " SELECT id FROM upload WHERE created<? AND id NOT IN ("
            "  SELECT upload FROM intake WHERE stage NOT IN('drafted','discarded')))",
            (old,),
        ).rowcount
    return {
        "personal": personal,
        "pieces": pieces,
        "uploads": unused,
        "answers": answers,
    }
