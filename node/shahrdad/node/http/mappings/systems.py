"""Reusable systems as publiccode.yml (standards 7.6): a YAML document for each.

A system is told where its city offers the code. One that lacks something which the
standard demands is refused when it is asked for by name; in the list of all, a comment
stands in its place and says what is missing.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.http.dataset_object import Shown
from shahrdad.node.http.mappings.rows import Row, filled, publisher, rows_of

VERSION = "0.4"
SHORT_LETTERS_MAX = 150
LONG_LETTERS_MIN = 150
STATUS = {
    "planned": "concept",
    "phasing_in": "beta",
    "operational": "stable",
    "phasing_out": "obsolete",
    "retired": "obsolete",
}


def publiccode(shown: Shown, asked: Mapping[str, str]) -> bytes:
    """Return the systems whose code is offered; `system` asks for one.

    Raises:
        RequestError: SYSTEM_NOT_REUSABLE: it is not offered, or lacks a mandatory key.
    """
    wanted = asked.get("system")
    documents: list[str] = []
    for row in rows_of(shown):
        if row.get("reuse_offer") != "code":
            continue
        name = str(row["system_id"])
        if wanted is not None and wanted != name:
            continue
        found = _document(shown, row)
        missing = list(_missing(found, ""))
        if not missing:
            documents.append("".join(yaml_lines(found)))
        elif wanted is not None:
            raise _not_reusable(name, ", ".join(missing))
        else:
            documents.append(f"# {name}: {', '.join(missing)}\n")
    if wanted is not None and not documents:
        raise _not_reusable(wanted, "reuse_offer")
    return ("---\n" + "---\n".join(documents)).encode()


def _not_reusable(system: str, missing: str) -> RequestError:
    return RequestError(
        Reason.SYSTEM_NOT_REUSABLE, system=system[:100], missing=missing
    )


def _document(shown: Shown, row: Row) -> dict[str, Any]:
    """Return the members; one without a source is empty."""
    function = str(row["function_fa"])
    inside = row.get("acquisition") == "in_house"
    features = [
        part.strip() for part in re.split("[؛;]", row.get("data_categories") or "")
    ]
    described = {
        "shortDescription": function[:SHORT_LETTERS_MAX],
        "longDescription": _long(row, publisher(shown)),
        "features": [part for part in features if part] or [function],
    }
    return {
        "publiccodeYmlVersion": VERSION,
        "name": row["name_fa"],
        "url": row.get("source_url") or "",
        "softwareVersion": row.get("version"),
        "platforms": ["web"],
        "developmentStatus": STATUS[row["lifecycle_status"]],
        "softwareType": "standalone/web",
        "description": {"fa": described},
        "legal": {"license": row.get("license") or ""},
        "maintenance": _maintenance(row, inside=inside),
        "localisation": {"localisationReady": False, "availableLanguages": ["fa"]},
    }


def _long(row: Row, city: str) -> str:
    """Return what a system does, with the facts of its row after it."""
    facts = (
        ("سامانه", row["name_fa"]),
        ("کارکرد", row["function_fa"]),
        ("ناشر", city),
        ("بهره‌بردار", row["owner_unit_id"]),
        ("متولی", row["custodian_unit_id"]),
        ("دسته‌های داده", row.get("data_categories")),
        ("آموخته‌ها", row.get("lessons_fa")),
        ("تأمین‌کننده", row.get("vendor_name")),
        ("نشانی", row.get("public_url")),
    )
    return ". ".join(f"{title}: {text}" for title, text in facts if text)


def _maintenance(row: Row, *, inside: bool) -> dict[str, Any]:
    """Return who cares for it; a contract names the contractor and its end."""
    if inside:
        return {
            "type": "internal",
            "contacts": [{"name": row.get("contact_unit") or ""}],
        }
    end = row.get("retire_date")
    contractor = {
        "name": row.get("vendor_name") or "",
        "until": end.isoformat() if end else "",
    }
    return {"type": "contract", "contractors": [contractor]}


def _missing(members: Any, path: str) -> Iterator[str]:
    """Yield the keys that are demanded and empty."""
    if isinstance(members, dict):
        for name, value in members.items():
            yield from _missing(value, f"{path}.{name}" if path else name)
    elif isinstance(members, list):
        for value in members:
            yield from _missing(value, path)
    elif members == "":
        yield path
    if path.endswith("longDescription") and len(str(members)) < LONG_LETTERS_MIN:
        yield path


def yaml_lines(value: Any, indent: str = "") -> Iterator[str]:
    """Yield YAML: mappings in blocks, every scalar quoted as JSON, which YAML reads.

    >>> print("".join(yaml_lines({"a": {"b": ["ج", 1]}})), end="")
    a:
      b:
        - "ج"
        - 1
    """
    if isinstance(value, dict):
        for name, member in filled(value).items():
            if isinstance(member, dict | list):
                yield f"{indent}{name}:\n"
                yield from yaml_lines(member, f"{indent}  ")
            else:
                yield f"{indent}{name}: {json.dumps(member, ensure_ascii=False)}\n"
        return
    for member in value:
        if isinstance(member, dict):
            first, *rest = yaml_lines(member, f"{indent}  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{indent}- {json.dumps(member, ensure_ascii=False)}\n"
