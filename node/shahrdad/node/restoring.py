"""An old version as the newest again: `restore` (storage 5.2).

The new record names the objects of the old one, so no byte of data is written. It says
`restored_from`, and its change is the one against the version that it replaces.

A standard may have moved on since. Then the table of the old version is judged again by
the standard of today, and published as today's table, or refused with a report. It is
the published table that is judged and not the file handed in: its columns, dates and
amounts are settled, and need none of the answers that were given then.
"""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from shahrdad.datasets import standards
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import record
from shahrdad.node.accounts import audit
from shahrdad.node.accounts.moments import present
from shahrdad.node.desk import drafts
from shahrdad.node.desk.drafting import answers_of
from shahrdad.node.desk.drafts import Draft, Revision
from shahrdad.node.http.identity import ulid
from shahrdad.node.incoming.spool import Spool
from shahrdad.node.limits import RECORD_BYTES_MAX
from shahrdad.node.publish import (
    Handed,
    Prepared,
    judge,
    own_slug,
    prepare,
    published_parts,
    store_report,
)
from shahrdad.node.publish import now as time_now
from shahrdad.node.record import Attachment, Description
from shahrdad.node.references import References, copy_table
from shahrdad.node.store.collection import refer
from shahrdad.node.store.contract import Area

if TYPE_CHECKING:
    from shahrdad.node.accounts.roles import Actor
    from shahrdad.node.city import Newest, Node

State = Literal["published", "unchanged", "refused", "submitted"]
TABLE_FILE = "table.parquet"
MEMBERS = ("change", "audit_head", "restored_from")  # of the old record, not taken over


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of a restoration.

    Attributes:
        state: `submitted` is a draft that waits for another person.
        ref: The dataset.
        restored_from: The old version.
        version: The number of the new one; the newest when nothing changed.
        index: Of its entry.
        judged_again: The standard moved on, and the table was judged anew.
        draft: Under four eyes.
        report: Of a refused table.
    """

    state: State
    ref: str
    restored_from: int
    version: int | None = None
    index: int | None = None
    judged_again: bool = False
    draft: Draft | None = None
    report: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Made:
    """A next version from an old one, or the report that refuses it."""

    old: dict[str, Any]
    ready: Prepared | None
    judged_again: bool
    report: Mapping[str, Any] | None = None


def restore(node: "Node", ref: str, n: int) -> Restored:
    """Publish an old version of a dataset of this city as its newest.

    Args:
        node: Ready to sign; one approval is enough there.
        ref: The dataset.
        n: The old version.

    Raises:
        RequestError: APPROVAL_NEEDED, DATASET_UNKNOWN, VERSION_UNKNOWN,
            VERSION_REDACTED, NOT_OUR_DATASET, OBJECT_NOT_HELD.
    """
    if node.config.publish.approval != "single":
        raise RequestError(Reason.APPROVAL_NEEDED)
    with node.database.exclusive("publish"):
        node.projection.follow()
        made = _make(node, ref, n, {"approval": "single"}, Area.OBJECT)
        name = f"{node.config.node.city}/{own_slug(node, ref)}"
        if made.ready is None:
            return Restored("refused", name, n, judged_again=True, report=made.report)
        ready, before = made.ready, made.ready.before
        if ready.unchanged and before is not None:
            return Restored(
                "unchanged", name, n, before.version.n, before.version.index
            )
        index = node.append_put(f"ds/{own_slug(node, ref)}", ready.content)
        node.projection.follow()
    return Restored("published", name, n, ready.version, index, made.judged_again)


def draft_restoration(node: "Node", ref: str, n: int, by: "Actor") -> Restored:
    """Ask for an old version to be the newest again, and submit it.

    Raises:
        RequestError: as `restore`, and FORBIDDEN, SCOPE_MISSING.
    """
    slug = own_slug(node, ref)
    by.check(drafts.BY_KIND["publish"], slug)
    node.projection.follow()
    connection = node.database.connect()
    provenance = {
        "approval": "four-eyes",
        "audit_head": audit.head(connection).to_dict(),
    }
    made = _make(node, ref, n, provenance, Area.PRIVATE)
    name = f"{node.config.node.city}/{slug}"
    if made.ready is None:
        return Restored("refused", name, n, judged_again=True, report=made.report)
    ready, before = made.ready, made.ready.before
    if ready.unchanged and before is not None:
        return Restored("unchanged", name, n, before.version.n, before.version.index)
    number, original = ulid(), _attachment(made.old, "original")
    for item in record.objects(
        strict_json.loads(ready.content, bytes_max=RECORD_BYTES_MAX)
    ):
        area = Area.PRIVATE if made.judged_again or not item.public else Area.OBJECT
        refer(connection, area, item.digest, "draft", number)
    revision = Revision(
        kind="publish",
        slug=slug,
        answers=json.dumps(answers_of(_handed(made.old, Path())), ensure_ascii=False),
        verdict="valid",
        content=ready.content,
        family=made.old["shahrdad"].get("family"),
        file_name=str(original.extra.get("file_name", original.name)),
        original=original.digest,
        original_bytes=original.size,
        report=ready.report.digest,
        base=before.version.index if before else None,
    )
    at = present()
    with node.database.transaction() as writing:
        draft = drafts.create(writing, number, by, revision, at)
        draft = drafts.submit(writing, draft, by, at)
    return Restored("submitted", name, n, judged_again=made.judged_again, draft=draft)


def _make(
    node: "Node", ref: str, n: int, provenance: Mapping[str, Any], area: Area
) -> _Made:
    """Make the next version of a dataset from an old one."""
    slug = own_slug(node, ref)
    _, version = node.catalog.version(f"{node.config.node.city}/{slug}", n)
    if version.state == "redacted":
        raise RequestError(Reason.VERSION_REDACTED, ref=ref, version=n)
    old = node.catalog.body(version.digest)
    for item in record.objects(old):
        held = Area.OBJECT if item.public else Area.PRIVATE
        if node.store.stat(held, item.digest) is None:
            raise RequestError(Reason.OBJECT_NOT_HELD, digest=item.digest.hex)
    said = {**provenance, "restored_from": n}
    if _moved_on(old):
        return _judged(node, old, said, area)
    before = node.newest(f"{node.config.node.city}/{slug}")
    return _Made(old, _renamed(node, old, before, said), judged_again=False)


def _moved_on(old: Mapping[str, Any]) -> bool:
    """Tell whether the standard of a record is another one today."""
    family = old["shahrdad"].get("family")
    if family is None:
        return False
    known = old["shahrdad"].get("standard", {}).get("sha256")
    return bool(standards.load(family).digest != known)


def _renamed(
    node: "Node",
    old: Mapping[str, Any],
    before: "Newest | None",
    said: Mapping[str, Any],
) -> Prepared:
    """Return the record of an old version's objects as the next version."""
    number = before.version.n + 1 if before else 1
    ours = {
        name: value for name, value in old["shahrdad"].items() if name not in MEMBERS
    }
    change = _change(node, before, old)
    ours |= {**said, **({} if change is None else {"change": change})}
    body = {**old, "version": str(number), "created": time_now(), "shahrdad": ours}
    unchanged = (
        before is not None
        and before.live
        and record.content(before.body) == record.content(body)
    )
    rows = sum(part.rows for part in published_parts(old))
    ref, report = str(ours["ref"]), _attachment(old, "report")
    content = strict_json.canonical(body)
    return Prepared(ref, content, number, unchanged, rows, report, change, before)


def _change(
    node: "Node", before: "Newest | None", old: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return what the restoration changes against the newest version."""
    from shahrdad.node.table.diff import TableDiff
    from shahrdad.node.table.reading import open_table

    newest = published_parts(before.body) if before is not None else ()
    parts = published_parts(old)
    if before is None or not newest or not parts:
        return None
    diff = TableDiff(open_table(node.store, newest), open_table(node.store, parts))
    return diff.run().to_dict(before.version.n)


def _judged(
    node: "Node", old: dict[str, Any], said: Mapping[str, Any], area: Area
) -> _Made:
    """Judge the table of an old version by the standard of today."""
    folder = node.config.data / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as place:
        handed = _handed(old, Path(place) / TABLE_FILE)
        copy_table(node.store, record.table_parts(old), handed.file)
        ref = f"{node.config.node.city}/{handed.slug}"
        with closing(Spool(folder)) as spool:
            with References(node, handed.family, ref) as references:
                report = judge(node, handed, spool, references, _quiet)
            if not report.valid:
                store_report(node, ref, report, Area.PRIVATE, "original")
                return _Made(old, None, judged_again=True, report=report.to_dict())
            original = _attachment(old, "original")
            ready = prepare(node, handed, original, spool, report, _quiet, said, area)
    return _Made(old, ready, judged_again=True)


def _handed(old: Mapping[str, Any], file: Path) -> Handed:
    """Return a record's table as if it were handed in, described as it was."""
    ours = old["shahrdad"]
    note = ours.get("note", {})
    description = Description(
        title_fa=old["title"],
        title_en=old["title_en"],
        description_fa=old.get("description", ""),
        description_en=old.get("description_en", ""),
        keywords_fa=tuple(old.get("keywords", ())),
        keywords_en=tuple(old.get("keywords_en", ())),
        license=old["licenses"][0]["name"],
        fiscal_year=ours.get("fiscal_year"),
        sources=tuple(old.get("sources", ())),
        note_fa=note.get("fa", ""),
        note_en=note.get("en", ""),
        example=bool(ours.get("example")),
    )
    context = {name: ours[name] for name in ("declared", "waived") if name in ours}
    return Handed(
        file, old["name"], ours["family"], description, {}, context, {"unit": "rial"}
    )


def _attachment(old: Mapping[str, Any], role: str) -> Attachment:
    """Return the report or the original of a record."""
    for resource in old["resources"]:
        facts = dict(resource.get("shahrdad", {}))
        if facts.pop("role", None) == role:
            digest = Digest.parse(resource["hash"].removeprefix("sha256:"))
            return Attachment(
                resource["name"],
                role,
                digest,
                resource["bytes"],
                resource["format"],
                resource["mediatype"],
                facts,
            )
    raise RequestError(Reason.OBJECT_NOT_HELD, digest="–")


def _quiet(stage: object, done: int, total: int | None) -> None:
    """Tell nobody."""


__all__ = ["Restored", "draft_restoration", "restore"]
