"""The report of a Jalali month (9.12), the same on every node that computes it.

Everything follows from the checkpoints that it lists, the month and `as_of`: which
versions count, and every figure. Amounts in rial are decimal text, since a national
budget passes 2^53. Figures are compared with those at the end of the month before.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import rfc8785

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.datasets.jalali import from_gregorian
from shahrdad.node.analysis import checkpoints, duties, month_note, monthly_news
from shahrdad.node.analysis.checkpoints import Checkpoint
from shahrdad.node.analysis.month import Month, instant
from shahrdad.node.analysis.monthly_parts import (
    View,
    aged_dict,
    comparison_list,
    counter_list,
    duty_dict,
    equity_list,
    project_dict,
    resolution_dict,
    scorecard_list,
    smart_list,
    system_dict,
)
from shahrdad.node.analysis.releases import Releases, inputs_digest
from shahrdad.node.http.view import NodeView

FORMAT = "shahrdad.monthly-report.v1"
FAMILIES = (
    "active_systems", "projects", "contracts", "work_sites", "permit_stats", "ideas",
    "org_units", "resolutions",
)  # fmt: skip
MANDATORY = ("budget_lines", "active_systems", "projects")


def compute(node: NodeView, month: Month, now: datetime) -> dict[str, Any]:
    """Return the report of a month from what this node holds.

    Args:
        node: The node.
        month: Over or under way; then the report is provisional.
        now: The present.

    Raises:
        RequestError: MONTH_UNKNOWN: it has not begun.
    """
    present = instant(now)
    if month.start > present:
        raise RequestError(Reason.MONTH_UNKNOWN, month=month.text)
    as_of = min(month.end, present)
    forum = node.config.federation.trust.member_log
    pinned = checkpoints.closed(node, forum, month.text)
    if pinned is None:
        pinned = checkpoints.checkpoints(node, as_of)
    return build(node, forum, month, as_of, pinned)


def recompute(node: NodeView, report: dict[str, Any]) -> dict[str, Any]:
    """Return a report computed again from the checkpoints that it lists.

    Raises:
        RequestError: MALFORMED, MONTH_UNKNOWN, CHECKPOINT_NOT_HELD.
    """
    pinned = checkpoints.parse(report.get("checkpoints"))
    month, as_of = Month.parse(str(report.get("month"))), str(report.get("as_of"))
    if not month.start <= as_of <= month.end:
        raise RequestError(Reason.MALFORMED, field="as_of", detail=as_of[:40])
    checkpoints.check(node, pinned)
    return build(node, str(report.get("forum")), month, as_of, pinned)


def content(report: dict[str, Any]) -> bytes:
    """Return the bytes of a report: canonical JSON (RFC 8785)."""
    return rfc8785.dumps(report)


def view(releases: Releases, at: date) -> View:
    """Return the releases of all families that the report is made of."""
    years = releases.years()
    now = from_gregorian(at)[0]
    year = next((one for one in years if one <= now), None)
    gathered = {family: releases.gather(family) for family in FAMILIES}
    gathered["budget_lines"] = releases.gather("budget_lines", year or 0)
    return View(releases, at, year, gathered)


def build(
    node: NodeView,
    forum: str,
    month: Month,
    as_of: str,
    pinned: Sequence[Checkpoint],
) -> dict[str, Any]:
    """Return the report: a function of its arguments and the pinned logs alone."""
    releases = Releases(node)
    moment = checkpoints.moment(pinned, as_of)
    before = checkpoints.moment(pinned, month.before.end)
    at = duties.day_of(as_of)
    now = view(releases.at(moment), at)
    then = view(releases.at(before), month.before.last)
    judged = duties.judge(now.releases, at, date.min, newest_only=True)
    aged = duties.aged(now.releases, (*MANDATORY, *FAMILIES[2:]), at)
    year_judged = duties.judge(now.releases, at, back_a_year(at))
    listed = monthly_news.changes(now, month, as_of)
    return {
        "format": FORMAT,
        "month": month.text,
        "as_of": as_of,
        "final": as_of == month.end,
        "checkpoints": [one.to_dict() for one in pinned],
        "cities": list(now.releases.cities()),
        "budget_year": now.year,
        "forum": forum,
        "code": month_note.code(forum, month.text, pinned),
        "activity": activity(now, listed, judged, aged),
        "changes": monthly_news.shortened(listed),
        "quality": monthly_news.quality(now, then),
        "notable": notable(now, then),
        "duties": [duty_dict(one) for one in judged],
        "aged": [aged_dict(one) for one in aged],
        "counters": counter_list(now, then),
        "systems": system_dict(now, then),
        "projects": project_dict(now, then),
        "smart_share": smart_list(now),
        "comparison": comparison_list(now, then),
        "scorecard": scorecard_list(now, year_judged),
        "resolutions": resolution_dict(now, month),
        "equity": equity_list(now),
        "not_computed": gaps(now),
        "inputs": [one.to_dict() for one in now.inputs],
        "inputs_digest": inputs_digest(now.inputs),
        "previous_inputs_digest": inputs_digest(then.inputs),
    }


def back_a_year(at: date) -> date:
    """Return the day after the same Jalali day a year before."""
    return date.fromordinal(at.toordinal() - duties.YEAR_DAYS + 1)


def activity(
    now: View,
    listed: list[dict[str, Any]],
    judged: Sequence[duties.Judged],
    aged: Sequence[duties.Aged],
) -> list[dict[str, Any]]:
    """Return what each city published, changed and withdrew, and what it owes."""
    late = [one.city for one in judged if one.state == "late"]
    late += [one.city for one in aged]
    missing = [one.city for one in judged if one.state == "missing"]
    return [
        {
            "city": city,
            **monthly_news.counts(listed, city),
            "late": late.count(city),
            "missing": missing.count(city),
        }
        for city in now.releases.cities()
    ]


def notable(now: View, then: View) -> list[dict[str, Any]]:
    """Return at most three changes, found by rule, each with its grounds."""
    found: list[dict[str, Any]] = []
    changes = [
        one
        for one in comparison_list(now, then)
        if one["change_rial"] not in {None, "0"}
    ]
    if changes:
        largest = max(changes, key=lambda one: abs(int(one["change_rial"])))
        found.append(
            {
                "rule": "budget_change",
                "city": largest["city"],
                "change_rial": largest["change_rial"],
                "inputs": largest["inputs"],
            }
        )
    late = project_dict(now, then)["newly_late"]
    if late:
        found.append({"rule": "newly_late", **late[0]})
    offered = system_dict(now, then)["newly_offered"]
    if offered:
        found.append({"rule": "newly_offered", **offered[0]})
    return found


def gaps(now: View) -> list[dict[str, Any]]:
    """Return what could not be computed, and why."""
    found: list[dict[str, Any]] = []
    for family, gathered in sorted(now.gathered.items()):
        published = {release.city for release in gathered.releases}
        found += [
            {"family": family, "city": city, "ref": None, "cause": "not_published"}
            for city in gathered.cities
            if city not in published
        ]
        found += [
            {"family": family, "city": one.city, "ref": one.ref, "cause": one.cause}
            for one in gathered.excluded
        ]
    return found
