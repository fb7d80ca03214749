"""A node's HTTP interface as a source.

What it answers is taken apart leniently and believed in nothing: a wrong member ends in
`NODE_ANSWER`, and everything that counts is checked by the chain.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from shahrdad.client import limits
from shahrdad.client.source import Computed, Found, Query, require_ref
from shahrdad.client.values import Change, Hit, Text, Version
from shahrdad.client.web import Query as Parameters
from shahrdad.client.web import Web
from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tile import MirrorPath

Kind = TypeVar("Kind")

_DATASETS = "/v1/datasets"
_ANALYSES = "/v1/analyses"


class ApiSource:
    """A node at an address.

    Args:
        web: Its host.
    """

    def __init__(self, web: Web) -> None:
        self.name = web.address
        self._web = web

    def close(self) -> None:
        """Let the connections go."""
        self._web.close()

    def find(self, ref: str, version: int | None, moment: str | None) -> Found:
        """Return a version, as the node says: two requests more than its number."""
        said: dict[str, Any] = {}
        if version is None:
            query = {} if moment is None else {"as_of": moment}
            said = self._web.json(_path(ref), query)
            version = self._member(said, _path(ref), "version", "number", kind=int)
        # A numbered version stays readable after a withdrawal, unlike the dataset.
        path = _path(ref, version)
        return Found(
            ref,
            version,
            self._web.get(f"{path}/descriptor", limits.RECORD_BYTES_MAX),
            self._web.get(f"{path}/receipt", limits.RECEIPT_BYTES_MAX),
            "node",
            moment,
            _places(said),
        )

    def versions(self, ref: str) -> list[Version]:
        """Return the versions of a dataset, newest first."""
        path = f"{_path(ref)}/versions"
        return [
            Version(
                self._member(item, path, "number", kind=int),
                self._member(item, path, "index", kind=int),
                self._member(item, path, "time", kind=str),
                self._member(item, path, "digest", kind=str),
                _optional(item, "change", dict),
                _optional(item, "approval", str),
                _text(item.get("note")),
            )
            for item in self._items(path, {})
        ]

    def hits(self, query: Query) -> Iterator[Hit]:
        """Yield what the node's search answers, page after page."""
        asked: dict[str, Any] = {
            "q": query.words,
            "family": query.family,
            "city": query.city,
            "fiscal_year": query.fiscal_year,
            "state": "withdrawn" if query.withdrawn else None,
            **query.more,
        }
        given = {
            name: value for name, value in asked.items() if value not in (None, "")
        }
        for item in self._items(_DATASETS, given):
            yield self._hit(item)

    def changes(self, after: str | None, wait_seconds: int) -> Iterator[Change]:
        """Yield what the node learned, until it has nothing more."""
        path, cursor = "/v1/changes", after
        while True:
            query: dict[str, str | int | list[str]] = {"limit": limits.PAGE_DATASETS}
            if cursor:
                query["cursor"] = cursor
            if wait_seconds:
                query["wait"] = min(wait_seconds, limits.WAIT_SECONDS_MAX)
            page = self._web.json(path, query)
            items = self._member(page, path, "items", kind=list)
            following = page.get("next_cursor")
            for item in items:
                change = self._change(item, path, str(following or cursor or ""))
                cursor = change.cursor
                yield change
            if not items or not following:
                return
            cursor = str(following)

    def computed(self, name: str, asked: Mapping[str, Any]) -> Computed:
        """Return a table of figures, page after page of one state of the node."""
        path = f"{_ANALYSES}/{quote(name, safe='')}"
        query = {key: value for key, value in asked.items() if value is not None}
        query["limit"] = limits.PAGE_ROWS
        try:
            first = page = self._web.json(path, query)
        except RequestError as error:
            if error.reason is not Reason.ADDRESS_UNKNOWN:
                raise
            raise self._no_analysis(name) from error
        rows = self._objects(page, path, "items")
        while (cursor := page.get("next_cursor")) is not None:
            page = self._web.json(path, {**query, "cursor": str(cursor)})
            found = self._objects(page, path, "items")
            if not found or page.get("inputs_digest") != first.get("inputs_digest"):
                self._web.refuse(path, "pages of two states")
            rows += found
        return Computed(
            name,
            tuple(self._objects(first, path, "fields")),
            tuple(rows),
            tuple(
                (
                    self._member(one, path, "ref", kind=str),
                    self._member(one, path, "version", kind=int),
                    self._member(one, path, "digest", kind=str),
                )
                for one in self._objects(first, path, "inputs")
            ),
            self._member(first, path, "inputs_digest", kind=str),
            tuple(
                (
                    self._member(one, path, "ref", kind=str),
                    self._member(one, path, "reason", kind=str),
                )
                for one in self._objects(first, path, "excluded")
            ),
            tuple(map(str, self._member(first, path, "missing", kind=list))),
        )

    def _no_analysis(self, name: str) -> RequestError:
        """Return the error of a name that no analysis of the node has."""
        items = self._objects(self._web.json(_ANALYSES, {}), _ANALYSES, "items")
        known = ", ".join(str(one.get("name"))[:100] for one in items)
        return RequestError(Reason.ANALYSIS_UNKNOWN, name=name[:100], known=known)

    def read_object(self, digest: Digest, size: int, found: Found) -> bytes:
        """Return an object's bytes, from the mirror of the node or where it says."""
        return self._at_places(digest, found, lambda at: self._web.get(at, size))

    def read_range(
        self, digest: Digest, offset: int, length: int, found: Found
    ) -> bytes | None:
        """Return a range of an object."""
        return self._at_places(
            digest, found, lambda at: self._web.range(at, offset, length)
        )

    def keys(self, origin: str, city: str) -> tuple[str, ...]:
        """Return the keys that the node names for a log: a claim like any other."""
        found: list[str] = []
        for path in (f"/v1/cities/{quote(city)}", "/.well-known/shahrdad-node"):
            try:
                found += _texts(self._web.json(path), f"{origin}+")
            except (RequestError, PeerError):
                continue
        return tuple(dict.fromkeys(found))

    def export(self, found: Found, resource: str, extension: str) -> bytes:
        """Return a whole version in another format, made by the node."""
        require_ref(found.ref)
        name = f"{quote(resource, safe='')}.{quote(extension, safe='')}"
        path = f"/d/{found.ref}/v/{found.version}/{name}"
        return self._web.get(path, limits.EXPORT_BYTES_MAX)

    def _at_places(
        self, digest: Digest, found: Found, read: Callable[[str], bytes]
    ) -> bytes:
        """Read an object in the node's mirror, else at the address that it names.

        That address may be a bucket; but it may also be one that only the node's own
        network knows, so it comes second.
        """
        try:
            return read(f"/mirror/{MirrorPath.object(digest)}")
        except RequestError:
            place = found.places.get(digest.hex)
            if place is None:
                raise
            return read(place)

    def _items(self, path: str, query: Parameters) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, page after page."""
        cursor: str | None = None
        while True:
            more: dict[str, str | int | list[str]] = {"limit": limits.PAGE_DATASETS}
            if cursor is not None:
                more["cursor"] = cursor
            page = self._web.json(path, {**query, **more})
            for item in self._member(page, path, "items", kind=list):
                if type(item) is not dict:
                    self._web.refuse(path, "an item that is no object")
                yield item
            following = page.get("next_cursor")
            if following is None:
                return
            if following == cursor:
                self._web.refuse(path, "the same cursor twice")
            cursor = str(following)

    def _member(
        self, said: Mapping[str, Any], path: str, *names: str, kind: type[Kind]
    ) -> Kind:
        """Return a member of an answer, which must be there and of a kind."""
        value: Any = said
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        if type(value) is not kind:
            self._web.refuse(path, f"no {'.'.join(names)}")
        return value

    def _objects(
        self, said: Mapping[str, Any], path: str, name: str
    ) -> list[dict[str, Any]]:
        """Return a member that is a list of objects."""
        found = self._member(said, path, name, kind=list)
        if any(type(item) is not dict for item in found):
            self._web.refuse(path, f"{name} has an item that is no object")
        return found

    def _hit(self, item: dict[str, Any]) -> Hit:
        """Return a dataset object as a hit."""
        resources = item.get("resources")
        rows = [
            resource.get("rows")
            for resource in (resources if type(resources) is list else [])
            if type(resource) is dict
        ]
        return Hit(
            self._member(item, _DATASETS, "ref", kind=str),
            _text(item.get("title")) or Text("", ""),
            _optional(item.get("family"), "id", str),
            self._member(item, _DATASETS, "city", "slug", kind=str),
            self._member(item, _DATASETS, "version", "number", kind=int),
            _optional(item.get("period"), "fiscal_year", int),
            _total(rows),
            _optional(item.get("version"), "time", str) or "",
            _optional(item.get("verification"), "state", str) or "unknown",
            self.name,
        )

    def _change(self, item: Any, path: str, cursor: str) -> Change:
        """Return one change; its own cursor lets a reader go on right behind it."""
        if type(item) is not dict:
            self._web.refuse(path, "an item that is no object")
        epoch, colon, _ = cursor.rpartition(":")
        seq = self._member(item, path, "seq", kind=int)
        return Change(
            f"{epoch}{colon}{seq}" if colon else cursor,
            self._member(item, path, "ref", kind=str),
            self._member(item, path, "op", kind=str),
            _optional(item, "version", int),
            self._member(item, path, "time", kind=str),
            _optional(item, "digest", str),
            _optional(item, "reason", str),
        )


def _path(ref: str, version: int | None = None) -> str:
    """Return a dataset's path."""
    require_ref(ref)
    return f"{_DATASETS}/{ref}" + ("" if version is None else f"/v/{version}")


def _places(said: Mapping[str, Any]) -> dict[str, str]:
    """Return digest → address of the objects that a dataset object lists."""
    found: dict[str, str] = {}

    def note(item: Any) -> None:
        if type(item) is not dict:
            return
        digest, address = item.get("sha256"), item.get("url")
        if (
            type(digest) is str
            and type(address) is str
            and address.startswith(("/", "http://", "https://"))
        ):
            found[digest] = address

    for resource in said.get("resources") or []:
        note(resource)
        if type(resource) is dict:
            for part in resource.get("parts") or []:
                note(part)
    return found


def _total(counts: list[Any]) -> int | None:
    """Return the sum of some counts; None when one is not known."""
    known = [count for count in counts if type(count) is int]
    return sum(known) if known and len(known) == len(counts) else None


def _optional(holder: Any, name: str, kind: type[Kind]) -> Kind | None:
    """Return a member that may be missing."""
    value = holder.get(name) if isinstance(holder, Mapping) else None
    return value if type(value) is kind else None


def _text(value: Any) -> Text | None:
    """Return a text in both languages."""
    if type(value) is not dict:
        return None
    return Text(str(value.get("fa") or ""), str(value.get("en") or ""))


def _texts(value: Any, prefix: str) -> list[str]:
    """Return every text in a JSON value that begins with a prefix."""
    if type(value) is str:
        return [value] if value.startswith(prefix) else []
    members = value.values() if type(value) is dict else value
    if type(members) is not list and type(value) is not dict:
        return []
    return [text for member in members for text in _texts(member, prefix)]
