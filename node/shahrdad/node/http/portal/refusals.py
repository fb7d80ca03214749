"""What this node did not take, month by month: files of its city, entries of others.

Numbers alone are public: no file's name, no person, no draft. A file that was mended
and handed in again is another file, so the month has both.
"""

import sqlite3
from dataclasses import dataclass

from shahrdad.datasets.errors import Reason
from shahrdad.node.analysis.month import Month
from shahrdad.node.http import holdings

MONTHS = 6
# What came whole and failed a check; a node that did not answer was not refused.
CHECKS = (
    Reason.BAD_PROOF,
    Reason.BAD_SIGNATURE,
    Reason.DIGEST_MISMATCH,
    Reason.EQUIVOCATION,
    Reason.LOG_FORKED,
    Reason.MALFORMED,
    Reason.MASS_WITHDRAWAL,
    Reason.QUOTA_EXCEEDED,
    Reason.SERIAL_WRONG,
    Reason.SIZE_MISMATCH,
    Reason.TOO_LARGE,
)


@dataclass(frozen=True, slots=True)
class Refusals:
    """What was not taken in a month.

    Attributes:
        files: Handed in by this city and judged.
        refused: Of them, those with errors.
        entries: Of other nodes' logs, that failed a check.
    """

    month: Month
    files: int
    refused: int
    entries: int


def refusals(connection: sqlite3.Connection, newest: Month) -> list[Refusals]:
    """Return a month and those before it, the newest first."""
    months = [newest]
    while len(months) < MONTHS:
        months.append(months[-1].before)
    starts = [month.start for month in months]
    files = holdings.files_judged(connection, starts, newest.end)
    entries = holdings.entries_refused(connection, starts, newest.end, CHECKS)
    return [
        Refusals(month, *files.get(month.start, (0, 0)), entries.get(month.start, 0))
        for month in months
    ]
