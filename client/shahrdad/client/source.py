"""What a reader asks of a node or a mirror, and gets before anything is checked.

Two sources: `api_source` (a node's HTTP interface) and `static_source` (the files of a
mirror). A source carries; `chain` decides. Only `StaticSource` has seen the whole log,
so only it may say `selection = "log"`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from shahrdad.client.values import Change, Hit, Selection, Version
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify.digest import Digest

_ADDRESS = re.compile(r"(?:https?://[^/]+)?(?:/(?:fa|en))?/d/([^/?#]+)/([^/?#.]+)")


@dataclass(frozen=True, slots=True)
class Query:
    """Which datasets to list; None and empty mean all."""

    words: str = ""
    family: str | None = None
    city: str | None = None
    fiscal_year: int | None = None
    withdrawn: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)  # parameters of the API alone


@dataclass(frozen=True, slots=True)
class Found:
    """One version of a dataset as a source gives it: nothing of it is believed yet.

    Attributes:
        ref: As asked.
        version: The number that the source says.
        record: The bytes that the source says the city signed.
        receipt: The proof that the record stands in the city's log.
        selection: Who chose the version.
        moment: The time it was chosen by, or None for the newest.
        places: Where the source says an object's bytes lie, by digest.
    """

    ref: str
    version: int
    record: bytes
    receipt: bytes
    selection: Selection
    moment: str | None = None
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Computed:
    """A table of figures as a node gives it: its word alone.

    Attributes:
        name: Of the analysis.
        fields: Name and type of each column.
        inputs: Reference, version and digest of each version it rests on.
        inputs_digest: What the node says pins them.
        excluded: Reference and reason of each dataset that was left out.
        missing: Cities that published nothing of it.
    """

    name: str
    fields: tuple[Mapping[str, Any], ...]
    rows: tuple[Mapping[str, Any], ...]
    inputs: tuple[tuple[str, int, str], ...]
    inputs_digest: str
    excluded: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]


class Source(Protocol):
    """One node or mirror, read.

    Repeatable: every method may be called again with the same arguments.
    Verified: nothing; the caller does that.
    Concurrent: every method may be called from several threads.
    Errors: `RequestError`, `ConflictError(DATASET_WITHDRAWN)`, `PeerError`,
    `UnavailableError`.
    """

    name: str

    def find(self, ref: str, version: int | None, moment: str | None) -> Found:
        """Return a version: a numbered one, the newest at a time, or the newest."""
        ...

    def versions(self, ref: str) -> list[Version]:
        """Return the versions of a dataset, newest first."""
        ...

    def hits(self, query: Query) -> Iterator[Hit]:
        """Yield the datasets that a query asks for."""
        ...

    def changes(self, after: str | None, wait_seconds: int) -> Iterator[Change]:
        """Yield what the source learned after a cursor of its own, oldest first."""
        ...

    def computed(self, name: str, asked: Mapping[str, Any]) -> Computed:
        """Return a table of figures that the source computes."""
        ...

    def read_object(self, digest: Digest, size: int, found: Found) -> bytes:
        """Return an object's bytes, at most `size` of them."""
        ...

    def read_range(
        self, digest: Digest, offset: int, length: int, found: Found
    ) -> bytes | None:
        """Return a range of an object; None where ranges save nothing."""
        ...

    def keys(self, origin: str, city: str) -> tuple[str, ...]:
        """Return the verifier keys that the source names for a log: a claim."""
        ...

    def export(self, found: Found, resource: str, extension: str) -> bytes:
        """Return a whole version in another format, made by the source."""
        ...

    def close(self) -> None:
        """Let connections and files go."""
        ...


def plain_ref(given: str) -> str:
    """Return the reference that is meant: itself, the name in one word, an address.

    >>> plain_ref("kerman/budget-1404"), plain_ref("kerman--budget-1404")
    ('kerman/budget-1404', 'kerman/budget-1404')
    >>> plain_ref("https://data.kerman.ir/fa/d/kerman/budget-1404/v/2?x=1")
    'kerman/budget-1404'

    Raises:
        RequestError: DATASET_UNKNOWN.
    """
    found = _ADDRESS.match(given)
    ref = f"{found[1]}/{found[2]}" if found else given.replace("--", "/", 1)
    require_ref(ref)
    return ref


def require_ref(ref: str) -> None:
    """Refuse what is no reference, before it becomes part of an address.

    Raises:
        RequestError: DATASET_UNKNOWN.
    """
    city, slash, slug = ref.partition("/")
    plain = all(
        part and part.isascii() and part.replace("-", "").isalnum()
        for part in (city, slug)
    )
    if not slash or not plain:
        raise RequestError(Reason.DATASET_UNKNOWN, ref=ref[:200])
