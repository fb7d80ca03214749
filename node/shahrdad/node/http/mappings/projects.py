"""Projects as OC4IDS 0.9.5 (standards 7.4), with their contracting processes.

The standard's lists of status and type are closed: a suspended project is in
implementation there, and what is digital or a study stands among its classifications.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.node.http.answers import dump
from shahrdad.node.http.dataset_object import Shown, license_of, show
from shahrdad.node.http.mappings.contracts import release_of
from shahrdad.node.http.mappings.rows import (
    Row,
    filled,
    instant,
    money,
    period,
    publisher,
    rows_of,
)

VERSION = "0.9"
PREFIX = "oc4ids-shahrdad"  # of ours until a registered one is had
CLOSED_TYPES = frozenset(
    {"construction", "rehabilitation", "replacement", "expansion", "decommissioning"}
)


def oc4ids(shown: Shown, _: Mapping[str, str]) -> bytes:
    """Return the projects of a dataset as a project package."""
    contracts = _contracts(shown)
    projects = [_project(shown, row, contracts) for row in rows_of(shown)]
    addresses = shown.addresses
    package = {
        "uri": f"{addresses.dataset(shown.ref, shown.version.n)}.oc4ids.json",
        "version": VERSION,
        "publishedDate": shown.version.time,
        "publisher": {"name": publisher(shown), "uri": addresses.page("fa")},
        "license": license_of(shown)["url"],
        "projects": projects,
    }
    return dump(filled(package))


def _contracts(shown: Shown) -> Mapping[str, list[tuple[Shown, Row]]]:
    """Return the contracts that the same city published, by project."""
    found: dict[str, list[tuple[Shown, Row]]] = defaultdict(list)
    catalog = shown.node.catalog
    for dataset in catalog.list(city=shown.dataset.city, family="contracts"):
        try:
            other = show(shown.node, *catalog.version(dataset.ref))
            rows = rows_of(other)
        except ShahrdadError:
            continue  # not held here: the projects are told without them
        for row in rows:
            if row.get("project_id"):
                found[row["project_id"]].append((other, row))
    return found


def _project(
    shown: Shown, row: Row, contracts: Mapping[str, list[tuple[Shown, Row]]]
) -> dict[str, Any]:
    identifier = f"{PREFIX}-{shown.dataset.city}-{row['project_id']}"
    kind, status = row.get("project_type"), row["status"]
    authority = {"id": row["owner_unit_id"], "name": row["owner_unit_id"]}
    return filled(
        {
            "id": identifier,
            "updated": instant(row["as_of_date"]),
            "language": "fa",
            "title": row["title_fa"],
            "description": row.get("description_fa"),
            "status": "implementation" if status == "suspended" else status,
            "type": kind if kind in CLOSED_TYPES else None,
            "sector": _sectors(row.get("sector")),
            "additionalClassifications": _classifications(row),
            "publicAuthority": authority,
            "parties": [{**authority, "roles": ["publicAuthority"]}],
            "locations": _locations(row),
            "budget": filled(
                {
                    "amount": money(row.get("budget_rial")),
                    "approvalDate": instant(row.get("approval_date")),
                }
            ),
            "period": period(row.get("start_date"), row.get("planned_end_date")),
            "implementationPeriod": period(
                row.get("start_date"), row.get("planned_end_date")
            ),
            "completion": filled(
                {
                    "endDate": instant(row.get("actual_end_date")),
                    "finalValue": _final(row),
                    "finalScope": row.get("outcome_fa"),
                }
            ),
            "metrics": _metrics(row),
            "contractingProcesses": _processes(contracts.get(row["project_id"], [])),
        }
    )


def _sectors(sector: str | None) -> list[str]:
    """Return a sector, and the one above it as the standard asks."""
    if not sector:
        return []
    parent, dot, _ = sector.partition(".")
    return [parent, sector] if dot else [sector]


def _classifications(row: Row) -> list[dict[str, Any]]:
    found = []
    kind = row.get("project_type")
    if kind and kind not in CLOSED_TYPES:
        found.append({"scheme": "shahrdad-project-type", "id": kind})
    if row.get("smart_domain"):
        found.append({"scheme": "shahrdad-smart-domain", "id": row["smart_domain"]})
    return found


def _locations(row: Row) -> list[dict[str, Any]]:
    if row.get("lat") is None or row.get("lon") is None:
        return []
    point = {"type": "Point", "coordinates": [row["lon"], row["lat"]]}
    return [{"id": "1", "geometry": point}]


def _final(row: Row) -> dict[str, Any] | None:
    """Return what a project cost, once it has ended."""
    ended = row.get("actual_end_date") is not None
    return money(row.get("spent_total_rial")) if ended else None


def _metrics(row: Row) -> list[dict[str, Any]]:
    names = (
        ("physicalProgress", "physical_progress"),
        ("financialProgress", "financial_progress"),
    )
    return [
        {
            "id": metric,
            "title": metric,
            "observations": [
                {
                    "id": "1",
                    "measure": str(row[name]),
                    "unit": {"name": "percent"},
                    "period": {"endDate": instant(row["as_of_date"])},
                }
            ],
        }
        for metric, name in names
        if row.get(name) is not None
    ]


def _processes(contracts: list[tuple[Shown, Row]]) -> list[dict[str, Any]]:
    """Return contracting processes; a contract's last amendment speaks for it."""
    newest: dict[str, tuple[Shown, Row]] = {}
    for shown, row in contracts:
        known = newest.get(row["contract_id"])
        if known is None or known[1]["amendment_no"] <= row["amendment_no"]:
            newest[row["contract_id"]] = (shown, row)
    return [_process(shown, row) for shown, row in newest.values()]


def _process(shown: Shown, row: Row) -> dict[str, Any]:
    release = release_of(shown, row)
    contract = release["contracts"][0]
    url = f"{shown.addresses.dataset(shown.ref, shown.version.n)}.ocds.json"
    summary = filled(
        {
            "ocid": release["ocid"],
            "externalReference": row["contract_id"],
            "title": row["subject_fa"],
            "suppliers": release["awards"][0]["suppliers"],
            "contractValue": contract.get("value"),
            "contractPeriod": contract.get("period"),
            "finalValue": money(row.get("final_rial")),
        }
    )
    link = {
        "id": release["id"],
        "tag": release["tag"],
        "date": release["date"],
        "url": url,
    }
    return {"id": release["ocid"], "summary": summary, "releases": [link]}
