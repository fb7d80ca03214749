"""A node with published datasets of two cities, for tests of its HTTP service.

The logs, bodies, catalog and Parquet objects are made by the node's own code; only
signatures are missing, which the HTTP service never makes.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from shahrdad.datasets import standards
from shahrdad.federation.log.store import LogStore
from shahrdad.federation.verify import entry, strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.tree import Frontier
from shahrdad.node import record
from shahrdad.node.cards import Cards
from shahrdad.node.catalog import Catalog
from shahrdad.node.config import Config, parse
from shahrdad.node.database import Database
from shahrdad.node.projection import Projection
from shahrdad.node.store.contract import Area, put_bytes
from shahrdad.node.store.local import LocalStore
from shahrdad.node.table.parquet import write_table
from shahrdad.node.table.schema import TableInfo

CODES = {"kerman": "1346", "rasht": "1129"}
NAMES = {"kerman": ("کرمان", "Kerman"), "rasht": ("رشت", "Rasht")}
ARROW = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "list": pa.list_(pa.field("item", pa.string())),
}
PRIVATE_ORIGINAL = b"the file as it came, which nobody outside may read"


@dataclass
class World:
    """A node as the HTTP service sees it, and what was put into it."""

    config: Config
    database: Database
    store: LocalStore
    logs: LogStore
    catalog: Catalog
    projection: Projection
    status: dict[str, Any] = field(default_factory=dict)
    frontiers: dict[str, Frontier] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)

    def receipt(self, ref: str, n: int) -> bytes:
        """Return bytes that name what the receipt is of."""
        _, version = self.catalog.version(ref, n)
        return f"receipt of {ref} {n} {version.digest.hex}\n".encode()

    def federation_status(self) -> Mapping[str, Any]:
        """Return what the test set."""
        return self.status

    def append(self, origin: str, raw: bytes, bodies: Mapping[Digest, bytes]) -> int:
        """Append one entry to a log and follow it; return its index."""
        self.logs.ensure_log(origin, own=origin.startswith("kerman"))
        frontier = self.frontiers.get(origin, Frontier())
        growth = grow(frontier, [raw], origin)
        self.logs.append(growth, bodies)
        self.frontiers[origin] = growth.frontier
        self.projection.follow()
        return growth.start

    def publish(
        self,
        city: str,
        slug: str,
        family: str,
        rows: list[dict[str, Any]],
        *,
        time: str,
        title: tuple[str, str],
        fiscal_year: int | None = None,
        change: Mapping[str, Any] | None = None,
    ) -> Digest:
        """Publish rows as the next version of a dataset; return its record's digest."""
        table, attachments = self._objects(city, slug, family, rows)
        origin, key = f"{city}.example/catalog", f"ds/{slug}"
        if origin not in self.frontiers:
            opening = entry.genesis(origin, "shahrdad/test", time=time)
            self.append(origin, opening, {})
        n = self.heads.get(f"{origin} {key} n", 0) + 1
        standard = standards.load(family)
        pinned = {
            "id": standard.family,
            "version": standard.version,
            "sha256": standard.digest,
        }
        provenance: dict[str, Any] = {"approval": "four-eyes"}
        if change is not None:
            provenance["change"] = dict(change)
        body = record.build(
            slug=slug,
            city=city,
            city_code=CODES[city],
            publisher_fa=f"شهرداری {NAMES[city][0]}",
            publisher_en=f"Municipality of {NAMES[city][1]}",
            family=family,
            standard=pinned,
            description=record.Description(
                title_fa=title[0],
                title_en=title[1],
                description_fa="مبالغ به ریال است.",
                description_en="Amounts are in rial.",
                keywords_fa=("بودجه",),
                keywords_en=("budget",),
                fiscal_year=fiscal_year,
            ),
            tables=[table],
            attachments=attachments,
            provenance=provenance,
            version=n,
            time=time,
        )
        content = strict_json.canonical(body)
        digest = Digest.of(content)
        prev = self.heads.get(f"{origin} {key}")
        raw = entry.put(key, prev=prev, digest=digest, size=len(content), time=time)
        index = self.append(origin, raw, {digest: content})
        self.heads |= {f"{origin} {key}": index, f"{origin} {key} n": n}
        return digest

    def withdraw(self, city: str, slug: str, *, time: str) -> None:
        """Withdraw a dataset."""
        origin, key = f"{city}.example/catalog", f"ds/{slug}"
        prev = self.heads[f"{origin} {key}"]
        raw = entry.delete(key, prev=prev, time=time, reason="withdrawn")
        self.heads[f"{origin} {key}"] = self.append(origin, raw, {})

    def _objects(
        self, city: str, slug: str, family: str, rows: list[dict[str, Any]]
    ) -> tuple[record.Table, list[record.Attachment]]:
        """Store table, report and private original."""
        standard = standards.load(family)
        name = family.replace("_", "-")
        schema = pa.schema(
            [(one.name, ARROW.get(one.type, pa.string())) for one in standard.fields]
        )
        info = TableInfo(
            family=family,
            family_version=standard.version,
            ref=f"{city}/{slug}",
            resource=name,
            primary_key=standard.primary_key,
        )
        batch = pa.RecordBatch.from_pylist(list(typed(rows, family)), schema)
        written = write_table([batch], schema, info, self.store, Area.OBJECT)
        report = json.dumps({"valid": True, "ref": f"{city}/{slug}"}).encode()
        original = put_bytes(self.store, Area.PRIVATE, PRIVATE_ORIGINAL)
        fields = [
            {
                "name": one.name,
                "type": one.type,
                "title": one.title_fa,
                "title_en": one.title_en,
            }
            for one in standard.fields
        ]
        table = record.Table(
            name,
            {"fields": fields, "primaryKey": list(standard.primary_key)},
            written.rows,
            tuple(
                record.TablePart(part.digest, part.bytes, part.rows, part.first)
                for part in written.parts
            ),
            written.m,
        )
        kept = put_bytes(self.store, Area.OBJECT, report)
        attachments = [
            record.Attachment(
                "report", "report", kept, len(report), "json", "application/json"
            ),
            record.Attachment(
                "original",
                "original",
                original,
                len(PRIVATE_ORIGINAL),
                "xlsx",
                "application/octet-stream",
                {"public": False, "file_name": "بودجه.xlsx"},
            ),
        ]
        return table, attachments


def typed(rows: list[dict[str, Any]], family: str) -> Iterator[dict[str, Any]]:
    """Yield rows with dates as dates."""
    days = {one.name for one in standards.load(family).fields if one.type == "date"}
    for row in rows:
        yield {
            name: date.fromisoformat(value) if name in days and value else value
            for name, value in row.items()
        }


def example_rows(family: str, city: str) -> list[dict[str, Any]]:
    """Return the example rows of a standard, as another city's."""
    file = standards.examples(family).with_suffix(".json")
    rows: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))
    return [{**row, "city_code": CODES[city]} for row in rows]


def make_world(folder: Path) -> World:
    """Return a node without datasets."""
    config = parse(
        {
            "node": {
                "city": "kerman",
                "city_code": "1346",
                "name_fa": "کرمان",
                "name_en": "Kerman",
                "public_url": "https://data.kerman.example",
            }
        },
        environ={},
        folder=folder,
    )
    database = Database(folder / "node.db")
    world = World(
        config=replace(config),
        database=database,
        store=LocalStore(folder / "objects"),
        logs=LogStore(database.connect),
        catalog=Catalog(database.connect),
        projection=Projection(
            database, lambda origin: origin.split(".")[0], Cards(config)
        ),
    )
    world.projection.epoch()
    return world


def fill(world: World) -> World:
    """Publish what the tests read: two cities, versions, a withdrawal."""
    budget = example_rows("budget_lines", "kerman")
    budget_title = ("بودجهٔ ۱۴۰۴ شهرداری کرمان", "Budget 1404 of Kerman")
    world.publish(
        "kerman",
        "budget-1404",
        "budget_lines",
        budget[:-1],
        time="2025-10-01T08:30:00Z",
        title=budget_title,
        fiscal_year=1404,
    )
    world.publish(
        "kerman",
        "budget-1404",
        "budget_lines",
        budget,
        time="2025-11-20T08:30:00Z",
        title=budget_title,
        fiscal_year=1404,
        change={"from": 1, "added": 1, "removed": 0, "changed": 0},
    )
    for city, day in (("kerman", "12"), ("rasht", "18")):
        world.publish(
            city,
            "active-systems",
            "active_systems",
            example_rows("active_systems", city),
            time=f"2025-11-{day}T06:00:00Z",
            title=(f"سامانه‌های فعال {NAMES[city][0]}", f"Systems of {NAMES[city][1]}"),
        )
    world.publish(
        "kerman",
        "old-projects",
        "projects",
        example_rows("projects", "kerman"),
        time="2025-10-02T06:00:00Z",
        title=("پروژه‌های کهنه", "Old projects"),
    )
    world.withdraw("kerman", "old-projects", time="2025-11-01T06:00:00Z")
    world.status = {
        "origin": "kerman.example/catalog",
        "logs": [
            {
                "origin": "kerman.example/catalog",
                "city": "kerman",
                "size": 6,
                "status": "active",
                "state": "confirmed",
                "confirmed_size": 6,
                "cosignatures": 3,
                "newest_cosignature": "2025-11-20T09:00:12Z",
                "time": "2025-11-20T09:00:12Z",
            }
        ],
        "peers": [],
    }
    return world
