"""What the published report of a version says of each column: warnings, mended values.

The report is the one that was signed with the version. A record may be another city's,
so what has the wrong shape is left out.
"""

import json
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.node.http import limits
from shahrdad.node.http.dataset_object import Shown
from shahrdad.node.http.record_view import count, mapping
from shahrdad.node.store.contract import Area, read_bytes

KEPT_MAX = 256


@dataclass(frozen=True, slots=True)
class Judged:
    """What a report counts, by column.

    Attributes:
        warnings: Findings that did not hold the file back.
        mended: Values that were written in one way: digits, letters, dates.
    """

    warnings: Mapping[str, int]
    mended: Mapping[str, int]


class ReportFigures:
    """Reads reports and keeps the latest read ones."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Judged | None] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, shown: Shown) -> Judged | None:
        """Return what the report of a version counts; None where nobody can tell."""
        report = shown.record.attachment("report")
        if report is None or report.bytes > limits.REPORT_BYTES_MAX:
            return None
        key = report.digest.hex
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        try:
            data = read_bytes(
                shown.node.store,
                Area.OBJECT,
                report.digest,
                limits.REPORT_BYTES_MAX,
            )
        except ShahrdadError:
            return None  # absent for now: it may come later
        found = judged(data)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return found


def judged(data: bytes) -> Judged | None:
    """Return what a report counts by column; None of one that lists not all.

    >>> notices = b'"notices": [{"fieldName": "area"}]'
    >>> judged(b'{"shahrdad": {"counts": {}, %b}}' % notices).warnings
    {'area': 1}
    """
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return None
    ours = mapping(mapping(body).get("shahrdad"))
    counts = ours.get("counts")
    if not isinstance(counts, dict) or counts.get("truncated"):
        return None
    mended: Counter[str] = Counter()
    for step in _objects(ours.get("normalisation")):
        mended[str(step.get("column"))] += count(step.get("changed")) or 0
    notices = _objects(ours.get("notices"))
    warnings = Counter(str(one["fieldName"]) for one in notices if one.get("fieldName"))
    return Judged(dict(warnings), dict(mended))


def _objects(listed: Any) -> list[Mapping[str, Any]]:
    found = listed if isinstance(listed, list) else []
    return [one for one in found if isinstance(one, dict)]
