"""A catalog filled from records, for tests and measurements of search."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shahrdad.federation.log.store import LogStore
from shahrdad.federation.verify import entry, strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.tree import Frontier
from shahrdad.node.cards import Cards
from shahrdad.node.catalog import Catalog
from shahrdad.node.config import Config
from shahrdad.node.database import Database
from shahrdad.node.projection import Projection

SEARCH_SET = Path(__file__).parent / "node" / "search_set.json"


def search_set() -> dict[str, Any]:
    """Return the committed documents, queries and misspellings."""
    found: dict[str, Any] = json.loads(SEARCH_SET.read_text("utf-8"))
    return found


@dataclass
class Shelf:
    """A catalog whose logs grow without signatures, which search never reads."""

    database: Database
    catalog: Catalog
    projection: Projection
    logs: LogStore
    frontiers: dict[str, Frontier]
    heads: dict[str, int]

    def put(self, records: Iterable[Mapping[str, Any]], time: str) -> None:
        """Publish records; `ref` says where, the rest is the record."""
        by_city: dict[str, list[Mapping[str, Any]]] = {}
        for item in records:
            by_city.setdefault(item["ref"].partition("/")[0], []).append(item)
        for city, items in by_city.items():
            self._append(city, items, time)
        self.projection.follow()

    def withdraw(self, ref: str, time: str) -> None:
        """Withdraw a dataset."""
        city, _, slug = ref.partition("/")
        raw = entry.delete(
            f"ds/{slug}", prev=self.heads[ref], time=time, reason="withdrawn"
        )
        self._grow(f"{city}.example/catalog", [raw], {})
        self.projection.follow()

    def _append(self, city: str, items: list[Mapping[str, Any]], time: str) -> None:
        origin = f"{city}.example/catalog"
        if origin not in self.frontiers:
            self.logs.ensure_log(origin, own=False)
            self._grow(origin, [entry.genesis(origin, "shahrdad/test", time=time)], {})
        raws, bodies, start = [], {}, self.frontiers[origin].size
        for number, item in enumerate(items):
            slug = item["ref"].partition("/")[2]
            record = {"name": slug, **item}
            record.pop("ref")
            content = strict_json.canonical(record)
            digest = Digest.of(content)
            raws.append(
                entry.put(
                    f"ds/{slug}",
                    prev=self.heads.get(item["ref"]),
                    digest=digest,
                    size=len(content),
                    time=time,
                )
            )
            bodies[digest] = content
            self.heads[item["ref"]] = start + number
        self._grow(origin, raws, bodies)

    def _grow(
        self, origin: str, raws: list[bytes], bodies: Mapping[Digest, bytes]
    ) -> None:
        growth = grow(self.frontiers.get(origin, Frontier()), raws, origin)
        self.logs.append(growth, bodies)
        self.frontiers[origin] = growth.frontier


def make_shelf(folder: Path) -> Shelf:
    """Return an empty catalog in a folder."""
    database = Database(folder / "node.db")
    return Shelf(
        database,
        Catalog(database.connect),
        Projection(database, lambda origin: origin.split(".")[0], Cards(Config())),
        LogStore(database.connect),
        {},
        {},
    )


def record_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of the short form of the committed set."""
    found: dict[str, Any] = {
        "ref": item["ref"],
        "title": item["title"],
        "title_en": item.get("title_en", ""),
        "description": item.get("description", ""),
        "keywords": item.get("keywords", []),
        "licenses": [{"name": item.get("license", "CC-BY-4.0")}],
        "shahrdad": {"family": item.get("family", "projects")},
    }
    if "fields" in item:
        fields = [
            {"name": f"f{n}", "title": one} for n, one in enumerate(item["fields"])
        ]
        found["resources"] = [{"name": "table", "schema": {"fields": fields}}]
    if "year" in item:
        found["shahrdad"]["fiscal_year"] = item["year"]
    return found
