"""`/resolutions.ics`: what is due of the resolutions, for a calendar (RFC 5545).

Open resolutions with a due date, each a whole day. The same versions give the same
bytes: an event's stamp is the time of the version that says it.
"""

from collections.abc import Iterator
from datetime import timedelta

from starlette.responses import Response

from shahrdad.datasets.errors import Language
from shahrdad.node.analysis import resolutions
from shahrdad.node.analysis.releases import Gathered
from shahrdad.node.analysis.resolutions import Resolution
from shahrdad.node.http.answers import Call, answer
from shahrdad.node.http.languages import TEHRAN, now
from shahrdad.node.http.portal.viewing import label, releases
from shahrdad.node.http.texts import say

MEDIA_TYPE = "text/calendar; charset=utf-8"
LINE_BYTES_MAX = 75  # RFC 5545, 3.1: longer lines are folded


def show(call: Call, language: Language) -> Response:
    """Answer with the calendar."""
    gathered = releases(call).gather("resolutions")
    today = now().astimezone(TEHRAN).date()
    followed = resolutions.follow(gathered, today)
    due = [one for one in followed.resolutions if one.is_open and one.row["due_date"]]
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Shahrdad//resolutions//FA",
        f"X-WR-CALNAME:{escaped(say(language, 'resolutions.title'))}",
        *(line for one in due for line in event(call, gathered, one, language)),
        "END:VCALENDAR",
    ]
    body = "".join(f"{folded(line)}\r\n" for line in lines).encode()
    headers = {"Content-Disposition": 'attachment; filename="resolutions.ics"'}
    return answer(call, body, MEDIA_TYPE, headers)


def event(
    call: Call, gathered: Gathered, one: Resolution, language: Language
) -> Iterator[str]:
    """Yield the lines of an event."""
    row, times = one.row, {release.ref: release.time for release in gathered.releases}
    place = "-".join(str(row[name]) for name in ("session_no", "section_no", "item_no"))
    host = call.node.config.federation.origin.partition("/")[0]
    stamp = times[one.ref].replace("-", "").replace(":", "")
    who = f"{label('resolutions', 'body', row['body'], language)} · "
    yield "BEGIN:VEVENT"
    yield f"UID:{one.ref.replace('/', '-')}-{row['body']}-{place}@{host}"
    yield f"DTSTAMP:{stamp}"
    yield f"DTSTART;VALUE=DATE:{row['due_date']:%Y%m%d}"
    yield f"DTEND;VALUE=DATE:{row['due_date'] + timedelta(days=1):%Y%m%d}"
    yield f"SUMMARY:{escaped(str(row['text_fa']))}"
    if row["responsible"]:
        yield f"DESCRIPTION:{escaped(who + str(row['responsible']))}"
    yield f"URL:{call.public.page(language, '/resolutions')}"
    yield "END:VEVENT"


def escaped(text: str) -> str:
    r"""Return a text as a value: RFC 5545, 3.3.11.

    >>> escaped("a, b; c\nd")
    'a\\, b\\; c\\nd'
    """
    for sign in "\\,;":
        text = text.replace(sign, f"\\{sign}")
    return "\\n".join(text.splitlines())


def folded(line: str) -> str:
    """Return a line in pieces of at most 75 bytes, no letter cut in two."""
    pieces, room = [""], LINE_BYTES_MAX
    for letter in line:
        size = len(letter.encode())
        if size > room:
            pieces.append(" ")
            room = LINE_BYTES_MAX - 1
        pieces[-1] += letter
        room -= size
    return "\r\n".join(pieces)
