"""The record of a dataset version: a Data Package v2 descriptor, the log's body.

Only resources that carry `hash` are objects; federation mirrors, retains and redacts
by them alone. Amounts of money are decimal strings, since JCS integers end at 2^53.

Source: Data Package v2; the table resource lists its parts by key order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shahrdad.federation.verify.digest import Digest

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"
PARQUET = "application/vnd.apache.parquet"
LICENSES = {
    "CC-BY-4.0": (
        "Creative Commons Attribution 4.0",
        "https://creativecommons.org/licenses/by/4.0/",
    ),
    "CC0-1.0": ("CC0 1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "ODC-By-1.0": (
        "Open Data Commons Attribution 1.0",
        "https://opendatacommons.org/licenses/by/1-0/",
    ),
    "ODbL-1.0": (
        "Open Database License 1.0",
        "https://opendatacommons.org/licenses/odbl/1-0/",
    ),
    "PDDL-1.0": (
        "Public Domain Dedication and License 1.0",
        "https://opendatacommons.org/licenses/pddl/1-0/",
    ),
}
VOLATILE = ("created", "version")  # a new version of the same content differs in these
VOLATILE_OURS = (
    *("change", "writer", "quality", "profile", "audit_head", "restored_from"),
)


@dataclass(frozen=True, slots=True)
class Description:
    """What a person says of a dataset; both languages always."""

    title_fa: str
    title_en: str
    description_fa: str = ""
    description_en: str = ""
    keywords_fa: tuple[str, ...] = ()
    keywords_en: tuple[str, ...] = ()
    license: str = "CC-BY-4.0"
    fiscal_year: int | None = None  # Jalali
    sources: tuple[Mapping[str, str], ...] = ()
    note_fa: str = ""
    note_en: str = ""
    example: bool = False  # invented data: never a city's own


@dataclass(frozen=True, slots=True)
class TablePart:
    """One Parquet object of a table."""

    digest: Digest
    size: int
    rows: int
    first: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """The published table: one object, or parts in key order."""

    name: str
    schema: Mapping[str, Any]
    rows: int
    parts: tuple[TablePart, ...]
    m: int | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """Another object of the version: report, mapping profile, original file."""

    name: str
    role: str
    digest: Digest
    size: int
    format: str
    mediatype: str
    extra: Mapping[str, Any] = field(default_factory=dict)


def object_path(digest: Digest) -> str:
    """Return an object's path in the static mirror."""
    return f"object/{digest.hex[:2]}/{digest.hex}"


def table_resources(table: Table) -> list[dict[str, Any]]:
    """Return the resources of a table: one, or the table and then its parts."""
    head: dict[str, Any] = {
        "name": table.name,
        "format": "parquet",
        "mediatype": PARQUET,
        "schema": dict(table.schema),
    }
    total = sum(part.size for part in table.parts)
    facts: dict[str, Any] = {"role": "table", "rows": table.rows}
    if len(table.parts) == 1:
        (part,) = table.parts
        head |= {
            "path": object_path(part.digest),
            "hash": f"sha256:{part.digest.hex}",
            "bytes": total,
            "shahrdad": facts,
        }
        return [head]
    facts |= {"parts": len(table.parts), "m": table.m}
    head |= {
        "path": [object_path(part.digest) for part in table.parts],
        "bytes": total,
        "shahrdad": facts,
    }
    return [head, *(_part(table.name, n, p) for n, p in enumerate(table.parts, 1))]


def _part(table: str, number: int, part: TablePart) -> dict[str, Any]:
    """Return the resource of one part."""
    return {
        "name": f"{table}.{number:04}",
        "format": "parquet",
        "mediatype": PARQUET,
        "path": object_path(part.digest),
        "hash": f"sha256:{part.digest.hex}",
        "bytes": part.size,
        "shahrdad": {
            "role": "part",
            "of": table,
            "rows": part.rows,
            "first": list(part.first),
        },
    }


def attachment_resource(attachment: Attachment) -> dict[str, Any]:
    """Return the resource of a report, a mapping profile or an original."""
    return {
        "name": attachment.name,
        "format": attachment.format,
        "mediatype": attachment.mediatype,
        "path": object_path(attachment.digest),
        "hash": f"sha256:{attachment.digest.hex}",
        "bytes": attachment.size,
        "shahrdad": {"role": attachment.role, **attachment.extra},
    }


def build(
    *,
    slug: str,
    city: str,
    city_code: str,
    publisher_fa: str,
    publisher_en: str,
    family: str | None,
    standard: Mapping[str, Any] | None,
    description: Description,
    tables: Sequence[Table],
    attachments: Sequence[Attachment],
    provenance: Mapping[str, Any],
    version: int,
    time: str,
) -> dict[str, Any]:
    """Return the record of a version, ready for JCS.

    Args:
        slug: Dataset slug, for example "budget-1404".
        city: City slug; with `slug` it is the reference.
        city_code: 4-digit SCI code.
        publisher_fa: The publisher's name, for example "شهرداری کرمان".
        publisher_en: The same in English.
        family: Standard family, or None for a local dataset.
        standard: `{"id", "version", "sha256"}` of the standard it was judged by.
        description: What a person says of it.
        tables: The tables.
        attachments: Report, mapping profile and original.
        provenance: Facts for `shahrdad`: profile, source unit, waivers, writer, change…
        version: Position among the puts of the key, from 1.
        time: RFC 3339, UTC, whole seconds.
    """
    title, address = LICENSES.get(description.license, (description.license, ""))
    license_: dict[str, str] = {"name": description.license, "title": title}
    if address:
        license_["path"] = address
    ours: dict[str, Any] = {
        "v": 1,
        "city": city,
        "city_code": city_code,
        "ref": f"{city}/{slug}",
        "publisher_en": publisher_en,
        **provenance,
    }
    if family is not None:
        ours |= {"family": family, "standard": dict(standard or {})}
    if description.fiscal_year is not None:
        ours["fiscal_year"] = description.fiscal_year
    if description.example:
        ours["example"] = True
    if description.note_fa or description.note_en:
        ours["note"] = {"fa": description.note_fa, "en": description.note_en}
    body: dict[str, Any] = {
        "$schema": PROFILE,
        "name": slug,
        "title": description.title_fa,
        "title_en": description.title_en,
        "licenses": [license_],
        "contributors": [{"title": publisher_fa, "roles": ["publisher"]}],
        "version": str(version),
        "created": time,
        "resources": [
            *(part for table in tables for part in table_resources(table)),
            *map(attachment_resource, attachments),
        ],
        "shahrdad": ours,
    }
    optional: dict[str, Any] = {
        "description": description.description_fa,
        "description_en": description.description_en,
        "keywords": [*description.keywords_fa],
        "keywords_en": [*description.keywords_en],
        "sources": [dict(source) for source in description.sources],
    }
    return body | {name: value for name, value in optional.items() if value}


def content(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes a version worth publishing: all but times, numbers and writers.

    The original file, the profile that read it and the report are left out too: a
    workbook saved again without a change gives the same table and is no new version.
    """
    ours = {
        name: value
        for name, value in body.get("shahrdad", {}).items()
        if name not in VOLATILE_OURS
    }
    resources = [
        resource
        for resource in body.get("resources", [])
        if resource.get("shahrdad", {}).get("role") in {"table", "part"}
    ]
    rest = {
        name: value
        for name, value in body.items()
        if name not in VOLATILE and name not in {"resources", "shahrdad"}
    }
    return {**rest, "resources": resources, "shahrdad": ours}


@dataclass(frozen=True, slots=True)
class NamedObject:
    """An object that a record names.

    `public` is false for an original that the family does not let out: it lies in the
    private area of its own city, and no mirror asks for it.
    """

    digest: Digest
    size: int
    role: str
    public: bool


def objects(body: Mapping[str, Any]) -> list[NamedObject]:
    """Return every object that a record names.

    Raises:
        RequestError, AttributeError, TypeError, ValueError: the record is spoilt, which
            only another city's can be.
    """
    found = []
    for resource in body.get("resources", []):
        text = resource.get("hash")
        if isinstance(text, str) and text.startswith("sha256:"):
            facts = resource.get("shahrdad", {})
            digest = Digest.parse(text.removeprefix("sha256:"))
            found.append(
                NamedObject(
                    digest,
                    int(resource.get("bytes", 0)),
                    str(facts.get("role", "table")),
                    facts.get("public", True) is not False,
                )
            )
    return found


def table_parts(body: Mapping[str, Any]) -> list[Digest]:
    """Return the Parquet objects of a record's table, in key order."""
    return [item.digest for item in objects(body) if item.role in {"table", "part"}]


def cut_size(body: Mapping[str, Any]) -> int | None:
    """Return `m` of the key-cut rule of a record's table, None for a single object."""
    for resource in body.get("resources", []):
        facts = resource.get("shahrdad", {})
        if facts.get("role") == "table":
            m = facts.get("m")
            return m if isinstance(m, int) else None
    return None
