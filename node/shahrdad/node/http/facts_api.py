"""What is known of a version besides its rows: quality, statistics, changes, citation.

Each is computed from the record and the published objects alone, so every mirror says
the same.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.catalog import Dataset
from shahrdad.node.http import quality
from shahrdad.node.http.answers import JSON, Call, answer, as_json, dump
from shahrdad.node.http.cross_city import gather, union
from shahrdad.node.http.dataset_api import DATASET, find
from shahrdad.node.http.dataset_object import Shown, quality_of, show
from shahrdad.node.http.exports.making import reader
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.pages_of_lists import decode, encode
from shahrdad.node.http.parameters import AS_OF, CURSOR, LIMIT, Parameter
from shahrdad.node.http.record_view import TableView

if TYPE_CHECKING:
    from shahrdad.node.table.reading import TableReader

STATS_KEPT = 1_000


@dataclass(slots=True)
class Stats:
    """Statistics of tables by their objects, the latest used kept."""

    kept: OrderedDict[str, list[dict[str, Any]]] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, call: Call, shown: Shown, table: TableView) -> list[dict[str, Any]]:
        """Return the statistics of a table."""
        key = "".join(part.digest.hex for part in table.parts)
        return self._keep(call, key, lambda: reader(shown, table))

    def of_union(
        self, call: Call, digest: str, table: "TableReader"
    ) -> list[dict[str, Any]]:
        """Return the statistics of a table over cities, by what pins its versions."""
        return self._keep(call, digest, lambda: table)

    def _keep(
        self, call: Call, key: str, opened: "Callable[[], TableReader]"
    ) -> list[dict[str, Any]]:
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
                return self.kept[key]
        queries = call.request.app.state.queries
        found: list[dict[str, Any]] = queries.stats(opened())
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


def get_family_stats(call: Call) -> Response:
    """Answer with the statistics of a standard's table over all cities.

    Raises:
        RequestError: STANDARD_UNKNOWN, QUERY_TOO_EXPENSIVE.
    """
    found = gather(call.node, call.path["family"], as_of=call.values["as_of"])
    columns = []
    if found.members:
        table = union(call.node, found)
        columns = call.request.app.state.stats.of_union(call, found.digest, table)
    body = {
        "family": found.standard.family,
        "as_of": call.values["as_of"],
        "rows": found.rows,
        "columns": columns,
        **found.document(),
    }
    return as_json(call, body)


def get_quality(call: Call) -> Response:
    """Answer with the checks of a version, its score and how that is computed."""
    shown = _shown(call)
    found = quality_of(shown)
    score = quality.score(found)
    body = {
        "ref": shown.ref,
        "version": shown.version.n,
        "score": score,
        "grade": quality.grade(score),
        "formula": quality.FORMULA,
        "checks": [
            {"check": one.name, "passed": one.passed, "count": one.count}
            for one in found
        ],
    }
    return as_json(call, body)


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
    unions = [
        Operation(
            f"get{name}Stats",
            f"/v1/{path}/{{family}}/stats",
            get_family_stats,
            "Statistics of each column of a standard's table over all cities.",
            (AS_OF,),
            problems=("not-found", "query-too-expensive"),
        )
        for name, path in (("Family", "families"), ("Standard", "standards"))
    ]
    return [*found, diff, *unions]
