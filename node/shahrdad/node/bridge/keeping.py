"""A dataset's files and links: what is fetched, what becomes a table, what stays.

    a mapped file     judged; a valid one becomes a table, its original stays private
    another file      kept as it came, as a public object
    anything else     a link: a format that is not fetched, too large, dead

A file that did not come this time stays as it was fetched last: a server that fails for
an hour makes no new version. What did not come is reported.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shahrdad.datasets import standards
from shahrdad.datasets.errors import (
    DataError,
    PeerError,
    Reason,
    ShahrdadError,
    UnavailableError,
)
from shahrdad.federation.bridge.files import FORMATS, FileFetcher
from shahrdad.federation.bridge.packages import Known, Package, Resource
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.bridge.ledger import Ledger
from shahrdad.node.bridge.rows import Conversion, KeptFile, Source
from shahrdad.node.bridge.tables import Judged, Wish, judge
from shahrdad.node.publish import now
from shahrdad.node.record import Attachment, Table
from shahrdad.node.store.contract import Area, put_bytes, put_file
from shahrdad.node.store.naming import Naming

if TYPE_CHECKING:
    from shahrdad.node.city import Node

YEAR = re.compile(r"(?<![0-9])1[34][0-9]{2}(?![0-9])")
SUFFIX = re.compile(r"[a-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where a dataset's objects go, and what names them until a record does.

    Attributes:
        area: Public at once, or private until somebody approved.
        kind: `job` or `draft`.
        owner: The dataset, or the draft.
    """

    area: Area
    kind: str
    owner: str


@dataclass(slots=True)
class Contents:
    """What a dataset consists of, ready for its record."""

    tables: list[Table] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    faults: list[dict[str, str]] = field(default_factory=list)
    family: str | None = None
    fiscal_year: int | None = None
    writer: dict[str, Any] = field(default_factory=dict)
    errors: int = 0
    warnings: int = 0
    come_back: bool = False  # a file may come at the next run, though nothing changed


class Keeper:
    """Fetches and keeps the files of a source.

    Args:
        node: The node.
        source: The source.
        ledger: Where fetched files are noted.
        fetcher: Fetches them; None where only links are kept.
    """

    def __init__(
        self,
        node: "Node",
        source: Source,
        ledger: Ledger,
        fetcher: FileFetcher | None,
    ) -> None:
        self._node = node
        self._source = source
        self._ledger = ledger
        self._fetcher = fetcher

    def gather(self, package: Package, ref: str, shelf: Shelf) -> Contents:
        """Return tables, files and links of a dataset.

        Args:
            package: The dataset, as the portal has it.
            ref: What it is called here.
            shelf: Where its objects go.

        Raises:
            UnavailableError: the store does not answer.
        """
        found = Contents()
        known = self._ledger.files(self._source.id, package.id)
        for place, resource in enumerate(package.resources, 1):
            wish = self._wish(package, resource, ref, found)
            kept = self._current(package, resource, known, wish, shelf, found, ref)
            if kept is None:
                self._link(resource, place, found)
            elif wish is not None:
                self._convert(kept, wish, resource, place, shelf, found)
            else:
                found.attachments.append(_original(kept, resource, place, public=True))
        gone = known.keys() - {resource.id for resource in package.resources}
        self._ledger.drop_files(self._source.id, package.id, gone)
        return found

    def has_news(self, package: str) -> tuple[bool, list[dict[str, str]]]:
        """Tell whether a file of an unchanged dataset has other bytes than before.

        Returns:
            Whether one has, and the files that did not come.
        """
        faults: list[dict[str, str]] = []
        if self._fetcher is None:
            return False, faults
        for kept in self._ledger.files(self._source.id, package).values():
            try:
                with self._scratch() as folder:
                    fetched = self._fetcher.fetch(kept.url, kept.known, folder / "file")
            except ShahrdadError as error:
                faults.append(_fault(kept.url, error))
                continue
            if fetched is None:
                continue
            if fetched.digest != kept.digest:
                return True, faults
            self._ledger.keep_file(
                self._source.id, package, replace(kept, known=fetched.known)
            )
        return False, faults

    def _wish(
        self, package: Package, resource: Resource, ref: str, found: Contents
    ) -> Wish | None:
        """Return what a file should become, or None for itself."""
        conversion = self._conversion(package, resource)
        if conversion is not None and found.family is None:
            year = YEAR.search(package.name)
            standard = standards.load(conversion.family)
            found.family = conversion.family
            if standard.dataset_per != "city" and year:
                found.fiscal_year = int(year.group())
            return Wish(
                conversion.family.replace("_", "-"),
                ref,
                family=conversion.family,
                profile=conversion.profile,
                fiscal_year=found.fiscal_year,
            )
        if resource.schema is not None:
            taken = {table.name for table in found.tables}
            return Wish(_name(resource.name, taken), ref, schema=resource.schema)
        return None

    def _conversion(self, package: Package, resource: Resource) -> Conversion | None:
        names = (package.name, f"{package.name}/{resource.name}")
        for one in self._source.settings.maps:
            if any(fnmatchcase(name, one.pattern) for name in names):
                return one
        return None

    def _current(
        self,
        package: Package,
        resource: Resource,
        known: dict[str, KeptFile],
        wish: Wish | None,
        shelf: Shelf,
        found: Contents,
        ref: str,
    ) -> KeptFile | None:
        """Return a file as it is now, or as it was when it last came."""
        last = known.get(resource.id)
        wanted = wish is not None or resource.format in FORMATS
        if self._fetcher is None or not resource.url or not wanted:
            if not resource.url:
                found.faults.append(
                    {"url": "", "reason": "MALFORMED", "detail": resource.name[:100]}
                )
            return None
        area = shelf.area if wish is None else Area.PRIVATE
        same = last is not None and last.url == resource.url and last.area == area.value
        try:
            with self._scratch() as folder:
                target = folder / "file"
                seen = last.known if last is not None and same else Known()
                fetched = self._fetcher.fetch(resource.url, seen, target)
                if fetched is None:
                    return last
                self._ledger.refer(area.value, fetched.digest, "original", ref, now())
                put_file(self._node.store, area, target)
        except ShahrdadError as error:
            found.faults.append(_fault(resource.url, error))
            passing = isinstance(error, PeerError | UnavailableError)
            found.come_back |= passing and error.reason is not Reason.TOO_LARGE
            return last if same else None
        kept = KeptFile(
            resource.id,
            resource.url,
            fetched.known,
            fetched.digest,
            fetched.size,
            fetched.media_type or resource.media_type,
            area.value,
        )
        self._ledger.keep_file(self._source.id, package.id, kept)
        return kept

    def _convert(
        self,
        kept: KeptFile,
        wish: Wish,
        resource: Resource,
        place: int,
        shelf: Shelf,
        found: Contents,
    ) -> None:
        """Judge a file; a valid one becomes a table, another stays a link."""
        try:
            judged = self._judge(kept, wish, resource, shelf)
        except DataError as error:
            found.faults.append(_fault(resource.url, error))
            self._link(resource, place, found)
            return
        # Only a record names a report for ever, and a refused file has none.
        refused = Shelf(Area.PRIVATE, "original", wish.ref)
        kept_on = shelf if judged.table is not None else refused
        self._ledger.refer(
            kept_on.area.value,
            Digest.of(judged.report),
            kept_on.kind,
            kept_on.owner,
            now(),
        )
        digest = put_bytes(self._node.store, kept_on.area, judged.report)
        if judged.table is None:
            if wish.family is not None:
                found.family = None
            found.faults.append(
                {
                    "url": resource.url,
                    "reason": "NOT_VALID",
                    "detail": f"{judged.errors} errors, report {digest.hex}",
                }
            )
            self._link(resource, place, found)
            return
        found.tables.append(judged.table)
        found.writer = dict(judged.writer)
        found.errors += judged.errors
        found.warnings += judged.warnings
        found.attachments += [
            Attachment(
                f"report-{place}",
                "report",
                digest,
                len(judged.report),
                "json",
                "application/json",
            ),
            _original(kept, resource, place, public=False),
        ]

    def _judge(
        self, kept: KeptFile, wish: Wish, resource: Resource, shelf: Shelf
    ) -> Judged:
        """Judge a stored file under a name that tells its format."""
        with self._scratch() as folder:
            file = folder / f"file.{_suffix(resource)}"
            with (
                self._node.store.open(Area(kept.area), kept.digest) as source,
                file.open("wb") as target,
            ):
                shutil.copyfileobj(source, target)
            named = Naming(
                self._node.store, self._node.database.connect, shelf.kind, shelf.owner
            )
            return judge(self._node, file, wish, named, shelf.area)

    def _link(self, resource: Resource, place: int, found: Contents) -> None:
        """Add a file of elsewhere."""
        if not resource.url:
            return
        link = {
            "name": f"link-{place}",
            "path": resource.url,
            "title": resource.name,
            "description": resource.description,
            "format": resource.format,
            "mediatype": resource.media_type,
        }
        about = {name: text for name, text in link.items() if text}
        found.links.append({**about, "shahrdad": {"role": "link"}})

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """Give a folder on the node's disk, and remove it."""
        parent = self._node.config.data / "tmp"
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            yield Path(folder)


def _original(
    kept: KeptFile, resource: Resource, place: int, *, public: bool
) -> Attachment:
    """Return a file as it came, for the record."""
    suffix = _suffix(resource)
    name = _name(resource.name, set())
    facts: dict[str, Any] = {
        "public": public,
        "file_name": name if name.endswith(f".{suffix}") else f"{name}.{suffix}",
        "title": resource.name,
        "source": resource.url,
    }
    if resource.description:
        facts["description"] = resource.description
    return Attachment(
        f"original-{place}",
        "original",
        kept.digest,
        kept.size,
        suffix,
        kept.media_type or "application/octet-stream",
        facts,
    )


def _suffix(resource: Resource) -> str:
    """Return the ending of a file's name."""
    return resource.format if SUFFIX.fullmatch(resource.format) else "bin"


def _name(text: str, taken: set[str]) -> str:
    """Return a name of small Latin letters that no other table of the dataset has."""
    plain = re.sub("[^a-z0-9.]+", "-", text.lower()).strip("-.") or "file"
    found, number = plain[:60], 1
    while found in taken:
        number += 1
        found = f"{plain[:55]}-{number}"
    return found


def _fault(url: str, error: ShahrdadError) -> dict[str, str]:
    return {"url": url, "reason": error.reason.value, "detail": str(error)[:300]}
