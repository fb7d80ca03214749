"""What a publication of a file would do: judged and compared, and nothing written.

The same steps as `publish`, on a scratch beside the node: its objects and their names
go into a folder that is gone afterwards, and what is published is read where it lies.
So neither the store nor the database, the log or the catalog learns of the file.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.database import Database
from shahrdad.node.incoming.spool import Spool
from shahrdad.node.limits import RECORD_BYTES_MAX
from shahrdad.node.publish import (
    Handed,
    OnProgress,
    check_handed,
    judge,
    prepare,
    published_parts,
)
from shahrdad.node.record import Attachment
from shahrdad.node.references import References
from shahrdad.node.store.contract import Area
from shahrdad.node.store.scratch import ScratchStore
from shahrdad.node.table.reading import open_table
from shahrdad.node.table_changes import Side

if TYPE_CHECKING:
    from shahrdad.node.city import Node
    from shahrdad.validators.report import Report


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What would become of a file.

    Attributes:
        ref: The dataset that it would be.
        report: Of its judgement.
        version: The number that it would get, or has when it is `unchanged`; None of a
            file with errors, and so with all below.
        unchanged: The newest version says the same, so nothing would be published.
        rows: Of its table.
        change: What it changes, as the record of the version would say; None of a first
            version.
        sides: The published table and the file's, for `table_changes.compare`, while
            the rehearsal lasts; None of a first version.
    """

    ref: str
    report: "Report"
    version: int | None = None
    unchanged: bool = False
    rows: int | None = None
    change: Mapping[str, Any] | None = None
    sides: tuple[Side, Side] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the answer of `publish --dry-run`, here and remote, and of the API."""
        return {
            "ref": self.ref,
            "valid": self.report.valid,
            "unchanged": self.unchanged,
            "version": self.version,
            "rows": self.rows,
            "change": None if self.change is None else dict(self.change),
            "report": self.report.to_dict(),
        }


@contextmanager
def rehearse(
    node: "Node", handed: Handed, on_progress: OnProgress | None = None
) -> Iterator[Rehearsal]:
    """Judge a file as a publication would, and compare it with what is published.

    Args:
        node: The node; it need not be able to sign.
        handed: The file, and what is said of it.
        on_progress: Told of the progress.

    Raises:
        RequestError: FILE_NOT_FOUND, SLUG_WRONG, STANDARD_UNKNOWN.
        DataError: The file cannot be read at all; TABLE_EMPTY; TOO_LARGE: its record.
    """
    tell = on_progress or (lambda stage, done, total: None)
    check_handed(handed)
    ref = f"{node.config.node.city}/{handed.slug}"
    folder = node.config.data / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    node.projection.follow()
    with TemporaryDirectory(dir=folder) as place, closing(Spool(folder)) as spool:
        with References(node, handed.family, ref) as references:
            report = judge(node, handed, spool, references, tell)
        if not report.valid:
            yield Rehearsal(ref, report)
            return
        scratch = _scratch(node, Path(place))
        try:
            yield _prepared(scratch, handed, spool, report, tell)
        finally:
            scratch.database.close()


def _scratch(node: "Node", place: Path) -> "Node":
    """Return the node with a store and a database that last as long as a folder.

    Its catalog is the real one: it says what is published.
    """
    scratch = copy(node)
    scratch.store = ScratchStore(place / "objects", node.store)
    scratch.database = Database(place / "node.db")
    return scratch


def _prepared(
    scratch: "Node",
    handed: Handed,
    spool: Spool,
    report: "Report",
    tell: OnProgress,
) -> Rehearsal:
    """Write the next version beside the node, and compare it."""
    none = Attachment(
        "original", "original", Digest(bytes(32)), 0, "bin", "application/octet-stream"
    )
    approval = {"approval": scratch.config.publish.approval}
    ready = prepare(scratch, handed, none, spool, report, tell, approval, Area.PRIVATE)
    before = ready.before
    sides = None
    if before is not None and (old := published_parts(before.body)):
        city = scratch.config.node.city
        body = strict_json.loads(ready.content, bytes_max=RECORD_BYTES_MAX)
        new = open_table(scratch.store, published_parts(body), Area.PRIVATE)
        name = f"{ready.ref}@{before.version.n}"
        former = Side(name, city, open_table(scratch.store, old))
        sides = (former, Side(handed.file.name, city, new))
    return Rehearsal(
        ready.ref,
        report,
        before.version.n if before and ready.unchanged else ready.version,
        ready.unchanged,
        ready.rows,
        ready.change,
        sides,
    )
