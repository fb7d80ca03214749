"""The dataset object (interfaces 3.1): one version of a dataset, for every JSON door.

A number that is not known is null, never 0.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from shahrdad.datasets.errors import DataError, RequestError, UnavailableError
from shahrdad.datasets.jalali import to_gregorian
from shahrdad.datasets.standards import Standard, load
from shahrdad.node.catalog import Dataset, Version
from shahrdad.node.http import identity
from shahrdad.node.http.addresses import Addresses
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.file_names import attachment_file, part_file, table_file
from shahrdad.node.http.formats import OFFERED
from shahrdad.node.http.languages import day_of, now
from shahrdad.node.http.record_view import (
    RecordView,
    TableView,
    count,
    mapping,
    read,
)
from shahrdad.node.http.view import NodeView
from shahrdad.node.record import LICENSES
from shahrdad.node.store.contract import Area, ObjectStore

AWAY_SECONDS = 5.0  # a store that did not answer is not asked so long, for lists
_away_until: WeakKeyDictionary[ObjectStore, float] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Shown:
    """One version of a dataset with its record, as every door shows it."""

    node: NodeView
    dataset: Dataset
    version: Version
    record: RecordView

    @property
    def ref(self) -> str:
        """The reference."""
        return self.dataset.ref

    @property
    def addresses(self) -> Addresses:
        """Absolute addresses."""
        return Addresses(self.node.config.public_url)

    @property
    def standard(self) -> Standard | None:
        """The standard that the record names, when this software knows it."""
        family = self.record.ours.get("family")
        named = mapping(self.record.ours.get("standard")).get("version")
        if not isinstance(family, str):
            return None
        try:
            return load(family, named if isinstance(named, str) else None)
        except (RequestError, DataError):
            return None


def show(node: NodeView, dataset: Dataset, version: Version) -> Shown:
    """Return a version with its record.

    Raises:
        RequestError: RECORD_NOT_HELD.
    """
    return Shown(node, dataset, version, read(node.catalog.body(version.digest)))


def document(shown: Shown, *, at: datetime | None = None) -> dict[str, Any]:
    """Return the dataset object.

    Args:
        shown: The version.
        at: The present, for lateness.
    """
    node, dataset, record = shown.node, shown.dataset, shown.record
    due, late = _duty(shown, at or now())
    return {
        "ref": dataset.ref,
        "uid": str(identity.uid(dataset.ref)),
        "name": dataset.name,
        "city": city_name(dataset.city, node.config).document(),
        "title": _titles(shown),
        "description": record.both("description"),
        "keywords": {"fa": record.words("keywords"), "en": record.words("keywords_en")},
        "family": _family(shown),
        "license": license_of(shown),
        "period": period(record.ours.get("fiscal_year")),
        "version": version_document(shown.version, record),
        "first_published": dataset.first_published,
        "next_expected": due,
        "late_days": late,
        "quality": _quality(record),
        "verification": verification(node, shown.version.origin, shown.version.index),
        "state": dataset.state,
        "example": record.ours.get("example") is True,
        "publisher": record.publisher,
        "resources": [resource(shown, table) for table in record.tables],
        "held": held(shown),
        "links": links(shown),
    }


def version_document(version: Version, record: RecordView | None) -> dict[str, Any]:
    """Return what is shown of a version; approval and note need its record."""
    ours = record.ours if record is not None else {}
    return {
        "number": version.n,
        "index": version.index,
        "time": version.time,
        "digest": version.digest.hex,
        "approval": ours.get("approval"),
        "note": ours.get("note"),
        "change": _change(version.change),
    }


def license_of(shown: Shown) -> dict[str, Any]:
    """Return the licence; open is what the Open Definition calls so."""
    name = shown.record.body.get("licenses")
    first = mapping(name[0]).get("name") if isinstance(name, list) and name else None
    known = LICENSES.get(first) if isinstance(first, str) else None
    return {
        "id": first if isinstance(first, str) else None,
        "title": known[0] if known else first,
        "url": known[1] if known else shown.record.license_url,
        "open": known is not None,
    }


def period(fiscal_year: object) -> dict[str, Any] | None:
    """Return the Gregorian bounds of a Jalali fiscal year."""
    if not isinstance(fiscal_year, int) or not 1300 <= fiscal_year <= 1498:
        return None
    end = to_gregorian(fiscal_year + 1, 1, 1) - timedelta(days=1)
    return {
        "fiscal_year": fiscal_year,
        "start": to_gregorian(fiscal_year, 1, 1).isoformat(),
        "end": end.isoformat(),
    }


def verification(node: NodeView, origin: str, index: int) -> dict[str, Any]:
    """Return how well the log that a version stands in is confirmed."""
    status = mapping(node.federation_status())
    logs = status.get("logs")
    for log in logs if isinstance(logs, list) else []:
        if mapping(log).get("origin") != origin:
            continue
        state = str(log.get("state", "signed"))
        if state == "confirmed" and (count(log.get("confirmed_size")) or 0) <= index:
            state = "signed"
        return {
            "state": state,
            "cosignatures": count(log.get("cosignatures")),
            "newest_cosignature": log.get("newest_cosignature"),
            "log_status": log.get("status"),
        }
    return {
        "state": "signed",
        "cosignatures": None,
        "newest_cosignature": None,
        "log_status": None,
    }


def resource(shown: Shown, table: TableView) -> dict[str, Any]:
    """Return a table with the formats it is offered in."""
    ref, n, addresses = shown.ref, shown.version.n, shown.addresses
    single = table.parts[0] if len(table.parts) == 1 else None
    name = table_file(shown.dataset.name, shown.record, table)
    formats: dict[str, Any] = {
        ext: {"url": addresses.resource(ref, n, table.name, ext)} for ext in OFFERED
    }
    if single is not None:
        formats["parquet"]["bytes"] = single.bytes
    found: dict[str, Any] = {
        "name": table.name,
        "uid": str(identity.resource_uid(ref, table.name)),
        "rows": table.rows,
        "columns": len(table.fields) or None,
        "bytes": table.bytes,
        "sha256": single.digest.hex if single else None,
        "url": addresses.file(single.digest, name) if single else None,
        "formats": formats,
        "original": _original(shown),
    }
    if single is None:
        found["parts"] = [
            {
                "sha256": part.digest.hex,
                "rows": part.rows,
                "bytes": part.bytes,
                "url": addresses.file(
                    part.digest, part_file(shown.dataset.name, table, number)
                ),
                "first": list(part.first),
            }
            for number, part in enumerate(table.parts, 1)
        ]
    return found


def held(shown: Shown) -> bool:
    """Tell whether the newest table's first object lies here.

    While the store is away nobody can tell, and lists must go on: then it is said to
    be, and whoever asks for the bytes learns more. A list asks for many objects, so an
    absent store is left alone for a moment.
    """
    node = shown.node
    if shown.dataset.city == node.config.node.city:
        return True
    if time.monotonic() < _away_until.get(node.store, 0.0):
        return True
    try:
        return all(
            node.store.stat(Area.OBJECT, part.digest) is not None
            for table in shown.record.tables
            for part in table.parts[:1]
        )
    except UnavailableError:
        _away_until[node.store] = time.monotonic() + AWAY_SECONDS
        return True


def links(shown: Shown) -> dict[str, Any]:
    """Return the addresses of what belongs to a version."""
    ref, n, addresses = shown.ref, shown.version.n, shown.addresses
    return {
        "self": addresses.api(ref, n),
        "permanent": addresses.dataset(ref),
        "html": {
            "fa": addresses.page("fa", f"/d/{ref}"),
            "en": addresses.page("en", f"/d/{ref}"),
        },
        "descriptor": addresses.api(ref, n, "descriptor"),
        "receipt": addresses.api(ref, n, "receipt"),
        "report": addresses.api(ref, n, "report"),
        "versions": addresses.api(ref, None, "versions"),
        "feed": addresses.feed(ref),
    }


def _titles(shown: Shown) -> dict[str, str]:
    both = shown.record.both("title")
    return {name: text or shown.dataset.slug for name, text in both.items()}


def _family(shown: Shown) -> dict[str, Any] | None:
    family = shown.record.ours.get("family")
    if not isinstance(family, str):
        return None
    named = mapping(shown.record.ours.get("standard")).get("version")
    return {"id": family, "version": named if isinstance(named, str) else None}


def _change(change: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if change is None:
        return None
    return {name: count(change.get(name)) for name in ("added", "removed", "changed")}


def _quality(record: RecordView) -> dict[str, Any]:
    found = mapping(record.ours.get("quality"))
    names = ("score", "grade", "errors", "warnings", "quarantined_rows")
    return {name: found.get(name) for name in names}


def _duty(shown: Shown, at: datetime) -> tuple[str | None, int | None]:
    """Return when the next version is expected, and how late it is in days."""
    standard = shown.standard
    if standard is None or not standard.max_age_days:
        return None, None
    due = day_of(shown.dataset.updated) + timedelta(days=standard.max_age_days)
    return due.isoformat(), max(0, (at.date() - due).days)


def _original(shown: Shown) -> dict[str, Any] | None:
    original = shown.record.attachment("original")
    if original is None or not original.public:
        return None
    return {
        "url": shown.addresses.file(
            original.digest, attachment_file(shown.dataset.name, original)
        ),
        "filename": original.file_name,
        "bytes": original.bytes,
    }
