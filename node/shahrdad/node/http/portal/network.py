"""`/federation`: logs, peers, keys and what the months brought (portal 11)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import groupby
from typing import Any

import segno
from starlette.responses import Response

from shahrdad.datasets.errors import Language
from shahrdad.node.analysis.month import Month
from shahrdad.node.analysis.releases import Releases
from shahrdad.node.http.answers import Call
from shahrdad.node.http.languages import TEHRAN, now
from shahrdad.node.http.portal.front import Activity, activity_in
from shahrdad.node.http.portal.limits import CODE_BYTES_MAX, CODES_KEPT_MAX
from shahrdad.node.http.portal.report import month_name
from shahrdad.node.http.portal.viewing import name_of, releases
from shahrdad.node.http.release import PROTOCOL
from shahrdad.node.http.rendering import page

MONTHS = 6
GROUP_DIGITS = 4
ALARMS = ("quarantined", "stale")


@dataclass(frozen=True, slots=True)
class Key:
    """A verification key, as people compare, scan or copy it."""

    vkey: str

    @property
    def groups(self) -> list[str]:
        """The SHA-256 of its line, in groups that can be read aloud."""
        digits = sha256(self.vkey.encode()).hexdigest()
        starts = range(0, len(digits), GROUP_DIGITS)
        return [digits[at : at + GROUP_DIGITS] for at in starts]

    @property
    def code(self) -> tuple[int, str] | None:
        """Size and path of its QR code; None for a line that is too long for one."""
        return drawn(self.vkey)


@lru_cache(CODES_KEPT_MAX)
def drawn(vkey: str) -> tuple[int, str] | None:
    """Return size and path of the QR code of a line."""
    if len(vkey.encode()) > CODE_BYTES_MAX:
        return None
    matrix = segno.make_qr(vkey, error="m").matrix
    strokes = []
    for y, row in enumerate(matrix):
        x = 0
        for dark, run in groupby(row):
            length = len(list(run))
            if dark:
                strokes.append(f"M{x} {y}h{length}v1h-{length}z")
            x += length
    return len(matrix), "".join(strokes)


def show(call: Call, language: Language) -> Response:
    """Show who holds what, what is wrong, and the keys to compare."""
    status = call.node.federation_status()
    logs = [
        {**log, "name": name_of(call, str(log.get("city") or "")), "keys": keys_of(log)}
        for log in status.get("logs") or []
    ]
    own = call.node.config.node.city
    return page(
        call,
        "portal/network.html",
        language,
        logs=logs,
        peers=status.get("peers") or [],
        alarms=[log for log in logs if log.get("state") in ALARMS],
        short=[log for log in logs if log.get("missing_bodies")],
        own_keys=[key for log in logs if log.get("city") == own for key in log["keys"]],
        quorum=status.get("quorum"),
        months=months(call, language),
        protocol=PROTOCOL,
    )


def keys_of(log: Mapping[str, Any]) -> list[Key]:
    """Return the keys of a log."""
    return [Key(str(vkey)) for vkey in log.get("vkeys") or []]


def months(call: Call, language: Language) -> list[dict[str, Any]]:
    """Return what each of the last months brought, the newest first."""
    reader = releases(call)
    newest = Month.of(now().astimezone(TEHRAN).date())
    found: list[Activity] = reader.once(
        ("months", newest.text), lambda: activities(reader, newest)
    )
    return [
        {"month": one.month, "name": month_name(one.month, language), "activity": one}
        for one in found
    ]


def activities(reader: Releases, month: Month) -> list[Activity]:
    """Return what a month and those before it brought."""
    found = []
    for _ in range(MONTHS):
        found.append(activity_in(reader, month))
        month = month.before
    return found
