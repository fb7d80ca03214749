"""`/v1`: service document, lists of datasets, families and cities, changes, status."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from shahrdad.datasets import standards
from shahrdad.datasets.alignment import THEMES
from shahrdad.datasets.errors import (
    Language,
    Reason,
    RequestError,
    UnavailableError,
    messages,
)
from shahrdad.node.catalog import Change, Dataset
from shahrdad.node.http import freshness, holdings, limits
from shahrdad.node.http.answers import (
    HEAD,
    JSON,
    Call,
    answer,
    as_json,
    headers_alone,
)
from shahrdad.node.http.card_reading import Documents
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.formats import OFFERED
from shahrdad.node.http.languages import LANGUAGES, now
from shahrdad.node.http.listing import ORDERS, Wanted, find_page
from shahrdad.node.http.operations import Answering, Operation
from shahrdad.node.http.pages_of_lists import list_answer
from shahrdad.node.http.parameters import CURSOR, LIMIT, Parameter
from shahrdad.node.http.problem_types import STATUS
from shahrdad.node.http.problems import URN, reasons_of
from shahrdad.node.http.quality import GRADES, grade
from shahrdad.node.http.release import PROTOCOL, release
from shahrdad.node.http.texts import say
from shahrdad.node.limits import PAGE_MAX
from shahrdad.node.search.finding import Found

POLL_SECONDS = 0.5
FILTERS = (
    Parameter("q", "text", 'Words; `"phrase"`; `-word`.', example="بودجه"),
    Parameter("city", "text", "City slug.", repeated=True, example="kerman"),
    Parameter("family", "text", "Standard.", repeated=True, example="budget_lines"),
    Parameter("license", "text", "Licence id.", repeated=True),
    Parameter(
        "fiscal_year", "integer", "Jalali.", minimum=1300, maximum=1499, repeated=True
    ),
    Parameter(
        "theme",
        "choice",
        "EU data theme, as DCAT has it.",
        choices=tuple(sorted({one for found in THEMES.values() for one in found})),
        repeated=True,
        example="ECON",
    ),
    Parameter(
        "format",
        "choice",
        "What the whole table can be downloaded as.",
        choices=OFFERED,
        repeated=True,
        example="csv",
    ),
    Parameter(
        "quality",
        "choice",
        "Grade of the newest version.",
        choices=tuple(GRADES),
        repeated=True,
        example="A",
    ),
    Parameter(
        "covers",
        "moment",
        "A day that the fiscal year of the data has in it.",
        example="1404-06-31",
    ),
    Parameter("updated_after", "moment", "A day of either calendar, or an instant."),
    Parameter("state", "choice", "", choices=("live", "withdrawn"), default="live"),
    Parameter("sort", "choice", "The order.", choices=ORDERS),
    Parameter("facets", "boolean", "Whether to count facets.", default=False),
)
_waiting = 0  # long polls that are open in this process


def wanted(values: Mapping[str, Any]) -> Wanted:
    """Return what a list is asked for by these parameters."""
    return Wanted(
        q=values["q"] or "",
        city=values["city"],
        family=values["family"],
        license=values["license"],
        fiscal_year=values["fiscal_year"],
        updated_after=values["updated_after"],
        withdrawn=values["state"] == "withdrawn",
        theme=values["theme"],
        quality=values["quality"],
        covers=values["covers"],
        tabular=bool(values["format"]),  # a table can be had in all of them
        order=values["sort"],
    )


def get_service(call: Call) -> Response:
    """Answer with what this node is and where everything lies."""
    config = call.node.config
    root = call.public.root
    body = {
        "node": city_name(config.node.city, config).document(),
        "origin": config.federation.origin,
        "cities": sorted(holdings.cities(call.node.database.connect())),
        "software": {"name": "shahrdad", "version": release()},
        "protocol": PROTOCOL,
        "limits": {
            "items_max": limits.ITEMS_MAX,
            "wait_seconds_max": limits.WAIT_SECONDS_MAX,
            "address_bytes_max": limits.ADDRESS_BYTES_MAX,
        },
        "links": {
            "openapi": f"{root}/v1/openapi.json",
            "datasets": f"{root}/v1/datasets",
            "families": f"{root}/v1/families",
            "cities": f"{root}/v1/cities",
            "changes": f"{root}/v1/changes",
            "analyses": f"{root}/v1/analyses",
            "federation": f"{root}/v1/federation",
            "problems": f"{root}/v1/problems",
            "feed": call.public.feed("all"),
            "mirror": f"{root}/mirror/",
            "catalog": f"{root}/catalog.ttl",
            "data_json": f"{root}/data.json",
        },
    }
    return as_json(call, body)


def list_datasets(call: Call) -> Response:
    """Answer with the datasets that are asked for."""
    node = call.node
    found = find_page(
        call,
        wanted(call.values),
        cursor=call.values["cursor"],
        limit=call.values["limit"],
        facets=call.values["facets"],
    )
    items = Documents(node, now()).of(found.ids)
    more: dict[str, Any] = {
        "folded": found.folded,
        "ranking": found.ranking,
        "approximate": sorted(found.approximate),
        "did_you_mean": found.did_you_mean,
    }
    if call.values["facets"]:
        more["facets"] = found.facets
    return list_answer(
        call, items, found.total, found.next_cursor, written=True, **more
    )


def list_families(call: Call) -> Response:
    """Answer with the standards."""
    counts = find_page(call, Wanted(), facets=True).facets["family"]
    items = []
    for name in standards.families():
        standard = standards.load(name)
        items.append({**_standard(standard), "datasets": counts.get(name, 0)})
    return as_json(call, {"items": items, "total": len(items), "next_cursor": None})


def get_family(call: Call) -> Response:
    """Answer with one standard: schema, rules, and who publishes it."""
    standard = standards.load(call.path["family"])
    at = now()
    publishers = [
        {"city": dataset.city, **_current(dataset, at)}
        for dataset in call.node.catalog.list(family=standard.family)
    ]
    body = {
        **_standard(standard),
        "description": {"fa": standard.description_fa, "en": standard.description_en},
        "aligned_with": standard.aligned_with,
        "versions": list(standards.versions(standard.family)),
        "schema": standard.schema,
        "published": publishers,
    }
    return as_json(call, body)


def _standard(standard: standards.Standard) -> dict[str, Any]:
    return {
        "id": standard.family,
        "version": standard.version,
        "status": standard.status,
        "title": {"fa": standard.title_fa, "en": standard.title_en},
        "mandatory": standard.mandatory,
        "cadence": standard.cadence,
        "max_age_days": standard.max_age_days or None,
        "fields": len(standard.fields),
        "rules": len(standard.rules),
        "digest": standard.digest,
    }


def list_cities(call: Call) -> Response:
    """Answer with the cities that publish or are mirrored here."""
    known = holdings.cities(call.node.database.connect())
    items = [_city(call, slug, known[slug]) for slug in sorted(known)]
    return as_json(call, {"items": items, "total": len(items), "next_cursor": None})


def get_city(call: Call) -> Response:
    """Answer with one city and its datasets."""
    slug = call.path["city"]
    known = holdings.cities(call.node.database.connect())
    if slug not in known and slug != call.node.config.node.city:
        raise RequestError(Reason.CITY_UNKNOWN, city=slug[:64])
    logs = call.node.federation_status().get("logs", [])
    at = now()
    body = {
        **_city(call, slug, known.get(slug, (0, ""))),
        "logs": [log for log in logs if log.get("city") == slug],
        "published": [
            {
                "family": dataset.family,
                "title": {"fa": dataset.title_fa, "en": dataset.title_en},
                "rows": dataset.rows,
                **_current(dataset, at),
            }
            for dataset in call.node.catalog.list(city=slug)
        ],
    }
    return as_json(call, body)


def _current(dataset: Dataset, at: datetime) -> dict[str, Any]:
    """Return which version of a dataset is current, how good, and how late the next."""
    due, score = freshness.due(dataset), dataset.score / 10_000
    return {
        "ref": dataset.ref,
        "version": dataset.version,
        "updated": dataset.updated,
        "next_expected": due.isoformat() if due else None,
        "late_days": freshness.days_late(dataset, at) if due else None,
        "quality": {"score": score, "grade": grade(score)},
    }


def _city(call: Call, slug: str, facts: tuple[int, str]) -> dict[str, Any]:
    return {
        **city_name(slug, call.node.config).document(),
        "datasets": facts[0],
        "updated": facts[1] or None,
        "own": slug == call.node.config.node.city,
    }


async def list_changes(call: Call) -> Response:
    """Answer with what this node learned after a cursor; waits when nothing is new."""
    global _waiting
    wait = call.values["wait"]
    deadline = time.monotonic() + wait
    epoch, after = await run_in_threadpool(_position, call)
    changes = await _changes(call, after)
    if not changes and wait:
        if _waiting >= limits.WAITERS_MAX:
            raise UnavailableError(Reason.NOT_READY, state="overloaded")
        _waiting += 1
        try:
            while not changes and time.monotonic() < deadline:
                await asyncio.sleep(POLL_SECONDS)
                if await call.request.is_disconnected():
                    break
                changes = await _changes(call, after)
        finally:
            _waiting -= 1
    last = changes[-1].seq if changes else after
    if not epoch:
        epoch = await run_in_threadpool(_epoch, call)
    body = {
        "items": [_change(change) for change in changes],
        "next_cursor": f"{epoch}:{last}",
    }
    return await run_in_threadpool(as_json, call, body)


def _epoch(call: Call) -> str:
    return holdings.epoch(call.node.database.connect())


def _position(call: Call) -> tuple[str, int]:
    """Return the feed's name and the `seq` that a cursor stands at.

    Raises:
        RequestError: CURSOR_MALFORMED, FEED_CURSOR_EXPIRED.
    """
    connection = call.node.database.connect()
    epoch, cursor = holdings.epoch(connection), call.values["cursor"]
    if cursor is None:
        return epoch, 0
    name, colon, seq = cursor.partition(":")
    if not colon or not (seq.isascii() and seq.isdigit()) or len(seq) > 18:
        raise RequestError(Reason.CURSOR_MALFORMED, cursor=cursor[:100])
    if name != epoch and not (name == "" and int(seq) == 0):
        newest = holdings.newest_change(connection)
        raise RequestError(
            Reason.FEED_CURSOR_EXPIRED,
            cursor=cursor[:100],
            cursor_now=f"{epoch}:{newest}",
        )
    return epoch, int(seq)


async def _changes(call: Call, after: int) -> list[Change]:
    return await run_in_threadpool(
        call.node.catalog.changes, after, call.values["limit"]
    )


def _change(change: Change) -> dict[str, Any]:
    return {
        "seq": change.seq,
        "ref": change.ref,
        "op": change.op,
        "version": change.version,
        "index": change.index,
        "time": change.time,
        "digest": change.digest.hex if change.digest else None,
        "reason": change.reason,
    }


def get_federation(call: Call) -> Response:
    """Answer with what is known of logs and peers."""
    return as_json(call, call.node.federation_status())


def list_problems(call: Call) -> Response:
    """Answer with every problem type, its status and its reasons."""
    items = [_problem(call, kind) for kind in STATUS]
    return as_json(call, {"items": items, "total": len(items), "next_cursor": None})


def _problem(call: Call, kind: str) -> dict[str, Any]:
    return {
        "type": URN + kind,
        "status": STATUS[kind],
        "title": {lang: say(lang, f"problem.{kind}") for lang in LANGUAGES},
        "reasons": {
            reason.value: {lang: _sentence(lang, reason) for lang in LANGUAGES}
            for reason in reasons_of(kind)
        },
        "help": call.public.page(call.language, f"/problems/{kind}"),
    }


def _sentence(language: Language, reason: Reason) -> str:
    return messages(language)[reason]


def get_datasets_csv(call: Call) -> Response:
    """Answer with the list as CSV, one dataset a line."""
    asked, media_type = wanted(call.values), "text/csv; charset=utf-8"
    first = find_page(call, asked, limit=PAGE_MAX)
    if first.next_cursor is None:
        return answer(call, _csv(first.datasets, header=True), media_type)
    headers = {"Content-Type": media_type, "Cache-Control": HEAD}
    if call.is_head:
        return headers_alone(headers)
    return StreamingResponse(_csv_pages(call, asked, first), headers=headers)


def _csv_pages(call: Call, asked: Wanted, page: Found) -> Iterator[bytes]:
    """Yield a long list, a page of it in memory at a time."""
    yield _csv(page.datasets, header=True)
    while page.next_cursor is not None:
        page = find_page(call, asked, cursor=page.next_cursor, limit=PAGE_MAX)
        yield _csv(page.datasets)


def _csv(datasets: Sequence[Dataset], *, header: bool = False) -> bytes:
    """Return one dataset a line."""
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    names = ("ref", "city", "family", "title_fa", "title_en", "version", "updated")
    if header:
        writer.writerow([*names, "rows", "bytes", "license", "fiscal_year", "digest"])
    for item in datasets:
        row = [getattr(item, name) for name in names]
        rest = [item.rows, item.bytes, item.license, item.fiscal_year]
        writer.writerow([*row, *rest, item.digest.hex])
    return out.getvalue().encode()


def operations() -> list[Operation]:
    """Return the operations on lists."""
    family, city = "/v1/families/{family}", "/v1/cities/{city}"
    changes = (
        LIMIT,
        Parameter("cursor", "text", "`<epoch>:<seq>`; none = from the start."),
        Parameter(
            "wait",
            "integer",
            "Seconds to wait for a change when there is none.",
            maximum=limits.WAIT_SECONDS_MAX,
            default=0,
        ),
    )
    found: list[tuple[str, str, Answering, str, Sequence[Parameter], str]] = [
        ("getService", "/v1", get_service, "What this node is.", (), "Service"),
        (
            "listDatasets",
            "/v1/datasets",
            list_datasets,
            "Datasets by search and filters.",
            (*FILTERS, LIMIT, CURSOR),
            "DatasetPage",
        ),
        ("listFamilies", "/v1/families", list_families, "The standards.", (), "Page"),
        ("getFamily", family, get_family, "One standard.", (), "Family"),
        ("listCities", "/v1/cities", list_cities, "The cities.", (), "Page"),
        ("getCity", city, get_city, "One city.", (), "City"),
        (
            "listChanges",
            "/v1/changes",
            list_changes,
            "What this node learned, in its own order; long poll.",
            changes,
            "ChangePage",
        ),
        (
            "getFederation",
            "/v1/federation",
            get_federation,
            "Logs and peers.",
            (),
            "Federation",
        ),
        (
            "listProblems",
            "/v1/problems",
            list_problems,
            "Every problem type.",
            (),
            "Page",
        ),
    ]
    listed = [
        Operation(id_, path, call, summary, parameters, schema=schema)
        for id_, path, call, summary, parameters, schema in found
    ]
    csv_list = Operation(
        "exportDatasets",
        "/v1/datasets.csv",
        get_datasets_csv,
        "The list as CSV.",
        FILTERS,
        media_type="text/csv",
    )
    return [*listed, csv_list]


__all__ = ["FILTERS", "JSON", "operations", "wanted"]
