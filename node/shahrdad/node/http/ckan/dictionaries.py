"""Datasets, cities, families and keywords as CKAN's dictionaries.

Dates are naive UTC with six digits that are never `.000000`: CKAN drops a zero fraction
when it copies one, and a harvester then takes every dataset for changed on every run.
Entry times have whole seconds, so the fraction is ours, made of the entry's index.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from shahrdad.datasets.errors import RequestError
from shahrdad.datasets.standards import families, load
from shahrdad.node.config import Config
from shahrdad.node.http import identity
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.dataset_object import Described, license_of, period
from shahrdad.node.http.formats import MEDIA_TYPES
from shahrdad.node.http.record_view import TableView

OPEN_TYPE = "open"
NAMESPACE = identity.DATASET_NAMESPACE
RESOURCES = (("parquet", "PARQUET"), ("csv", "CSV"), ("xlsx", "XLSX"))
_SPLIT = re.compile(r"[/،؛:,;]")
_TAG = re.compile(r"[\w \-.]{2,100}")
_NOT_TAG = re.compile(r"[^\w \-.]")


def moment(time: str, index: int) -> str:
    """Return an entry's time as CKAN writes dates."""
    return f"{time[:19]}.{1 + index % 999_999:06d}"


def tag_names(words: list[str]) -> list[str]:
    """Return keywords as names that CKAN's validator accepts, in order, once each.

    >>> tag_names(["بودجه\u0654 شهر", "حمل/نقل", "سامانه\u200cها", "x"])
    ['بودجه شهر', 'حمل', 'نقل', 'سامانه ها']
    """
    found = []
    for word in words:
        for piece in _SPLIT.split(unicodedata.normalize("NFC", word)):
            plain = piece.replace("\u200c", " ").replace("\u06c0", "ه")
            plain = "".join(c for c in plain if not unicodedata.combining(c))
            plain = " ".join(_NOT_TAG.sub(" ", plain).split())[:100].strip()
            if _TAG.fullmatch(plain) and plain not in found:
                found.append(plain)
    return found


def package(shown: Described) -> dict[str, Any]:
    """Return a dataset, as its newest version is."""
    dataset, record, version = shown.dataset, shown.record, shown.version
    licence = license_of(shown)
    tags = [
        tag(name)
        for name in tag_names([*record.words("keywords"), *record.words("keywords_en")])
    ]
    city = organization(shown.config, dataset.city)
    resources = [
        resource
        for table in record.tables
        if table.parts
        for resource in _resources(shown, table)
    ]
    for place, resource in enumerate(resources):
        resource["position"] = place
    notes = [record.text("description", "fa"), record.text("description", "en")]
    return {
        "id": str(identity.uid(dataset.ref)),
        "name": dataset.name,
        "title": record.text("title", "fa") or dataset.slug,
        "notes": "\n\n".join(text for text in notes if text) or None,
        "license_id": licence["id"],
        "license_title": licence["title"],
        "license_url": licence["url"],
        "isopen": licence["open"],
        "tags": tags,
        "groups": [_group_of(dataset.family)] if dataset.family else [],
        "extras": _extras(shown),
        "metadata_created": moment(dataset.first_published, 0),
        "metadata_modified": moment(dataset.updated, dataset.index),
        "organization": city,
        "owner_org": city["id"],
        "resources": resources,
        "num_resources": len(resources),
        "num_tags": len(tags),
        "private": False,
        "type": "dataset",
        "state": "active",
        "author": record.publisher["fa"] or None,
        "author_email": None,
        "maintainer": record.publisher["fa"] or None,
        "maintainer_email": None,
        "url": shown.addresses.dataset(dataset.ref),
        "version": str(version.n),
        "creator_user_id": None,
        "relationships_as_subject": [],
        "relationships_as_object": [],
    }


def _resources(shown: Described, table: TableView) -> list[dict[str, Any]]:
    ref, version = shown.ref, shown.version
    found = []
    for ext, label in RESOURCES:
        file = shown.file(table, ext)
        found.append(
            {
                "id": str(identity.resource_uid(ref, f"{table.name}.{ext}")),
                "package_id": str(identity.uid(ref)),
                "position": 0,
                "name": f"{table.name}.{ext}",
                "description": "",
                "format": label,
                "mimetype": MEDIA_TYPES[ext].partition(";")[0],
                "size": file.bytes if file else None,
                "hash": file.digest.hex if file else "",
                "created": moment(shown.dataset.first_published, 0),
                "last_modified": moment(version.time, version.index),
                "metadata_modified": moment(version.time, version.index),
                "url": shown.addresses.resource(ref, version.n, table.name, ext),
                "url_type": None,
                "resource_type": "file",
                "state": "active",
                "datastore_active": ext == "csv",
                "cache_url": None,
            }
        )
    return found


def _extras(shown: Described) -> list[dict[str, str]]:
    dataset, version, addresses = shown.dataset, shown.version, shown.addresses
    values: dict[str, str | None] = {
        "shahrdad_ref": dataset.ref,
        "shahrdad_digest": version.digest.hex,
        "shahrdad_version": str(version.n),
        "shahrdad_receipt": addresses.api(dataset.ref, version.n, "receipt"),
        "shahrdad_family": dataset.family,
        "title_en": shown.record.text("title", "en"),
        "language": "fa",
        "issued": dataset.first_published,
        "modified": version.time,
    }
    bounds = period(shown.record.ours.get("fiscal_year"))
    if bounds:
        values |= {"temporal_start": bounds["start"], "temporal_end": bounds["end"]}
    standard = shown.standard
    if standard is not None:
        values["frequency"] = standard.cadence
    values["spatial"] = city_name(dataset.city, shown.config).name("fa")
    return [{"key": key, "value": value} for key, value in values.items() if value]


def organization(config: Config, slug: str) -> dict[str, Any]:
    """Return a city; its description is text, since a null fails uData."""
    city = city_name(slug, config)
    return {
        "id": str(city_id(slug)),
        "name": slug,
        "title": f"شهرداری {city.name_fa}",
        "type": "organization",
        "description": f"Municipality of {city.name_en}",
        "image_url": "",
        "created": "2025-01-01T00:00:00.000001",
        "is_organization": True,
        "approval_status": "approved",
        "state": "active",
    }


@lru_cache(maxsize=2_048)
def city_id(slug: str) -> UUID:
    """Return the identifier of a city: the same on every node."""
    return uuid5(NAMESPACE, f"city/{slug}")


def group(family: str, count: int = 0) -> dict[str, Any]:
    """Return a family as a group."""
    found = _group_of(family)
    return {
        **found,
        "type": "group",
        "is_organization": False,
        "approval_status": "approved",
        "state": "active",
        "created": "2025-01-01T00:00:00.000001",
        "image_url": "",
        "package_count": count,
        "num_followers": 0,
    }


def _group_of(family: str) -> dict[str, Any]:
    title, description = _group_texts(family)
    return {
        "id": str(uuid5(NAMESPACE, f"family/{family}")),
        "name": family,
        "title": title,
        "display_name": title,
        "description": description,
        "image_display_url": "",
    }


def group_title(family: str) -> str:
    """Return what people call a standard."""
    return _group_texts(family)[0]


def _group_texts(family: str) -> tuple[str, str]:
    """Return the title and the description of a standard; its name if unknown."""
    try:
        standard = load(family)
    except RequestError:
        return family, ""
    return standard.title_fa, standard.description_fa


def known_families() -> tuple[str, ...]:
    """Return the families that are groups even without datasets."""
    return families()


def tag(name: str) -> dict[str, Any]:
    """Return a keyword."""
    return {
        "id": tag_id(name),
        "name": name,
        "display_name": name,
        "state": "active",
        "vocabulary_id": None,
    }


@lru_cache(maxsize=4_096)
def tag_id(name: str) -> str:
    """Return the identifier of a keyword: the same on every node."""
    return str(uuid5(NAMESPACE, f"tag/{name}"))
