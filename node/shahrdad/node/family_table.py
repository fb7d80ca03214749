"""What the files and the record of a family's table say of its columns.

The whole standard is pinned by its digest; here is what a reader needs at hand: titles,
units, code lists, the primary key.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shahrdad.datasets import standards

if TYPE_CHECKING:
    from shahrdad.node.table.schema import TableInfo


def table_info(family: str, ref: str, names: Sequence[str]) -> "TableInfo":
    """Return what the files of a standard's table say of it."""
    from shahrdad.node.table.schema import TableInfo

    standard = standards.load(family)
    columns = {
        item.name: {
            name: text
            for name, text in (
                ("title_fa", item.title_fa),
                ("title_en", item.title_en),
                ("unit", item.unit or ""),
                ("codelist", item.code_list or ""),
            )
            if text
        }
        for item in standard.fields
    }
    identifiers = [
        item.name
        for item in standard.fields
        if item.kind == "code" and item.name in names and not item.categories
    ]
    return TableInfo(
        family=family,
        family_version=standard.version,
        ref=ref,
        resource=resource_name(family),
        primary_key=standard.primary_key,
        columns={name: facts for name, facts in columns.items() if name in names},
        identifiers=tuple(
            name for name in identifiers if name.endswith(("_id", "_no"))
        ),
    )


def resource_name(family: str) -> str:
    """Return the name of a family's table in its datasets."""
    return family.replace("_", "-")


def compact_schema(
    standard: standards.Standard, names: Sequence[str]
) -> dict[str, Any]:
    """Return a Table Schema of the published columns, small enough for a record.

    Code lists and rules are in the standard, which the record pins by its digest.
    """
    known = {item.name: item for item in standard.fields}
    fields: list[dict[str, Any]] = []
    for name in names:
        item = known.get(name)
        if item is None:  # a column of the city's own, carried and not judged
            fields.append({"name": name, "type": "string"})
            continue
        about: dict[str, Any] = {
            "name": name,
            "type": item.type,
            "title": item.title_fa,
            "title_en": item.title_en,
        }
        if item.required:
            about["constraints"] = {"required": True}
        if item.unit or item.code_list:
            about["shahrdad"] = {
                key: value
                for key, value in (("unit", item.unit), ("codeList", item.code_list))
                if value
            }
        fields.append(about)
    return {"fields": fields, "primaryKey": list(standard.primary_key)}


__all__ = ["compact_schema", "resource_name", "table_info"]
