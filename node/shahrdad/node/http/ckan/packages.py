"""What one base of the facade shows: own city, everything, or the harvest base.

The harvest base also lists datasets that were withdrawn lately, as deleted: CKAN's
harvester has no other way to learn of it.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.node.catalog import Dataset
from shahrdad.node.http import holdings
from shahrdad.node.http.answers import dump
from shahrdad.node.http.ckan.dictionaries import moment, package
from shahrdad.node.http.ckan.directory import DELETED_DAYS_MAX, Directory
from shahrdad.node.http.ckan.query import Indexed
from shahrdad.node.http.dataset_object import show
from shahrdad.node.http.languages import now, rfc3339
from shahrdad.node.http.view import NodeView
from shahrdad.validators.normalise.search_key import words

Base = Literal["own", "all", "harvest"]
KEPT_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Package:
    """A dataset's dictionary with what queries need of it."""

    dictionary: dict[str, Any]
    indexed: Indexed
    title_key: str


class Packages:
    """Makes dictionaries and keeps them until their dataset changes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], Package] = OrderedDict()
        self._written: OrderedDict[tuple[str, ...], bytes] = OrderedDict()
        self._lock = threading.Lock()
        self.directory = Directory()

    def written(self, node: NodeView, ref: str, base: Base) -> bytes | None:
        """Return one dataset as JSON, or None when its record is not held."""
        dataset = node.catalog.get(ref)
        key = (ref, dataset.digest.hex, dataset.updated, dataset.state, base)
        with self._lock:
            kept = self._written.get(key)
        if kept is not None:
            return kept
        made = self.made(node, dataset, base)
        if made is None:
            return None
        data = dump(made)
        with self._lock:
            self._written[key] = data
            while len(self._written) > KEPT_MAX:
                self._written.popitem(last=False)
        return data

    def list(self, node: NodeView, base: Base) -> list[Package]:
        """Return every dataset of a base, by identifier."""
        city = None if base == "all" else node.config.node.city
        oldest = rfc3339(now() - timedelta(days=DELETED_DAYS_MAX))
        found = []
        for dataset in node.catalog.list(city=city, withdrawn=base == "harvest"):
            if dataset.state == "withdrawn" and dataset.updated < oldest:
                continue
            one = self.get(node, dataset, base)
            if one is not None:
                found.append(one)
        return sorted(found, key=lambda one: str(one.dictionary["id"]))

    def get(self, node: NodeView, dataset: Dataset, base: Base) -> Package | None:
        """Return one dataset, or None when its record is not held."""
        key = (dataset.ref, dataset.digest.hex, dataset.updated, dataset.state, base)
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None:
            return kept
        made = self.made(node, dataset, base)
        if made is None:
            return None
        one = Package(made, _indexed(made), str(made["title"]))
        with self._lock:
            self._kept[key] = one
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return one

    def made(
        self, node: NodeView, dataset: Dataset, base: Base
    ) -> dict[str, Any] | None:
        """Return a dataset's dictionary, or None when its record is not held."""
        try:
            _, version = node.catalog.version(dataset.ref)
            shown = show(node, dataset, version)
        except ShahrdadError:
            return None
        made = package(shown, active_store=base != "harvest")
        if dataset.state == "withdrawn":
            changes = holdings.newest_changes(node.database.connect(), dataset.ref, 1)
            index = changes[0].index if changes else dataset.index
            made["state"] = "deleted"
            made["metadata_modified"] = moment(dataset.updated, index)
        return made


def _indexed(made: dict[str, Any]) -> Indexed:
    """Return what queries see of a dictionary."""
    texts = [made["title"], made["notes"] or "", made["name"].replace("-", " ")]
    texts += [tag["name"] for tag in made["tags"]]
    texts.append(made["organization"]["title"])
    texts += [group["title"] for group in made["groups"]]
    keys = [key for text in texts for key in words(text)]
    fields: dict[str, tuple[str, ...]] = {
        "id": (made["id"],),
        "name": (made["name"],),
        "title": (made["title"],),
        "notes": (made["notes"],) if made["notes"] else (),
        "text": tuple(text for text in texts if text),
        "organization": (made["organization"]["name"],),
        "owner_org": (made["owner_org"],),
        "groups": tuple(group["name"] for group in made["groups"]),
        "tags": tuple(tag["name"] for tag in made["tags"]),
        "res_format": tuple(one["format"] for one in made["resources"]),
        "license_id": (made["license_id"],) if made["license_id"] else (),
        "type": ("dataset",),
        "dataset_type": ("dataset",),
        "state": (made["state"],),
        "capacity": ("public",),
        "private": ("false",),
        "metadata_created": (made["metadata_created"],),
        "metadata_modified": (made["metadata_modified"],),
        "num_tags": (str(made["num_tags"]),),
        "num_resources": (str(made["num_resources"]),),
        "identifier": (made["id"],),
        "guid": (made["id"],),
    }
    for extra in made["extras"]:
        fields[f"extras_{extra['key']}"] = (extra["value"],)
        fields.setdefault(extra["key"], (extra["value"],))
    return Indexed(fields, frozenset(keys), f" {' '.join(keys)} ")
