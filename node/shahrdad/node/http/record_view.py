"""What the doors read from a record: tables with their parts, report, original.

A record may be another city's, so everything is read leniently: what has the wrong
type is left out, and nothing here raises.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shahrdad.datasets.errors import Language, ShahrdadError
from shahrdad.federation.verify.digest import Digest


@dataclass(frozen=True, slots=True)
class PartView:
    """One Parquet object of a table."""

    digest: Digest
    bytes: int
    rows: int | None
    first: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class TableView:
    """A table of a record; one with a single part is that object."""

    name: str
    schema: Mapping[str, Any]
    rows: int | None
    bytes: int
    parts: tuple[PartView, ...]

    @property
    def fields(self) -> list[Mapping[str, Any]]:
        """The fields of its schema."""
        found = self.schema.get("fields")
        return [mapping(item) for item in found] if isinstance(found, list) else []

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The names of the key's columns."""
        key = self.schema.get("primaryKey")
        names = [key] if isinstance(key, str) else key
        return tuple(str(name) for name in names) if isinstance(names, list) else ()


@dataclass(frozen=True, slots=True)
class AttachmentView:
    """Another object of a record."""

    name: str
    role: str
    digest: Digest
    bytes: int
    format: str
    media_type: str
    file_name: str
    public: bool


@dataclass(frozen=True, slots=True)
class RecordView:
    """A record, read."""

    body: Mapping[str, Any]
    tables: tuple[TableView, ...]
    attachments: tuple[AttachmentView, ...]

    @property
    def ours(self) -> Mapping[str, Any]:
        """What Shahrdad adds to the descriptor."""
        return mapping(self.body.get("shahrdad"))

    def text(self, name: str, language: Language) -> str:
        """Return a text member in a language: `title` and `title_en`."""
        found = self.body.get(name if language == "fa" else f"{name}_en")
        return found if isinstance(found, str) else ""

    def both(self, name: str) -> dict[str, str]:
        """Return a text member in both languages."""
        return {"fa": self.text(name, "fa"), "en": self.text(name, "en")}

    def words(self, name: str) -> list[str]:
        """Return a member that is a list of texts."""
        found = self.body.get(name)
        if not isinstance(found, list):
            return []
        return [word for word in found if isinstance(word, str)]

    def table(self, name: str) -> TableView | None:
        """Return a table by name."""
        return next((table for table in self.tables if table.name == name), None)

    def attachment(self, role: str) -> AttachmentView | None:
        """Return an attachment by role."""
        return next((item for item in self.attachments if item.role == role), None)

    @property
    def publisher(self) -> dict[str, str]:
        """The publisher's name in both languages; "" where none is given."""
        contributors = self.body.get("contributors")
        for item in contributors if isinstance(contributors, list) else []:
            roles = mapping(item).get("roles")
            if isinstance(roles, list) and "publisher" in roles:
                title = mapping(item).get("title")
                english = self.ours.get("publisher_en")
                return {"fa": str(title or ""), "en": str(english or title or "")}
        return {"fa": "", "en": ""}

    @property
    def license_url(self) -> str | None:
        """The address of the first licence, if it is one of the web."""
        licenses = self.body.get("licenses")
        for item in licenses if isinstance(licenses, list) else []:
            path = mapping(item).get("path")
            if isinstance(path, str) and path.startswith("https://"):
                return path
        return None


def read(body: Mapping[str, Any]) -> RecordView:
    """Read a record."""
    resources = body.get("resources")
    listed = (
        [mapping(item) for item in resources] if isinstance(resources, list) else []
    )
    roles = [_role(item) for item in listed]
    parts: dict[str, list[PartView]] = {}
    for item, role in zip(listed, roles, strict=True):
        part = _part(item) if role == "part" else None
        if part is not None:
            of = str(mapping(item.get("shahrdad")).get("of", ""))
            parts.setdefault(of, []).append(part)
    tables, attachments = [], []
    for item, role in zip(listed, roles, strict=True):
        if role == "table":
            tables.append(_table(item, parts))
        elif role != "part":
            attachment = _attachment(item, role)
            if attachment is not None:
                attachments.append(attachment)
    return RecordView(body, tuple(tables), tuple(attachments))


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object, empty where there is none."""
    return value if isinstance(value, dict) else {}


def count(value: object) -> int | None:
    """Return a number of things, None where there is none."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None


def _role(resource: Mapping[str, Any]) -> str:
    return str(mapping(resource.get("shahrdad")).get("role", "table"))


def _digest(resource: Mapping[str, Any]) -> Digest | None:
    text = resource.get("hash")
    if not isinstance(text, str) or not text.startswith("sha256:"):
        return None
    try:
        return Digest.parse(text.removeprefix("sha256:"))
    except ShahrdadError:
        return None


def _part(resource: Mapping[str, Any]) -> PartView | None:
    digest = _digest(resource)
    if digest is None:
        return None
    facts = mapping(resource.get("shahrdad"))
    first = facts.get("first")
    return PartView(
        digest,
        count(resource.get("bytes")) or 0,
        count(facts.get("rows")),
        tuple(first) if isinstance(first, list) else (),
    )


def _table(
    resource: Mapping[str, Any], parts: Mapping[str, list[PartView]]
) -> TableView:
    name = str(resource.get("name", ""))
    single = _part(resource)
    found = (single,) if single is not None else tuple(parts.get(name, ()))
    return TableView(
        name=name,
        schema=mapping(resource.get("schema")),
        rows=count(mapping(resource.get("shahrdad")).get("rows")),
        bytes=count(resource.get("bytes")) or sum(part.bytes for part in found),
        parts=found,
    )


def _attachment(resource: Mapping[str, Any], role: str) -> AttachmentView | None:
    digest = _digest(resource)
    if digest is None:
        return None
    facts = mapping(resource.get("shahrdad"))
    name = str(resource.get("name", ""))
    return AttachmentView(
        name=name,
        role=role,
        digest=digest,
        bytes=count(resource.get("bytes")) or 0,
        format=str(resource.get("format", "bin")),
        media_type=str(resource.get("mediatype", "application/octet-stream")),
        file_name=str(facts.get("file_name") or facts.get("filename") or name),
        public=facts.get("public") is not False and role != "original-private",
    )
