"""Which bodies of a log are past their time (federation 10.6): superseded and due.

Entries and tiles are never taken away, so that every proof holds for ever; only the
content of a version that a newer one, or a withdrawal, replaced long ago. What is live,
what another log still names, and what nobody can read stays.
"""

import json
from collections.abc import Iterator
from datetime import datetime

from shahrdad.federation.allowances import Retention
from shahrdad.federation.log.reading import LogReading
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.entry import Entry

ENTRIES_AT_ONCE = 4_096


def due(logs: LogReading, origin: str, retention: Retention, now: int) -> list[int]:
    """Return the indexes of a log's versions whose bodies need not stay.

    Args:
        logs: Where the log is held.
        origin: The log.
        retention: How long what stays.
        now: Unix time.
    """
    found = []
    newest: dict[str, Entry] = {}
    for entry in _read(logs, origin):
        if entry.key is None:
            continue
        before = newest.get(entry.key)
        newest[entry.key] = entry
        if before is None or before.op != "put" or before.sha256 is None:
            continue
        superseded = int(datetime.fromisoformat(entry.time).timestamp())
        if retention.keeps("", superseded, now):
            continue  # not even one of no family is due: its body need not be read
        family = family_of(logs, before.sha256)
        if not retention.keeps(family, superseded, now):
            found.append(before.index)
    return sorted(found)


def family_of(logs: LogReading, digest: Digest) -> str | None:
    """Return the standard that a record names; None when it is not held, or none."""
    body = logs.body(digest)
    if body is None:
        return None
    try:
        record = json.loads(body)
    except ValueError:
        return None
    section = record.get("shahrdad") if isinstance(record, dict) else None
    family = section.get("family") if isinstance(section, dict) else None
    return family if isinstance(family, str) else None


def _read(logs: LogReading, origin: str) -> Iterator[Entry]:
    """Yield the entries of a log that are applied."""
    size = logs.log(origin).head_size
    for start in range(0, size, ENTRIES_AT_ONCE):
        raws = logs.entries(origin, start, min(size, start + ENTRIES_AT_ONCE))
        yield from entries.applied(raws, start, origin)
