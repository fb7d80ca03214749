"""Making a dataset's card: the JSON that lists send, and what they are searched by."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shahrdad.datasets import standards
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import record
from shahrdad.node.catalog import Dataset, Version
from shahrdad.node.config import Config
from shahrdad.node.http import quality
from shahrdad.node.http.answers import dump
from shahrdad.node.http.ckan.dictionaries import moment, package
from shahrdad.node.http.dataset_object import (
    Described,
    expected,
    first_objects,
    lasting,
    quality_of,
)
from shahrdad.node.http.record_view import read
from shahrdad.node.made_files import MadeFile, exporter


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource as CKAN's clients ask for it."""

    uid: str
    name: str
    format: str


@dataclass(frozen=True, slots=True)
class Card:
    """What the lists say of a dataset.

    Attributes:
        postings: Field and value of what a dataset may have several of.
        package: CKAN's dictionary, as JSON.
        document: The lasting part of the dataset object, as JSON.
        score: Of quality, in ten-thousandths.
        objects: The digests of each table's first object, one after the other.
    """

    uid: str
    title: str
    created: str
    modified: str
    tags: int
    resources: tuple[Resource, ...]
    postings: tuple[tuple[str, str], ...]
    package: bytes
    document: bytes
    due: str | None
    score: int
    objects: bytes


def make(
    config: Config,
    dataset: Dataset,
    version: Version,
    body: Mapping[str, Any],
    withdrawal: int | None,
    files: Mapping[tuple[str, str], MadeFile] | None = None,
) -> Card:
    """Return the card of a dataset.

    Args:
        config: Of this node.
        dataset: As it is now.
        version: The newest that is held.
        body: Its record.
        withdrawal: The index of the entry that withdrew it, if it is withdrawn.
        files: What is known of those made of its tables.
    """
    shown = Described(config, dataset, version, read(body), made=files or {})
    made = package(shown)
    if withdrawal is not None:
        made["state"] = "deleted"
        made["metadata_modified"] = moment(dataset.updated, withdrawal)
    due = expected(shown)
    score = quality.score(quality_of(shown))
    frequency = [one for one in made["extras"] if one["key"] == "frequency"]
    return Card(
        uid=made["id"],
        title=made["title"],
        created=made["metadata_created"],
        modified=made["metadata_modified"],
        tags=made["num_tags"],
        resources=tuple(
            Resource(one["id"], one["name"], one["format"]) for one in made["resources"]
        ),
        postings=(
            *(("tags", tag["name"]) for tag in made["tags"]),
            *sorted({("res_format", one["format"]) for one in made["resources"]}),
            *(("frequency", one["value"]) for one in frequency),
        ),
        package=dump(made),
        document=dump(lasting(shown)),
        due=due.isoformat() if due else None,
        score=round(score * 10_000),
        objects=b"".join(digest.raw for digest in first_objects(shown.record)),
    )


def mark_of(config: Config) -> str:
    """Return the name of the form of cards: another for whatever changes them.

    A made-up dataset of every standard gets a card; its bytes are the form.

    Args:
        config: Of this node.
    """
    found = hashlib.sha256(exporter().encode())  # cards tell digests of its files
    for family in standards.families():
        standard = standards.load(family)
        sample = _sample(config, standard)
        found.update(sample.package + sample.document)
    return found.hexdigest()[:16]


def _sample(config: Config, standard: standards.Standard) -> Card:
    """Return the card of a dataset that is not there."""
    digest, time = Digest(bytes(32)), "2025-11-20T08:30:00Z"
    city = config.node.city or "city"
    body = record.build(
        slug="sample",
        city=city,
        city_code="0000",
        publisher_fa="",
        publisher_en="",
        family=standard.family,
        standard={"id": standard.family, "version": standard.version, "sha256": ""},
        description=record.Description("", "", fiscal_year=1404, keywords_fa=("a b",)),
        tables=[
            record.Table("one", {}, 1, (record.TablePart(digest, 1, 1),)),
            record.Table("two", {}, 2, (record.TablePart(digest, 1, 1),) * 2),
        ],
        attachments=[],
        provenance={},
        version=1,
        time=time,
    )
    dataset = Dataset(
        id=0,
        ref=f"{city}/sample",
        city=city,
        slug="sample",
        family=standard.family,
        license="CC-BY-4.0",
        fiscal_year=1404,
        rows=3,
        bytes=3,
        state="live",
        version=1,
        index=0,
        first_published=time,
        updated=time,
        reason=None,
        replaced_by=None,
        title_fa="",
        title_en="",
        digest=digest,
        origin="sample",
    )
    version = Version(1, 0, time, digest, 3, None, "held", "sample")
    return make(config, dataset, version, body, None)
