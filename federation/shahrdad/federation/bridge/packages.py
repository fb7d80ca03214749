"""A dataset as a CKAN portal describes it, read with care, and the digest of it.

Portals differ in their versions and extensions, so a member of the wrong type is left
out; only the identifier and the name must be sound. Clocks and counters are no part of
the digest: a dataset has changed when anything else in it has.

>>> one = {"id": "a1", "name": "budget", "title": "Budget", "metadata_modified": "x"}
>>> change_digest(one) == change_digest({**one, "metadata_modified": "y"})
True
>>> change_digest(one) == change_digest({**one, "title": "The budget"})
False
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.bridge.limits import (
    DEPTH_MAX,
    NAME_CHARACTERS_MAX,
    RESOURCES_MAX,
    TAGS_MAX,
    TEXT_CHARACTERS_MAX,
    URL_CHARACTERS_MAX,
)
from shahrdad.federation.limits import INTEGER_MAX
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")  # it goes into a query's quotes
VOLATILE = frozenset(
    {
        "metadata_modified",
        "tracking_summary",
        "package_count",
        "recent_views",
        "total_views",
        "views",
        "views_recent",
        "views_total",
    }
)
UNORDERED = frozenset({"tags", "groups", "extras"})


@dataclass(frozen=True, slots=True)
class Resource:
    """A file or link of a dataset."""

    id: str
    name: str
    description: str
    format: str  # small letters, "" where the portal names none
    media_type: str
    url: str  # "" where it is no address of the web
    schema: Mapping[str, Any] | None  # its Table Schema, where the portal has one


@dataclass(frozen=True, slots=True)
class Package:
    """A dataset of a portal."""

    id: str
    name: str
    title: str
    title_en: str
    notes: str
    notes_en: str
    license_id: str
    license_title: str
    license_url: str
    tags: tuple[str, ...]
    resources: tuple[Resource, ...]
    state: str
    type: str
    private: bool

    @property
    def open(self) -> bool:
        """Whether it is an active dataset that everybody may read."""
        return self.state == "active" and not self.private and self.type != "harvest"


@dataclass(frozen=True, slots=True)
class Known:
    """What a server said of a file when it was last fetched."""

    etag: str = ""
    modified: str = ""


def package_id(raw: object) -> str | None:
    """Return the identifier of a dataset, or None when it has no usable one."""
    found = raw.get("id") if isinstance(raw, dict) else None
    return found if isinstance(found, str) and ID.fullmatch(found) else None


def read(raw: object) -> Package:
    """Read a dataset.

    Raises:
        PeerError: MALFORMED: it has no identifier or no name.
    """
    number = package_id(raw)
    if number is None or not isinstance(raw, dict):
        raise PeerError(Reason.MALFORMED, field="package", detail="no identifier")
    name = _text(raw, "name")
    if not name or len(name) > NAME_CHARACTERS_MAX:
        raise PeerError(Reason.MALFORMED, field=f"package {number}", detail="no name")
    extras = {
        _text(item, "key"): _text(item, "value") for item in _mappings(raw, "extras")
    }
    tags = [
        _text(item, "display_name") or _text(item, "name")
        for item in _mappings(raw, "tags")[:TAGS_MAX]
    ]
    return Package(
        id=number,
        name=name,
        title=_in(raw, "title", "fa") or _text(raw, "title") or name,
        title_en=_in(raw, "title", "en") or extras.get("title_en", ""),
        notes=_in(raw, "notes", "fa") or _text(raw, "notes"),
        notes_en=_in(raw, "notes", "en"),
        license_id=_text(raw, "license_id"),
        license_title=_text(raw, "license_title"),
        license_url=address(_text(raw, "license_url")),
        tags=tuple(dict.fromkeys(tag for tag in tags if tag)),
        resources=tuple(
            _resource(item, place)
            for place, item in enumerate(_mappings(raw, "resources")[:RESOURCES_MAX], 1)
            if _text(item, "state") in {"", "active"}
        ),
        state=_text(raw, "state") or "active",
        type=_text(raw, "type") or "dataset",
        private=raw.get("private") in (True, "true", "True"),
    )


def change_digest(raw: Mapping[str, Any]) -> Digest:
    """Return the digest that differs when anything but clocks and counters does."""
    return Digest.of(strict_json.canonical(_plain(raw, 0)))


def address(text: str) -> str:
    """Return an address of the web without spaces around it, or "" for another."""
    found = text.strip().replace(" ", "%20")
    sound = re.match(r"https?://[^/]", found) and len(found) <= URL_CHARACTERS_MAX
    return found if sound else ""


def _resource(item: Mapping[str, Any], place: int) -> Resource:
    url = address(_text(item, "url"))
    ending = re.search(r"\.([A-Za-z0-9]{1,8})(?:[?#]|$)", url.rpartition("/")[2])
    form = _text(item, "format").strip().lower().removeprefix(".")
    number = _text(item, "id")
    return Resource(
        id=number if ID.fullmatch(number) else f"position-{place}",
        name=_text(item, "name") or url.rpartition("/")[2] or f"{place}",
        description=_text(item, "description"),
        format=form or (ending.group(1).lower() if ending else ""),
        media_type=_text(item, "mimetype"),
        url=url,
        schema=_schema(item.get("schema")),
    )


def _schema(value: object) -> Mapping[str, Any] | None:
    """Return a Table Schema that stands in the resource itself, never one elsewhere."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = strict_json.loads(value.encode(), bytes_max=TEXT_CHARACTERS_MAX * 4)
        except (PeerError, UnicodeEncodeError):
            return None
    if isinstance(value, dict) and isinstance(value.get("fields"), list):
        found = _plain(value, 0)
        return found if isinstance(found, dict) else None
    return None


def _text(item: Mapping[str, Any], name: str) -> str:
    """Return a member that is text, as UTF-8 can hold it, "" where it is none."""
    value = item.get(name)
    return _sound(value)[:TEXT_CHARACTERS_MAX] if isinstance(value, str) else ""


def _in(raw: Mapping[str, Any], name: str, language: str) -> str:
    """Return a translated member, as the extension "fluent" writes it."""
    value = raw.get(f"{name}_translated")
    return _text(value, language) if isinstance(value, dict) else ""


def _mappings(raw: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = raw.get(name)
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


def _sound(text: str) -> str:
    """Return text without zero bytes and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _plain(value: object, depth: int) -> Any:
    """Return a value as JCS can write it, without what is volatile."""
    if depth > DEPTH_MAX:
        return None
    if isinstance(value, dict):
        return {
            _sound(str(name)): _ordered(str(name), _plain(item, depth + 1))
            for name, item in value.items()
            if name not in VOLATILE and not str(name).startswith("num_")
        }
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, str):
        return _sound(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) <= INTEGER_MAX else str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _ordered(name: str, value: Any) -> Any:
    """Return tags, groups and extras in an order of our own: portals have none."""
    if name in UNORDERED and isinstance(value, list):
        return sorted(value, key=strict_json.canonical)
    return value
