"""Contracts as OCDS 1.1.5: one release for each version of a contract (standards 7.5).

Iran has no registered prefix of contracting processes yet. The identifier of a contract
is the one that its city gave, else its number in the state's procurement system, else
one of ours, each of which says what it is.
"""

from collections.abc import Mapping
from typing import Any

from shahrdad.node.http.answers import dump
from shahrdad.node.http.dataset_object import Shown, license_of
from shahrdad.node.http.mappings.rows import (
    Row,
    filled,
    instant,
    money,
    period,
    publisher,
    rows_of,
)

VERSION = "1.1"
LEGAL_ID = "IR-LEGALID"
MAIN_CATEGORY = {
    "works": "works",
    "goods": "goods",
    "services": "services",
    "consultancy": "services",
}
STATUS = {"completed": "terminated"}  # its list is closed
ENDED = frozenset({"completed", "terminated", "cancelled"})


def ocds(shown: Shown, _: Mapping[str, str]) -> bytes:
    """Return the contracts of a dataset as a release package."""
    addresses = shown.addresses
    package = {
        "uri": f"{addresses.dataset(shown.ref, shown.version.n)}.ocds.json",
        "version": VERSION,
        "publishedDate": shown.version.time,
        "publisher": {"name": publisher(shown), "uri": addresses.page("fa")},
        "license": license_of(shown)["url"],
        "releases": [release_of(shown, row) for row in rows_of(shown)],
    }
    return dump(filled(package))


def release_of(shown: Shown, row: Row) -> dict[str, Any]:
    """Return one version of a contract as a release."""
    number = f"{row['contract_id']}-{row['amendment_no']}"
    buyer = {"id": row["org_unit_id"], "name": row["org_unit_id"]}
    supplier = _supplier(row)
    reference = {"id": supplier["id"], "name": supplier["name"]}
    return {
        "ocid": _ocid(shown, row),
        "id": number,
        "date": instant(row["terminated_date"] or row["sign_date"]),
        "language": "fa",
        "tag": [_tag(row)],
        "initiationType": "tender",
        "parties": [{**buyer, "roles": ["buyer", "procuringEntity"]}, supplier],
        "buyer": buyer,
        "tender": _tender(row),
        "awards": [
            {"id": number, "title": row["subject_fa"], "suppliers": [reference]}
        ],
        "contracts": [_contract(row, number)],
    }


def _ocid(shown: Shown, row: Row) -> str:
    if row.get("ocid"):
        return str(row["ocid"])
    if row.get("setad_no"):
        return f"setad:{row['setad_no']}"
    return f"shahrdad:{shown.dataset.city}:{row['contract_id']}"


def _tag(row: Row) -> str:
    if row["status"] in {"terminated", "cancelled"}:
        return "contractTermination"
    return "contractAmendment" if row["amendment_no"] else "contract"


def _supplier(row: Row) -> dict[str, Any]:
    """Return the supplier; a person's number is never published by the standard."""
    number = row.get("supplier_id")
    found: dict[str, Any] = {
        "id": f"{LEGAL_ID}-{number}" if number else row["supplier_name"],
        "name": row["supplier_name"],
        "roles": ["supplier"],
    }
    if number:
        found["identifier"] = {"scheme": LEGAL_ID, "id": number}
    return found


def _tender(row: Row) -> dict[str, Any]:
    kind = row["contract_type"]
    main = MAIN_CATEGORY.get(kind)
    return filled(
        {
            "id": row["contract_id"],
            "title": row["subject_fa"],
            "procurementMethod": row["method"],
            "mainProcurementCategory": main,
            "additionalProcurementCategories": [] if main == kind else [kind],
        }
    )


def _contract(row: Row, number: str) -> dict[str, Any]:
    status = STATUS.get(row["status"], row["status"])
    paid = money(row.get("paid_rial"))
    transactions = [{"id": f"{number}-paid", "value": paid}] if paid else []
    ended = row["status"] in ENDED
    return filled(
        {
            "id": number,
            "awardID": number,
            "title": row["subject_fa"],
            "status": status,
            "period": period(row.get("start_date"), row.get("end_date")),
            "value": money(row["amount_rial"]),
            "dateSigned": instant(row["sign_date"]),
            "implementation": filled(
                {
                    "transactions": transactions,
                    "finalValue": money(row.get("final_rial")) if ended else None,
                }
            ),
        }
    )
