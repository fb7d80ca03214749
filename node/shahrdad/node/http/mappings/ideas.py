"""Ideas with votes as a Pabulib file (standards 7.7): the totals of a vote.

The format wants the ballots too, which no standard of ours publishes, and a budget,
which is told as what the selected ideas cost; the file's comment says both.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.dataset_object import Shown
from shahrdad.node.http.mappings.rows import Row, rows_of

SELECTED = frozenset({"selected", "piloting", "implemented"})
COMMENT = (
    "Totals of each project; ballots are not published."
    " The budget is the cost of the selected projects."
)


def pabulib(shown: Shown, asked: Mapping[str, str]) -> bytes:
    """Return the ideas of one event; `event` names it where there are several.

    Raises:
        RequestError: PARAMETER_VALUE: there are several events, or none of the name.
    """
    every = rows_of(shown)
    events = sorted({str(row["event_id"]) for row in every})
    wanted = asked.get("event") or (events[0] if len(events) == 1 else "")
    if wanted not in events:
        raise RequestError(
            Reason.PARAMETER_VALUE,
            parameter="event",
            value=wanted[:100],
            expected=" | ".join(events[:50]) or "–",
        )
    rows = [row for row in every if row["event_id"] == wanted]
    costed = [row for row in rows if row.get("estimated_cost_rial") is not None]
    title = str(rows[0]["event_title_fa"])
    lines = ["META", "key;value", *_meta(shown, wanted, title, costed)]
    lines += ["PROJECTS", "project_id;cost;votes;name;selected"]
    lines += [
        _line(
            row["idea_id"],
            row["estimated_cost_rial"],
            row.get("votes") or 0,
            row["title_fa"],
            int(row["status"] in SELECTED),
        )
        for row in costed
    ]
    lines += ["VOTES", "voter_id;vote"]
    return ("\n".join(lines) + "\n").encode()


def _meta(shown: Shown, event: str, title: str, rows: Sequence[Row]) -> list[str]:
    city = city_name(shown.dataset.city, shown.node.config)
    days = [row["submitted_date"] for row in rows if row.get("submitted_date")]
    budget = sum(
        row["estimated_cost_rial"] for row in rows if row["status"] in SELECTED
    )
    told = {
        "description": title,
        "country": "Iran",
        "unit": city.name("en"),
        "instance": event,
        "num_projects": len(rows),
        "num_votes": 0,
        "budget": budget,
        "vote_type": "approval",
        "rule": "unknown",
        "date_begin": min(days).isoformat() if days else "",
        "date_end": max(days).isoformat() if days else "",
        "language": "fa",
        "currency": "IRR",
        "comment": COMMENT,
    }
    return [_line(name, value) for name, value in told.items() if value != ""]


def _line(*cells: Any) -> str:
    """Return a line; the format has no quotes, so a separator inside is a comma."""
    plain = (" ".join(str(cell).split()).replace(";", "،") for cell in cells)
    return ";".join(plain)
