"""Nodes for tests: real ones, in a folder, on the store that is asked for."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from shahrdad.federation.verify import strict_json
from shahrdad.node.city import Node, create_node
from shahrdad.node.config import Config, StoreSection, load
from shahrdad.node.config_file import render
from shahrdad.node.demonstration.world import Place, configuration, free_ports
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.publish import Outcome, publish
from shahrdad.node.record import Attachment, Description, build
from store_fixture import store_settings


def store_section(folder: Path) -> StoreSection:
    """Return the store of a node: its own folder, or a place of its own on S3."""
    if os.environ.get("SHAHRDAD_STORE", "local") != "s3":
        return StoreSection()
    settings = store_settings(folder / "objects")
    return StoreSection(
        kind="s3",
        endpoint=settings.endpoint,
        bucket=settings.bucket,
        prefix=settings.prefix,
        access_key=settings.access_key,
        secret_key=settings.secret_key,
        secure=False,
    )


def make_config(folder: Path, city: str = "kerman") -> Path:
    """Write the configuration of a node, make its key and log, and return the file."""
    http, grpc = free_ports(2)
    place = Place(city, folder / city, http, grpc)
    place.folder.mkdir(parents=True)
    config = configuration(place, store_section(place.folder))
    place.file.write_text(render(config), "utf-8")
    create_node(place.file)
    return place.file


def make_node(folder: Path, city: str = "kerman") -> Node:
    """Return a node that is ready to publish."""
    return ready(Node(load(make_config(folder, city))))


def ready(node: Node) -> Node:
    """Return a node after it finished what a kill left undone."""
    with node.database.exclusive("publish"):
        node.start_signing(offline=True)
    return node


def put_record(
    node: Node, slug: str, title: str = "عنوان", n: int = 1, **more: Any
) -> int:
    """Publish a record without a table, and return the index of its entry."""
    body = build(
        slug=slug,
        city=node.config.node.city,
        city_code=node.config.node.city_code,
        publisher_fa="شهرداری",
        publisher_en="Municipality",
        family=more.get("family", "projects"),
        standard={"id": "projects", "version": "1.0.0", "sha256": "0" * 64},
        description=Description(title, f"Title {n}", **more.get("description", {})),
        tables=(),
        attachments=more.get("attachments", ()),
        provenance={},
        version=n,
        time="2026-11-22T09:00:00Z",
    )
    index = node.append_put(f"ds/{slug}", strict_json.canonical(body))
    node.projection.follow()
    return index


def publish_example(node: Node, name: str) -> Outcome:
    """Publish one of the city's example files."""
    return publish(node, handed(find_example(node.config.node.city, name)))[0]


__all__ = [
    "Attachment",
    "Config",
    "make_config",
    "make_node",
    "publish_example",
    "put_record",
    "ready",
    "replace",
    "store_section",
]
