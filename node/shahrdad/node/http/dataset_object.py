"""The dataset object (interfaces 3.1): one version of a dataset, for every JSON door.

It has two parts: `lasting` follows from the record, and lies ready on the dataset's
card; `passing` is of this moment and this node. A number that is not known is null,
never 0.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from shahrdad.datasets.errors import DataError, RequestError, UnavailableError
from shahrdad.datasets.jalali import to_gregorian
from shahrdad.datasets.standards import Standard, load
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.catalog import Dataset, Version
from shahrdad.node.config import Config
from shahrdad.node.http import identity, quality
from shahrdad.node.http.addresses import Addresses, bucket_address
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.file_names import attachment_file, part_file, table_file
from shahrdad.node.http.formats import OFFERED
from shahrdad.node.http.languages import TEHRAN, day_of, now
from shahrdad.node.http.record_view import (
    RecordView,
    TableView,
    count,
    mapping,
    read,
)
from shahrdad.node.http.view import NodeView
from shahrdad.node.made_files import MadeFile, made_of
from shahrdad.node.record import LICENSES
from shahrdad.node.store.contract import Area, ObjectStore

AWAY_SECONDS = 5.0  # a store that did not answer is not asked so long, for lists
YEARS = range(1300, 1499)  # fiscal years whose bounds are told
_away_until: WeakKeyDictionary[ObjectStore, float] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Described:
    """One version of a dataset with its record: what its city said of it.

    Attributes:
        made: What is known of files made of its tables, by table and format.
    """

    config: Config
    dataset: Dataset
    version: Version
    record: RecordView
    made: Mapping[tuple[str, str], MadeFile] = field(default_factory=dict, kw_only=True)

    @property
    def ref(self) -> str:
        """The reference."""
        return self.dataset.ref

    @property
    def addresses(self) -> Addresses:
        """Absolute addresses."""
        bucket = bucket_address(self.config.store)
        return Addresses(self.config.public_url, bucket)

    def file(self, table: TableView, ext: str) -> MadeFile | None:
        """Return what is known of a table in a format; nothing is made for it."""
        if ext == "parquet" and len(table.parts) == 1:
            (part,) = table.parts
            return MadeFile(part.digest, part.bytes)
        return self.made.get((table.name, ext))

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


@dataclass(frozen=True, slots=True)
class Shown(Described):
    """A version as every door of a node shows it."""

    node: NodeView


def show(node: NodeView, dataset: Dataset, version: Version) -> Shown:
    """Return a version with its record.

    Raises:
        RequestError: RECORD_NOT_HELD.
    """
    record = read(node.catalog.body(version.digest))
    made = made_of(node.database.connect(), version.digest)
    return Shown(node.config, dataset, version, record, node, made=made)


def document(shown: Shown, *, at: datetime | None = None) -> dict[str, Any]:
    """Return the dataset object.

    Args:
        shown: The version.
        at: The present, for lateness.
    """
    return {**lasting(shown), **passing(shown, at or now())}


def lasting(shown: Described) -> dict[str, Any]:
    """Return what of the dataset object follows from the record."""
    dataset, record = shown.dataset, shown.record
    due = expected(shown)
    return {
        "ref": dataset.ref,
        "uid": str(identity.uid(dataset.ref)),
        "name": dataset.name,
        "city": city_name(dataset.city, shown.config).document(),
        "title": _titles(shown),
        "description": record.both("description"),
        "keywords": {"fa": record.words("keywords"), "en": record.words("keywords_en")},
        "family": _family(shown),
        "license": license_of(shown),
        "period": period(record.ours.get("fiscal_year")),
        "version": version_document(shown.version, record),
        "first_published": dataset.first_published,
        "next_expected": due.isoformat() if due else None,
        "quality": _quality(shown),
        "state": dataset.state,
        "example": record.ours.get("example") is True,
        "publisher": record.publisher,
        "resources": [resource(shown, table) for table in record.tables],
        "links": links(shown),
    }


def passing(shown: Shown, at: datetime) -> dict[str, Any]:
    """Return what of the dataset object is of a moment and of one node."""
    version = shown.version
    return {
        "late_days": late_days(expected(shown), at),
        "verification": verification(shown.node, version.origin, version.index),
        "held": held(shown),
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


def license_of(shown: Described) -> dict[str, Any]:
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
    if not isinstance(fiscal_year, int) or fiscal_year not in YEARS:
        return None
    start, end = _bounds(fiscal_year)
    return {"fiscal_year": fiscal_year, "start": start, "end": end}


@lru_cache(maxsize=len(YEARS))
def _bounds(fiscal_year: int) -> tuple[str, str]:
    """Return the first and the last day of a Jalali year."""
    end = to_gregorian(fiscal_year + 1, 1, 1) - timedelta(days=1)
    return to_gregorian(fiscal_year, 1, 1).isoformat(), end.isoformat()


def verification(node: NodeView, origin: str, index: int) -> dict[str, Any]:
    """Return how well the log that a version stands in is confirmed."""
    return Verifications(node.federation_status()).document(origin, index)


class Verifications:
    """How well logs are confirmed.

    Args:
        status: A node's federation status.
    """

    def __init__(self, status: Mapping[str, Any]) -> None:
        logs = mapping(status).get("logs")
        listed = [mapping(log) for log in (logs if isinstance(logs, list) else [])]
        # Of two logs of one name the first counts.
        self._logs = {str(log.get("origin")): log for log in reversed(listed)}

    def document(self, origin: str, index: int) -> dict[str, Any]:
        """Return what is known of the log of an entry, as JSON answers show it."""
        log = self._logs.get(origin, {})
        state = str(log.get("state", "signed"))
        if state == "confirmed" and index >= self.confirmed(origin):
            state = "signed"
        return {
            "state": state,
            "cosignatures": count(log.get("cosignatures")),
            "newest_cosignature": log.get("newest_cosignature"),
            "log_status": log.get("status"),
        }

    def confirmed(self, origin: str) -> int:
        """Return how many entries of a log are confirmed."""
        return count(self._logs.get(origin, {}).get("confirmed_size")) or 0


def resource(shown: Described, table: TableView) -> dict[str, Any]:
    """Return a table with the formats it is offered in."""
    ref, n, addresses = shown.ref, shown.version.n, shown.addresses
    single = table.parts[0] if len(table.parts) == 1 else None
    name = table_file(shown.dataset.name, shown.record, table)
    formats: dict[str, Any] = {
        ext: {"url": addresses.resource(ref, n, table.name, ext)} for ext in OFFERED
    }
    for ext, offered in formats.items():
        if (file := shown.file(table, ext)) is not None:
            offered["bytes"] = file.bytes
    found: dict[str, Any] = {
        "name": table.name,
        "uid": str(identity.resource_uid(ref, table.name)),
        "rows": table.rows,
        "columns": len(table.fields) or None,
        "bytes": table.bytes,
        "sha256": single.digest.hex if single else None,
        "url": addresses.table_file(single.digest, name) if single else None,
        "formats": formats,
        "original": _original(shown),
    }
    if single is None:
        found["parts"] = [
            {
                "sha256": part.digest.hex,
                "rows": part.rows,
                "bytes": part.bytes,
                "url": addresses.table_file(
                    part.digest, part_file(shown.dataset.name, table, number)
                ),
                "first": list(part.first),
            }
            for number, part in enumerate(table.parts, 1)
        ]
    return found


def held(shown: Shown) -> bool:
    """Tell whether the first object of each table lies here."""
    return holds(shown.node, shown.dataset.city, first_objects(shown.record))


def first_objects(record: RecordView) -> list[Digest]:
    """Return the first object of each table."""
    return [part.digest for table in record.tables for part in table.parts[:1]]


def holds(node: NodeView, city: str, objects: Iterable[Digest]) -> bool:
    """Tell whether these objects of a city's dataset lie here.

    While the store is away nobody can tell, and lists must go on: then it is said to
    be, and whoever asks for the bytes learns more. A list asks for many objects, so an
    absent store is left alone for a moment.
    """
    if city == node.config.node.city:
        return True
    if time.monotonic() < _away_until.get(node.store, 0.0):
        return True
    try:
        return all(
            node.store.stat(Area.OBJECT, digest) is not None for digest in objects
        )
    except UnavailableError:
        _away_until[node.store] = time.monotonic() + AWAY_SECONDS
        return True


def links(shown: Described) -> dict[str, Any]:
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


def _titles(shown: Described) -> dict[str, str]:
    both = shown.record.both("title")
    return {name: text or shown.dataset.slug for name, text in both.items()}


def _family(shown: Described) -> dict[str, Any] | None:
    family = shown.record.ours.get("family")
    if not isinstance(family, str):
        return None
    named = mapping(shown.record.ours.get("standard")).get("version")
    return {"id": family, "version": named if isinstance(named, str) else None}


def _change(change: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if change is None:
        return None
    return {name: count(change.get(name)) for name in ("added", "removed", "changed")}


def quality_of(shown: Described) -> tuple[quality.Check, ...]:
    """Return the checks of a version."""
    return quality.checks(
        shown.record,
        follows_standard=shown.standard is not None,
        open_license=bool(license_of(shown)["open"]),
    )


def _quality(shown: Described) -> dict[str, Any]:
    found = mapping(shown.record.ours.get("quality"))
    score = quality.score(quality_of(shown))
    counts = ("errors", "warnings", "quarantined_rows")
    return {
        "score": score,
        "grade": quality.grade(score),
        **{name: found.get(name) for name in counts},
    }


def expected(shown: Described) -> date | None:
    """Return the day when the next version is expected, if its standard says one."""
    standard = shown.standard
    if standard is None or not standard.max_age_days:
        return None
    return day_of(shown.dataset.updated) + timedelta(days=standard.max_age_days)


def late_days(due: date | None, at: datetime) -> int | None:
    """Return how late the next version is."""
    return None if due is None else max(0, (at.astimezone(TEHRAN).date() - due).days)


def _original(shown: Described) -> dict[str, Any] | None:
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
