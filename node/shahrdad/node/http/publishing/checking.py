"""The result: what is wrong at which cell, what changed since the try before."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from shahrdad.datasets import standards
from shahrdad.datasets.errors import (
    Language,
    Reason,
    RequestError,
    ShahrdadError,
)
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.accounts.roles import Action
from shahrdad.node.desk import drafting, drafts, intakes
from shahrdad.node.desk.draft_view import may_see
from shahrdad.node.desk.drafts import Draft
from shahrdad.node.http.publishing.asking import judge
from shahrdad.node.http.publishing.choosing import TEMPLATE, check_open
from shahrdad.node.http.publishing.counter import Door, Visit
from shahrdad.node.http.texts import texts
from shahrdad.node.limits import REPORT_BYTES_MAX
from shahrdad.node.store.contract import Area, read_bytes

CELLS_SHOWN = 12  # of one kind of error
GROUPS_SHOWN = 30
CHANGES_SHOWN = 20
WAIVER_LETTERS_MIN = 10


def visible(visit: Visit) -> Draft:
    """Return the draft of the address; one that is not to be seen is unknown.

    Raises:
        RequestError: DRAFT_UNKNOWN.
    """
    draft = drafts.get(visit.node.database.connect(), visit.number)
    if not may_see(visit.actor, draft):
        raise RequestError(Reason.DRAFT_UNKNOWN, draft=visit.number[:40])
    return draft


def report_of(visit: Visit, digest: Digest | bytes | None) -> Mapping[str, Any] | None:
    """Return a kept report, or None where it is gone."""
    if digest is None:
        return None
    named = digest if isinstance(digest, Digest) else Digest(digest)
    try:
        content = read_bytes(visit.node.store, Area.PRIVATE, named, REPORT_BYTES_MAX)
    except ShahrdadError:
        return None
    return strict_json.loads(content, bytes_max=REPORT_BYTES_MAX)


def show(visit: Visit) -> Response:
    """Show the result of the last check."""
    draft = visible(visit)
    report = report_of(visit, draft.now.report)
    intake = intakes.find(visit.node.database.connect(), draft.id)
    mine = intake is not None and intake.account == visit.actor.account
    return visit.show(
        "check.html",
        draft=draft,
        mine=mine,
        result=result_of(report, visit.language) if report else None,
        waivable=waivable(draft, report, visit.language) if report and mine else [],
        waived=intake.said.waived if intake else {},
        comparison=comparison(visit, draft, report),
    )


def result_of(report: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """Return what a page shows of a report: counts, errors by kind, changes."""
    ours = report["shahrdad"]
    counts = ours["counts"]
    errors = report["tasks"][0]["errors"]
    notices = [one for one in ours["notices"] if one["severity"] == "warning"]
    steps: dict[str, int] = {}
    for entry in ours["normalisation"]:
        steps[entry["step"]] = steps.get(entry["step"], 0) + entry["changed"]
    return {
        "valid": report["valid"],
        "rows": counts["rows"],
        "errors": counts["errors"],
        "warnings": counts["warnings"],
        "wrong_rows": counts["rows_with_errors"],
        "groups": groups(errors, counts["by_code"], language),
        "notices": groups(notices, counts["by_code"], language),
        "steps": [
            (step_name(step, language), count)
            for step, count in sorted(steps.items(), key=lambda item: -item[1])
        ],
    }


def step_name(step: str, language: Language) -> str:
    """Return a step of the normalisation in words; an unnamed one as it is."""
    return texts(language).get(f"publish.norm_{step}", step)


def groups(
    errors: list[Any], by_code: Mapping[str, int], language: Language
) -> list[dict[str, Any]]:
    """Return findings by kind, the most frequent first; each with its first cells."""
    found: dict[str, dict[str, Any]] = {}
    for error in errors:
        group = found.setdefault(
            error["code"],
            {
                "code": error["code"],
                "count": by_code.get(error["code"], 0),
                "fix": error["fix"][language],
                "cells": [],
            },
        )
        if len(group["cells"]) < CELLS_SHOWN:
            address = str(error["address"] or "")
            group["cells"].append(
                {
                    "address": address.rpartition("!")[2],
                    "sheet": address.rpartition("!")[0],
                    "value": error["value"],
                    "message": error["messages"][language],
                }
            )
    for group in found.values():  # a single finding says itself what it is about
        cells = group["cells"]
        group["name"] = cells[0]["message"] if group["count"] == 1 else group["fix"]
    ordered = sorted(found.values(), key=lambda one: -one["count"])
    return ordered[:GROUPS_SHOWN]


def waivable(
    draft: Draft, report: Mapping[str, Any], language: Language
) -> list[dict[str, str]]:
    """Return the violated rules that may be waived with a published reason."""
    if draft.now.family is None:
        return []
    standard = standards.load(draft.now.family)
    may = {rule.id for rule in standard.rules if rule.waivable}
    said = {
        error["rule"]: error["messages"][language]
        for error in report["tasks"][0]["errors"]
        if error["rule"]
    }
    return [
        {"id": one["id"], "message": said.get(one["id"], one["name"])}
        for one in report["shahrdad"]["rules"]
        if one["id"] in may
        and one["outcome"] == "violated"
        and one["severity"] == "error"
    ]


def comparison(
    visit: Visit, draft: Draft, report: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Return what became of the errors since the try before."""
    tried = intakes.tries(visit.node.database.connect(), draft.id)
    if len(tried) < 2 or report is None:
        return None
    before = report_of(visit, tried[1].report)
    if before is None:
        return None
    old = before["shahrdad"]["counts"]
    new = report["shahrdad"]["counts"]
    gone, left, come = cell_changes(before, report)
    return {
        "tries": len(tried),
        "file_name": tried[1].file_name,
        "at": tried[1].at,
        "errors_before": old["errors"],
        "errors_now": new["errors"],
        "rows_before": old["rows"],
        "rows_now": new["rows"],
        "mended": len(gone),
        "left": len(left),
        "come": len(come),
        "come_cells": sorted(come)[:CHANGES_SHOWN],
    }


def cell_changes(
    before: Mapping[str, Any], now: Mapping[str, Any]
) -> tuple[set[str], set[str], set[str]]:
    """Return the wrong cells that are mended, still wrong, and newly wrong."""
    old, new = wrong_cells(before), wrong_cells(now)
    return old - new, old & new, new - old


def wrong_cells(report: Mapping[str, Any]) -> set[str]:
    """Return the addresses of a report's errors; a table's error by its code."""
    return {
        str(error["address"] or error["code"]) for error in report["tasks"][0]["errors"]
    }


def waive(visit: Visit) -> Response:
    """Judge again with a rule waived; the reason is published.

    Raises:
        RequestError: MEMBER_WRONG: the reason says too little.
    """
    connection = visit.node.database.connect()
    intake = intakes.get(connection, visit.number, visit.actor.account)
    check_open(visit, intake.id)
    rule, reason = visit.form.text("rule"), visit.form.text("reason")
    if len(reason) < WAIVER_LETTERS_MIN:
        expected = f"text, at least {WAIVER_LETTERS_MIN}"
        raise RequestError(Reason.MEMBER_WRONG, pointer="reason", expected=expected)
    known = {one.id for one in standards.load(intake.family).rules if one.waivable}
    if rule not in known:
        expected = " | ".join(sorted(known))
        raise RequestError(Reason.MEMBER_WRONG, pointer="rule", expected=expected)
    waived = {**intake.said.waived, rule: reason}
    return judge(visit, replace(intake, said=replace(intake.said, waived=waived)))


def marked(visit: Visit) -> Response:
    """Answer with the publisher's own table, its wrong cells coloured and explained."""
    draft = visible(visit)
    content = drafting.marked_workbook(visit.node, draft, visit.language)
    headers = {
        "Content-Disposition": f'attachment; filename="{draft.now.slug}-marked.xlsx"',
        "Cache-Control": "no-store",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(content, headers=headers, media_type=TEMPLATE)


def doors() -> list[Door]:
    """Return the addresses."""
    read, write = Action.DRAFT_READ, Action.DRAFT_WRITE
    return [
        Door("Check", "GET", "/{draft}/check", read, show),
        Door("Waive", "POST", "/{draft}/waive", write, waive, "form"),
        Door("Marked", "GET", "/{draft}/marked", read, marked),
    ]
