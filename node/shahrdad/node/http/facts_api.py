"""What is known of a version besides its rows: quality, statistics, changes, citation.

Each is computed from the record and the published objects alone, so every mirror says
the same.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.catalog import Dataset
from shahrdad.node.http.answers import JSON, Call, answer, as_json, dump
from shahrdad.node.http.dataset_api import DATASET, find
from shahrdad.node.http.dataset_object import Shown, license_of, show
from shahrdad.node.http.exports.making import reader
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.pages_of_lists import decode, encode
from shahrdad.node.http.parameters import AS_OF, CURSOR, LIMIT, Parameter
from shahrdad.node.http.record_view import TableView, mapping

STATS_KEPT = 1_000
GRADES = ((0.9, "A"), (0.75, "B"), (0.6, "C"), (0.4, "D"), (0.0, "E"))
FORMULA = "score = passed checks / all checks; A >= 0.9, B >= 0.75, C >= 0.6, D >= 0.4"


@dataclass(slots=True)
class Stats:
    """Statistics of tables by their objects, the latest used kept."""

    kept: OrderedDict[str, list[dict[str, Any]]] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, call: Call, shown: Shown, table: TableView) -> list[dict[str, Any]]:
        """Return the statistics of a table."""
        key = "".join(part.digest.hex for part in table.parts)
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
                return self.kept[key]
        found: list[dict[str, Any]] = call.request.app.state.queries.stats(
            reader(shown, table)
        )
        with self.lock:
            self.kept[key] = found
            while len(self.kept) > STATS_KEPT:
                self.kept.popitem(last=False)
        return found


def _shown(call: Call) -> Shown:
    return show(call.node, *find(call, withdrawn_readable=True))


def _table(call: Call, shown: Shown) -> TableView:
    """Return the table that an address names.

    Raises:
        RequestError: RESOURCE_UNKNOWN.
    """
    name = call.path["resource"]
    table = shown.record.table(name)
    if table is None or not table.parts:
        raise RequestError(
            Reason.RESOURCE_UNKNOWN,
            ref=shown.ref,
            resource=name[:100],
            known=", ".join(one.name for one in shown.record.tables),
        )
    return table


def get_stats(call: Call) -> Response:
    """Answer with the statistics of every column of a table."""
    shown = _shown(call)
    table = _table(call, shown)
    body = {
        "ref": shown.ref,
        "resource": table.name,
        "version": shown.version.n,
        "digest": shown.version.digest.hex,
        "rows": table.rows,
        "columns": call.request.app.state.stats.get(call, shown, table),
    }
    return as_json(call, body)


def get_quality(call: Call) -> Response:
    """Answer with the checks of a version, its score and how that is computed."""
    shown = _shown(call)
    checks = list(quality_checks(shown))
    score = sum(check["passed"] for check in checks) / len(checks)
    grade = next(letter for least, letter in GRADES if score >= least)
    body = {
        "ref": shown.ref,
        "version": shown.version.n,
        "score": round(score, 4),
        "grade": grade,
        "formula": FORMULA,
        "checks": checks,
    }
    return as_json(call, body)


def quality_checks(shown: Shown) -> Iterator[dict[str, Any]]:
    """Yield each check with what it found."""
    record = shown.record
    quality = mapping(record.ours.get("quality"))
    tables = [table for table in record.tables if table.parts]
    facts = (
        ("title_in_both_languages", all(record.both("title").values())),
        ("description_in_both_languages", all(record.both("description").values())),
        ("keywords_in_both_languages", bool(
            record.words("keywords") and record.words("keywords_en")
        )),
        ("open_license", license_of(shown)["open"]),
        ("follows_a_standard", shown.standard is not None),
        ("open_format", bool(tables)),
        ("rows_known", all(table.rows is not None for table in tables)),
        ("primary_key", all(table.primary_key for table in tables)),
        ("no_errors", quality.get("errors") == 0),
        ("no_warnings", quality.get("warnings") == 0),
        ("no_quarantined_rows", not quality.get("quarantined_rows")),
        ("validation_report", record.attachment("report") is not None),
        ("four_eyes", record.ours.get("approval") == "four-eyes"),
    )  # fmt: skip
    for name, passed in facts:
        reason = quality.get(name.removeprefix("no_")) if name in _COUNTED else None
        yield {"check": name, "passed": bool(passed), "count": reason}


_COUNTED = frozenset({"no_errors", "no_warnings", "no_quarantined_rows"})
_FROM = Parameter(
    "from", "integer", "The former version; 0 is nothing.", default=None, example="1"
)
_TO = Parameter("to", "integer", "The later version.", minimum=1, default=None)


def get_diff(call: Call) -> Response:
    """Answer with what changed in a table between two versions."""
    from shahrdad.node.table.diff import TableDiff

    dataset = call.node.catalog.get(call.ref)
    late = call.values["to"] or dataset.version
    early = late - 1 if call.values["from"] is None else call.values["from"]
    new = _version(call, dataset, late)
    old = _version(call, dataset, early) if early else None
    table = _table(call, new)
    before = old.record.table(table.name) if old else None
    diff = TableDiff(
        reader(old, before) if old and before else None, reader(new, table)
    )
    start = _start(call, early, late)
    limit = call.values["limit"]
    items, number = [], 0
    with call.request.app.state.exports.slot():
        for batch in diff.records():
            for row in batch.to_pylist():
                if start <= number < start + limit:
                    items.append(_change(row))
                number += 1
    end = start + len(items)
    more = encode("diff", (early, late, end)) if end < number else None
    body = {
        "ref": dataset.ref,
        "resource": table.name,
        "from": early,
        "to": late,
        "summary": diff.summary.to_dict(),
        "items": items,
        "total": number,
        "next_cursor": more,
    }
    return as_json(call, body)


def _version(call: Call, dataset: Dataset, n: int) -> Shown:
    """Return a version to compare.

    Raises:
        RequestError: VERSION_UNKNOWN, VERSION_REDACTED.
    """
    found, version = call.node.catalog.version(dataset.ref, n)
    if version.state == "redacted":
        raise RequestError(Reason.VERSION_REDACTED, ref=dataset.ref, version=n)
    return show(call.node, found, version)


def _start(call: Call, early: int, late: int) -> int:
    """Return the number of the page's first change.

    Raises:
        RequestError: CURSOR_MALFORMED: also one of other versions.
    """
    cursor = call.values["cursor"]
    if cursor is None:
        return 0
    old, new, start = decode("diff", cursor, (0, 0, 0))
    if (old, new) != (early, late) or start < 0:
        raise RequestError(Reason.CURSOR_MALFORMED, cursor=cursor[:100])
    return int(start)


def _change(row: Mapping[str, Any]) -> dict[str, Any]:
    from shahrdad.node.table.rows import json_value

    besides = {"op", "column", "old", "new"}
    key = {
        name: json_value(value) for name, value in row.items() if name not in besides
    }
    found = {"op": row["op"], "key": key}
    if row["op"] == "changed":
        found |= {name: row[name] for name in ("column", "old", "new")}
    return found


def get_citation(call: Call) -> Response:
    """Answer with a citation that names version, digest and receipt."""
    shown = _shown(call)
    form = call.path["form"]
    makers = {"txt": _as_text, "bib": _as_bibtex, "csl.json": _as_csl}
    if form not in makers:
        raise RequestError(
            Reason.FORMAT_UNKNOWN, format=form[:20], known=", ".join(makers)
        )
    media = {
        "txt": "text/plain; charset=utf-8",
        "bib": "application/x-bibtex; charset=utf-8",
        "csl.json": "application/vnd.citationstyles.csl+json",
    }
    return answer(call, makers[form](call, shown), media[form])


def _facts(call: Call, shown: Shown) -> dict[str, str]:
    language = call.language
    return {
        "title": shown.record.text("title", language) or shown.dataset.slug,
        "publisher": shown.record.publisher[language],
        "year": shown.version.time[:4],
        "version": str(shown.version.n),
        "url": shown.addresses.dataset(shown.ref, shown.version.n),
        "digest": shown.version.digest.hex,
        "receipt": shown.addresses.api(shown.ref, shown.version.n, "receipt"),
    }


def _as_text(call: Call, shown: Shown) -> bytes:
    found = _facts(call, shown)
    text = (
        "{publisher} ({year}). {title}. v{version}. {url}\nsha256:{digest}\n{receipt}\n"
    )
    return text.format_map(found).encode()


def _as_bibtex(call: Call, shown: Shown) -> bytes:
    found = {
        name: "".join(letter for letter in text if letter not in "{}\\")
        for name, text in _facts(call, shown).items()
    }
    key = f"{shown.dataset.name}-v{shown.version.n}"
    lines = [
        f"@misc{{{key},",
        f"  title = {{{{{found['title']}}}}},",
        f"  author = {{{{{found['publisher']}}}}},",
        f"  year = {{{found['year']}}},",
        f"  version = {{{found['version']}}},",
        f"  url = {{{found['url']}}},",
        f"  note = {{sha256:{found['digest']}, {found['receipt']}}}",
        "}",
        "",
    ]
    return "\n".join(lines).encode()


def _as_csl(call: Call, shown: Shown) -> bytes:
    found = _facts(call, shown)
    day = [int(part) for part in shown.version.time[:10].split("-")]
    item = {
        "id": f"{shown.dataset.name}-v{found['version']}",
        "type": "dataset",
        "title": found["title"],
        "author": [{"literal": found["publisher"]}],
        "publisher": found["publisher"],
        "issued": {"date-parts": [day]},
        "version": found["version"],
        "URL": found["url"],
        "note": f"sha256:{found['digest']} {found['receipt']}",
    }
    return dump([item])


def operations() -> list[Operation]:
    """Return the operations on what is known of a version."""
    gone = ("not-found", "withdrawn", "redacted", "format-unknown")
    parts = (
        ("Stats", "stats/{resource}", get_stats, "Statistics of each column.", JSON),
        ("Quality", "quality", get_quality, "Checks, score and grade.", JSON),
        ("Citation", "citation.{form}", get_citation, "How to cite it.", "*/*"),
    )
    found = [
        Operation(
            f"get{prefix}{name}",
            f"{DATASET}{version}/{part}",
            call,
            summary,
            parameters,
            media_type=media,
            problems=(*gone, "query-too-expensive"),
        )
        for name, part, call, summary, media in parts
        for prefix, version, parameters in (
            ("", "", (AS_OF,)),
            ("Version", "/v/{n}", ()),
        )
    ]
    diff = Operation(
        "getDiff",
        f"{DATASET}/diff/{{resource}}",
        get_diff,
        "What changed between two versions, by primary key.",
        (_FROM, _TO, LIMIT, CURSOR),
        problems=(*gone, "cursor-invalid", "bad-value"),
    )
    return [*found, diff]
