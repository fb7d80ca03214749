"""A portal's file as a table: judged by a standard or by the portal's own schema."""

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shahrdad.datasets import standards
from shahrdad.node.family_table import compact_schema, table_info
from shahrdad.node.incoming.spool import Spool
from shahrdad.node.publish import report_bytes
from shahrdad.node.record import Table, TablePart
from shahrdad.node.references import References
from shahrdad.node.store.contract import Area, ObjectStore

if TYPE_CHECKING:
    from shahrdad.node.city import Node
    from shahrdad.node.table.parquet import WrittenTable


@dataclass(frozen=True, slots=True)
class Wish:
    """What a file should become: rows of a standard, or of a schema."""

    name: str  # of the table in the dataset
    ref: str
    family: str | None = None
    schema: Mapping[str, Any] | None = None
    profile: Mapping[str, Any] | None = None
    fiscal_year: int | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and the table where it is a good one."""

    table: Table | None
    writer: Mapping[str, Any]
    report: bytes
    errors: int
    warnings: int


def judge(
    node: "Node", file: Path, wish: Wish, store: ObjectStore, area: Area
) -> Judged:
    """Validate a file, and write its table to the store when it is valid.

    Args:
        node: The node.
        file: The file.
        wish: What it should become.
        store: Where the table goes.
        area: The part of it.

    Raises:
        DataError: it cannot be read at all.
        UnavailableError: the store does not answer.
    """
    from shahrdad.validators import validate

    spool = Spool(node.config.data / "tmp")
    with closing(spool), ExitStack() as stack:
        refs = None
        context: dict[str, Any] = {"city_code": node.config.node.city_code}
        if wish.family is not None:
            references = stack.enter_context(References(node, wish.family, wish.ref))
            refs = references.others()
            previous = references.previous()
            if previous is not None:
                context["previous"] = previous
        report = validate(
            file,
            schema=wish.family or dict(wish.schema or {}),
            profile=_profile(node, wish),
            refs=refs,
            context=context,
            sink=spool,
        )
        counts = report.to_dict().get("shahrdad", {}).get("counts", {})
        written = None
        if report.valid and spool.schema is not None:
            written = _write(wish, spool, store, area)
        return Judged(
            table=_table(wish, written) if written else None,
            writer=dict(written.writer) if written else {},
            report=report_bytes(report),
            errors=int(counts.get("errors", report.error_count)),
            warnings=int(counts.get("warnings", 0)),
        )


def _profile(node: "Node", wish: Wish) -> dict[str, Any] | None:
    """Return the mapping profile, with what the node itself knows."""
    from shahrdad.node.incoming.handing import with_constants

    if wish.family is None:
        return None
    standard = standards.load(wish.family)
    profile = wish.profile or {}
    return with_constants(profile, standard, node.config, wish.fiscal_year) or None


def _write(wish: Wish, spool: Spool, store: ObjectStore, area: Area) -> "WrittenTable":
    """Write the rows as Parquet."""
    from shahrdad.node.table.parquet import write_table
    from shahrdad.node.table.schema import TableInfo

    if spool.schema is None:
        raise RuntimeError("a table without columns was to be written")
    names = spool.schema.names
    if wish.family is not None:
        info = table_info(wish.family, wish.ref, names)
    else:
        keys = _keys(wish.schema or {}, names)
        info = TableInfo("", "", wish.ref, wish.name, keys)
    return write_table(spool.batches(), spool.schema, info, store, area)


def _table(wish: Wish, written: "WrittenTable") -> Table:
    """Return the table as a record has it."""
    names = written.arrow_schema.names
    if wish.family is not None:
        schema = compact_schema(standards.load(wish.family), names)
    else:
        schema = {"fields": _fields(wish.schema or {}, names)}
        keys = _keys(wish.schema or {}, names)
        if keys:
            schema["primaryKey"] = list(keys)
    parts = tuple(
        TablePart(part.digest, part.bytes, part.rows, part.first)
        for part in written.parts
    )
    return Table(wish.name, schema, written.rows, parts, written.m)


def _fields(schema: Mapping[str, Any], names: list[str]) -> list[dict[str, Any]]:
    """Return the fields of a schema that are published, with name, type and title."""
    known = {
        field["name"]: field
        for field in schema.get("fields", [])
        if isinstance(field, dict) and isinstance(field.get("name"), str)
    }
    found = []
    for name in names:
        about: dict[str, Any] = {"name": name, "type": "string"}
        for member in ("type", "title", "description"):
            text = known.get(name, {}).get(member)
            if isinstance(text, str) and text:
                about[member] = text
        found.append(about)
    return found


def _keys(schema: Mapping[str, Any], names: list[str]) -> tuple[str, ...]:
    """Return the primary key of a schema, if the table has all its columns."""
    key = schema.get("primaryKey")
    keys = [key] if isinstance(key, str) else key if isinstance(key, list) else []
    return tuple(keys) if all(name in names for name in keys) else ()
