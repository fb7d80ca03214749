"""From a file on a desk to an entry of the city's signed log.

    1 original   put into the private area before anything reads it
    2 judged     by the standard; a file with errors ends here, its report kept
    3 table      typed batches → Parquet parts, named by their content; the report and
                 the mapping profile beside them
    4 record     Data Package descriptor; nothing changed → nothing is published
    5 entry      the log's own seven steps (federation.log_writer): the commit point
    6 catalog    follows the log

A kill before 5 leaves objects that no record names, which collection removes; a kill in
5 or after is finished by the next start. Nothing is visible before 5. Publishing in two
processes at once is put in a row by a lock, so versions have no gaps.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from shahrdad.datasets import standards
from shahrdad.datasets.errors import ConflictError, DataError, Reason, RequestError
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import record, tracing
from shahrdad.node.config import SLUG
from shahrdad.node.desk import submissions
from shahrdad.node.family_table import compact_schema, resource_name, table_info
from shahrdad.node.incoming.spool import Spool
from shahrdad.node.limits import RECORD_BYTES_MAX
from shahrdad.node.record import Attachment, Description, Table, TablePart
from shahrdad.node.references import References
from shahrdad.node.store.contract import Area, copy, put_bytes, put_file
from shahrdad.node.store.naming import Naming

if TYPE_CHECKING:
    from shahrdad.federation.verify.entry import DeleteReason
    from shahrdad.node.city import Newest, Node
    from shahrdad.node.table.parquet import Part, WrittenTable
    from shahrdad.validators.report import Report

Stage = Literal["original", "validate", "table", "publish"]
OnProgress = Callable[[Stage, int, int | None], None]


# Of the mapping profile in a record; the profile itself is an object (standards 4.7).
PROFILE_FACTS = ("profile", "version", "money_unit", "calendar")


@dataclass(frozen=True, slots=True)
class Handed:
    """A file handed in for publication, and what the person said of it."""

    file: Path
    slug: str
    family: str
    description: Description
    profile: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file.

    `unchanged` means that the newest version says the same; `refused` that the report
    has errors and nothing was published.
    """

    state: Literal["published", "unchanged", "refused"]
    ref: str
    report: dict[str, Any]
    report_digest: Digest
    original: Digest
    version: int | None = None
    index: int | None = None
    digest: Digest | None = None
    rows: int | None = None
    change: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """The next version of a dataset: written, and not yet signed.

    `content` is the record as the log will name it; `unchanged` means that the newest
    version says the same. `before` is what it was prepared against.
    """

    ref: str
    content: bytes
    version: int
    unchanged: bool
    rows: int
    report: Attachment
    change: Mapping[str, Any] | None
    before: "Newest | None"


def now() -> str:
    """Return the time of an entry: RFC 3339, UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@tracing.span("publish")
def publish(
    node: "Node", handed: Handed, on_progress: OnProgress | None = None
) -> tuple[Outcome, "Report"]:
    """Judge a file and publish it as the next version of its dataset.

    Returns:
        What became of it, and the report of validation.

    Raises:
        RequestError: FILE_NOT_FOUND, APPROVAL_NEEDED, SLUG_WRONG, STANDARD_UNKNOWN.
        DataError: the file cannot be read at all; it is kept all the same.
        UnavailableError: the store or the signer does not answer.
    """
    tell = on_progress or (lambda stage, done, total: None)
    check_handed(handed)
    if node.config.publish.approval != "single":
        raise RequestError(Reason.APPROVAL_NEEDED)
    ref = f"{node.config.node.city}/{handed.slug}"
    connection = node.database.connect()
    original = keep_original(node, handed, ref, tell)
    number = submissions.receive(
        connection,
        at=now(),
        ref=ref,
        family=handed.family,
        file_name=handed.file.name,
        original=original.digest,
    )
    with closing(Spool(node.config.data / "tmp")) as spool:
        with References(node, handed.family, ref) as references:
            report = judge(node, handed, spool, references, tell)
        if report.valid:
            with node.database.exclusive("publish"):
                outcome = _commit(node, handed, original, spool, report, tell)
        else:
            kept = store_report(node, ref, report, Area.PRIVATE, "original")
            outcome = Outcome(
                "refused", ref, report.to_dict(), kept.digest, original.digest
            )
    submissions.settle(
        connection,
        number,
        state=outcome.state,
        report=outcome.report_digest,
        version=outcome.version,
    )
    return outcome, report


def check_handed(handed: Handed) -> None:
    """Refuse what cannot become a dataset, before anything is stored.

    Raises:
        RequestError: FILE_NOT_FOUND, SLUG_WRONG, STANDARD_UNKNOWN.
    """
    if not handed.file.is_file():
        raise RequestError(Reason.FILE_NOT_FOUND, path=str(handed.file))
    if not SLUG.fullmatch(handed.slug) or not 2 <= len(handed.slug) <= 60:
        raise RequestError(Reason.SLUG_WRONG, slug=handed.slug)
    standards.load(handed.family)


def keep_original(
    node: "Node", handed: Handed, ref: str, tell: OnProgress
) -> Attachment:
    """Store the file as it came, in the private area."""
    size = handed.file.stat().st_size
    tell("original", 0, size)
    named = Naming(node.store, node.database.connect, "original", ref)
    digest = put_file(named, Area.PRIVATE, handed.file)
    tell("original", size, size)
    suffix = handed.file.suffix.removeprefix(".").lower() or "bin"
    return Attachment(
        "original",
        "original",
        digest,
        size,
        suffix,
        "application/octet-stream",
        {"public": False, "file_name": handed.file.name},
    )


def judge(
    node: "Node",
    handed: Handed,
    spool: Spool,
    references: References,
    tell: OnProgress,
) -> "Report":
    """Validate the file; its typed rows go to the spool."""
    from shahrdad.validators import Options, validate

    context = {
        "city_code": node.config.node.city_code,
        "release_date": now()[:10],
        **handed.context,
    }
    previous = references.previous()
    if previous is not None:
        context["previous"] = previous
    return validate(
        handed.file,
        schema=handed.family,
        profile=dict(handed.profile) or None,
        refs=references.others(),
        context=context,
        sink=spool,
        on_progress=lambda seen: tell("validate", seen.bytes, seen.total),
        options=Options(**dict(handed.options)),
    )


def _commit(
    node: "Node",
    handed: Handed,
    original: Attachment,
    spool: Spool,
    report: "Report",
    tell: OnProgress,
) -> Outcome:
    """Write table and record, and sign; under the publishing lock."""
    node.projection.follow()
    provenance = {"approval": node.config.publish.approval}
    ready = prepare(node, handed, original, spool, report, tell, provenance)
    return sign(node, handed, original, ready, report.to_dict(), tell)


def sign(
    node: "Node",
    handed: Handed,
    original: Attachment,
    ready: "Prepared",
    facts: dict[str, Any],
    tell: OnProgress,
) -> Outcome:
    """Append the entry of a prepared version, under the lock; none if unchanged."""
    if ready.unchanged and ready.before is not None:
        return Outcome(
            state="unchanged",
            ref=ready.ref,
            report=facts,
            report_digest=ready.report.digest,
            original=original.digest,
            version=ready.before.version.n,
            index=ready.before.version.index,
            digest=ready.before.version.digest,
            rows=ready.rows,
        )
    tell("publish", 0, 1)
    index = node.append_put(f"ds/{handed.slug}", ready.content)
    node.projection.follow()
    tell("publish", 1, 1)
    return Outcome(
        state="published",
        ref=ready.ref,
        report=facts,
        report_digest=ready.report.digest,
        original=original.digest,
        version=ready.version,
        index=index,
        digest=Digest.of(ready.content),
        rows=ready.rows,
        change=ready.change,
    )


def prepare(
    node: "Node",
    handed: Handed,
    original: Attachment,
    spool: Spool,
    report: "Report",
    tell: OnProgress,
    provenance: Mapping[str, Any],
    area: Area = Area.OBJECT,
) -> Prepared:
    """Write table, report and record of the next version; sign nothing.

    Args:
        node: The node; its catalog must have followed the logs.
        handed: What was handed in, and said of it.
        original: The file as it came.
        spool: The typed rows.
        report: Of a valid file.
        tell: Told of the progress.
        provenance: What the record says of its approval.
        area: Where the objects go: `private` for a draft.

    Raises:
        DataError: TABLE_EMPTY; TOO_LARGE: the record.
    """
    ref = f"{node.config.node.city}/{handed.slug}"
    before = node.newest(ref)
    tell("table", 0, None)
    written = _write_table(node, handed, ref, spool, before, area)
    stored = store_report(node, ref, report, area)
    return prepare_written(
        node,
        handed,
        original,
        written,
        stored,
        report.to_dict(),
        before,
        provenance,
        area,
    )


def prepare_written(
    node: "Node",
    handed: Handed,
    original: Attachment,
    written: "WrittenTable",
    stored: Attachment,
    facts: Mapping[str, Any],
    before: "Newest | None",
    provenance: Mapping[str, Any],
    area: Area = Area.OBJECT,
) -> Prepared:
    """Make the record of a table and a report that are in the store already.

    Raises:
        DataError: TOO_LARGE: the record.
    """
    ref = f"{node.config.node.city}/{handed.slug}"
    change = _change(node, before, written, area)
    profile = store_profile(node, handed, area)
    body = _record(
        node,
        handed,
        [stored, profile, original],
        written,
        facts,
        before,
        {**provenance, **({} if change is None else {"change": dict(change)})},
        now(),
    )
    content = strict_json.canonical(body)
    if len(content) > RECORD_BYTES_MAX:
        raise DataError(
            Reason.TOO_LARGE, size_bytes=len(content), size_bytes_max=RECORD_BYTES_MAX
        )
    unchanged = (
        before is not None
        and before.live
        and record.content(before.body) == record.content(body)
    )
    version = int(body["version"])
    rows = written.rows
    return Prepared(ref, content, version, unchanged, rows, stored, change, before)


def store_report(
    node: "Node", ref: str, report: "Report", area: Area, kind: str = "job"
) -> Attachment:
    """Store a report: of a valid file where everybody may read it, else privately.

    The report of a refused file is named like the file itself, since no record will.
    """
    content = report_bytes(report)
    named = Naming(node.store, node.database.connect, kind, ref)
    digest = put_bytes(named, area, content)
    return Attachment(
        "report", "report", digest, len(content), "json", "application/json"
    )


def store_profile(node: "Node", handed: Handed, area: Area) -> Attachment:
    """Store the mapping profile that read the file, so that anybody can repeat it.

    The object is the canonical JSON of the profile with what the options declared; its
    digest is the profile's `sha256` in the report and in the record.
    """
    from shahrdad.validators.api import load_profile
    from shahrdad.validators.options import Options
    from shahrdad.validators.plan import canonical_json

    options = Options(**dict(handed.options))
    content = canonical_json(load_profile(handed.profile, options) or {})
    ref = f"{node.config.node.city}/{handed.slug}"
    named = Naming(node.store, node.database.connect, "job", ref)
    digest = put_bytes(named, area, content)
    return Attachment(
        "profile", "profile", digest, len(content), "json", "application/json"
    )


def report_bytes(report: "Report") -> bytes:
    """Return a report as it is stored: no clock, no paths, keys sorted."""
    return report.to_json(stored=True).encode()


def _write_table(
    node: "Node",
    handed: Handed,
    ref: str,
    spool: Spool,
    before: "Newest | None",
    area: Area,
) -> "WrittenTable":
    """Write the Parquet parts, reusing the objects of parts that did not change."""
    from shahrdad.node.table.parquet import Previous, write_table

    if spool.schema is None:
        raise DataError(Reason.TABLE_EMPTY, file=handed.file.name)
    previous = None
    if before is not None:
        parts = published_parts(before.body)
        m = record.cut_size(before.body)
        previous = Previous(parts, m) if parts else None
    named = Naming(node.store, node.database.connect, "job", ref)
    written = write_table(
        spool.batches(),
        spool.schema,
        table_info(handed.family, ref, spool.schema.names),
        named,
        area,
        previous,
    )
    for part in written.parts:
        if node.store.stat(area, part.digest) is None:  # used again, and public
            copy(named, part.digest, Area.OBJECT, area)
    return written


def published_parts(body: Mapping[str, Any]) -> tuple["Part", ...]:
    """Return the parts of a record's table, in key order."""
    from shahrdad.node.table.parquet import Part

    found = []
    for resource in body["resources"]:
        facts = resource.get("shahrdad", {})
        if "hash" in resource and facts.get("role") in {"table", "part"}:
            digest = Digest.parse(resource["hash"].removeprefix("sha256:"))
            first = tuple(facts.get("first", ()))
            found.append(Part(digest, resource["bytes"], facts["rows"], first))
    return tuple(found)


def _change(
    node: "Node", before: "Newest | None", written: "WrittenTable", area: Area
) -> dict[str, Any] | None:
    """Return what changed against the version before, by row and column."""
    from shahrdad.node.table.diff import TableDiff
    from shahrdad.node.table.reading import open_table

    if before is None:
        return None
    old = published_parts(before.body)
    if not old:
        return None
    tables = (
        open_table(node.store, old),
        open_table(node.store, written.parts, area),
    )
    return TableDiff(*tables).run().to_dict(before.version.n)


def _record(
    node: "Node",
    handed: Handed,
    attachments: Sequence[Attachment],
    written: "WrittenTable",
    report: Mapping[str, Any],
    before: "Newest | None",
    besides: Mapping[str, Any],
    time: str,
) -> dict[str, Any]:
    """Return the record of the next version; `besides` goes to its provenance."""
    standard = standards.load(handed.family)
    config = node.config.node
    parts = tuple(
        TablePart(part.digest, part.bytes, part.rows, part.first)
        for part in written.parts
    )
    table = Table(
        resource_name(handed.family),
        compact_schema(standard, written.arrow_schema.names),
        written.rows,
        parts,
        written.m,
    )
    ours = report.get("shahrdad", {})
    counts = ours.get("counts", {})
    provenance: dict[str, Any] = {
        "writer": dict(written.writer),
        "quality": {
            "errors": counts.get("errors", 0),
            "warnings": counts.get("warnings", 0),
        },
    }
    profile = ours.get("profile") or {}
    if profile.get("money_unit"):
        provenance["sourceUnit"] = profile["money_unit"]
    read_by = next(item.digest for item in attachments if item.role == "profile")
    provenance["profile"] = {
        **{name: profile[name] for name in PROFILE_FACTS if profile.get(name)},
        "sha256": read_by.hex,
    }
    for name in ("declared", "waived"):
        if handed.context.get(name):
            provenance[name] = dict(handed.context[name])
    return record.build(
        slug=handed.slug,
        city=config.city,
        city_code=config.city_code,
        publisher_fa=f"شهرداری {config.name_fa or config.city}",
        publisher_en=f"Municipality of {config.name_en or config.city.title()}",
        family=handed.family,
        standard={
            "id": standard.family,
            "version": standard.version,
            "sha256": standard.digest,
        },
        description=handed.description,
        tables=[table],
        attachments=attachments,
        provenance={**provenance, **besides},
        version=before.version.n + 1 if before else 1,
        time=time,
    )


def own_slug(node: "Node", ref: str) -> str:
    """Return the slug of a dataset of this city.

    Raises:
        RequestError: NOT_OUR_DATASET.
    """
    city, slash, slug = ref.replace("--", "/", 1).rpartition("/")
    if slash and city != node.config.node.city:
        raise RequestError(Reason.NOT_OUR_DATASET, ref=ref, city=node.config.node.city)
    return slug


def withdraw(
    node: "Node",
    ref: str,
    *,
    reason: "DeleteReason" = "withdrawn",
    by: str | None = None,
) -> int:
    """Write a tombstone for a dataset of this city.

    Returns:
        The index of the entry.

    Raises:
        RequestError: DATASET_UNKNOWN, NOT_OUR_DATASET, APPROVAL_NEEDED.
        ConflictError: ALREADY_WITHDRAWN.
    """
    slug = own_slug(node, ref)
    with node.database.exclusive("publish"):
        node.projection.follow()
        dataset = node.catalog.get(f"{node.config.node.city}/{slug}")
        if dataset.state == "withdrawn":
            raise ConflictError(Reason.ALREADY_WITHDRAWN, ref=dataset.ref)
        index = node.append_delete(f"ds/{slug}", reason, by and f"ds/{by}")
        node.projection.follow()
    return index
