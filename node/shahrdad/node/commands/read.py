"""`catalog`, `show`, `history`, `get`: what this node holds, from its own catalog."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from shahrdad.node.catalog import Dataset, Version
from shahrdad.node.commands.output_file import output_file
from shahrdad.node.console import Common, print_json

if TYPE_CHECKING:
    from shahrdad.node.city import Node

Format = Literal["parquet", "csv", "excel.csv", "xlsx", "json", "ndjson", "arrow"]


catalog_app = App(name="catalog", help="List the datasets of all cities held here.")


@catalog_app.default
def catalog(
    *,
    city: str | None = None,
    family: str | None = None,
    withdrawn: bool = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """List the datasets of all cities held here.

    Args:
        city: Only this city, for example kerman.
        family: Only this standard, for example budget_lines.
        withdrawn: Also those that were withdrawn.
    """
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        node.projection.follow()
        found = node.catalog.list(city=city, family=family, withdrawn=withdrawn)
        if common.json:
            print_json([dataset_json(dataset) for dataset in found])
            return
        tell_datasets(common, found)
        if not found:
            common.next_step(
                "هنوز چیزی نیست: shahrdad publish FILE یا shahrdad sync",
                "Nothing is here yet: shahrdad publish FILE, or shahrdad sync",
            )


def tell_datasets(common: Common, found: Iterable[Dataset]) -> None:
    """Print a line about each dataset."""
    common.table(
        ["ref", "version", "state", "family", "rows", "updated", "title"],
        [
            (
                dataset.ref,
                dataset.version,
                dataset.state,
                dataset.family,
                dataset.rows,
                dataset.updated,
                common.text(dataset.title_fa, dataset.title_en),
            )
            for dataset in found
        ],
    )


@catalog_app.command
def rebuild(*, common: Common = Common()) -> None:  # noqa: B008
    """Build the catalog again from the logs; what is published stays as it is."""
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        count = node.projection.rebuild()
    if common.json:
        print_json({"entries": count})
        return
    common.say(
        f"فهرست از روی {count} درایه از نو ساخته شد.",
        f"The catalog was built again from {count} entries.",
    )


def show(
    ref: str,
    *,
    version: int | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Show one dataset: its record and where its files lie.

    Args:
        ref: City and dataset, for example kerman/budget-1404.
        version: A version number; the newest when left out.
    """
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        node.projection.follow()
        dataset, chosen = node.catalog.version(ref, version)
        body = node.catalog.body(chosen.digest)
        if common.json:
            print_json(
                {**dataset_json(dataset), "shown": version_json(chosen), "record": body}
            )
            return
        rows: list[tuple[str, object]] = [
            ("ref", dataset.ref),
            ("title", common.text(dataset.title_fa, dataset.title_en)),
            ("state", dataset.state),
            ("version", chosen.n),
            ("time", chosen.time),
            ("rows", chosen.rows),
            ("license", dataset.license),
            ("origin", chosen.origin),
            ("index", chosen.index),
            ("record", chosen.digest),
        ]
        rows += [
            (f"object {resource['name']}", resource["hash"])
            for resource in body.get("resources", [])
            if "hash" in resource
        ]
        common.table(["", ""], rows)
        common.next_step(
            f"جدول: shahrdad get {dataset.ref} --format xlsx",
            f"Its table: shahrdad get {dataset.ref} --format csv",
        )


def history(
    ref: str,
    *,
    key: tuple[str, ...] = (),
    common: Common = Common(),  # noqa: B008
) -> None:
    """List the versions of a dataset, newest first; or what became of one row.

    Args:
        ref: City and dataset, for example kerman/budget-1404.
        key: column=value of the row that is meant; as often as one row needs. Its
            steps come oldest first.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.commands.validate import pairs

    with open_node(common.config) as node:
        node.projection.follow()
        if key:
            _tell_row(common, node, ref, dict(pairs(key)))
            return
        dataset = node.catalog.get(ref)
        versions = node.catalog.versions(ref)
        if common.json:
            print_json(
                {
                    **dataset_json(dataset),
                    "versions": [version_json(version) for version in versions],
                }
            )
            return
        common.table(
            ["version", "time", "rows", "added", "removed", "changed", "record"],
            [
                (
                    version.n,
                    version.time,
                    version.rows,
                    *[
                        (version.change or {}).get(name)
                        for name in ("added", "removed", "changed")
                    ],
                    version.digest,
                )
                for version in versions
            ],
        )
        if dataset.state == "withdrawn":
            common.say(
                f"در {dataset.updated} پس گرفته شد: {dataset.reason}",
                f"Withdrawn at {dataset.updated}: {dataset.reason}",
            )


def _tell_row(common: Common, node: "Node", ref: str, key: Mapping[str, str]) -> None:
    """Print what became of a row, version by version."""
    from shahrdad.node.http.exports.cells import json_value
    from shahrdad.node.row_history import row_history

    steps = list(row_history(node, ref, key))
    if common.json:
        print_json(
            [
                {
                    "version": step.version.n,
                    "time": step.version.time,
                    "op": step.op,
                    "row": step.row
                    and {name: json_value(step.row[name]) for name in step.row},
                    "cells": {
                        name: [json_value(old), json_value(new)]
                        for name, old, new in step.cells
                    },
                }
                for step in steps
            ]
        )
        return
    common.table(
        ["version", "time", "op", "column", "old", "new"],
        [
            (step.version.n, step.version.time, step.op, *cell)
            for step in steps
            for cell in step.cells or (("", "", ""),)
        ],
    )
    if not steps:
        common.say(
            "در هیچ نسخه‌ای ردیفی با این کلید نیست.", "No version has a row of this key."
        )


def get(
    ref: str,
    *,
    format: Annotated[Format, Parameter(name=["--format", "-f"])] = "csv",  # noqa: A002
    version: int | None = None,
    as_of: str | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Write a dataset's table to a file, or to stdout when it is a pipe.

    Args:
        ref: City and dataset, for example kerman/budget-1404.
        format: What to write.
        version: A version number; the newest when left out.
        as_of: The version that was current at the end of this day, Jalali or Gregorian.
        output: The file; by default named after the dataset, in this folder.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.download import download, end_of_day

    with open_node(common.config) as node:
        node.projection.follow()
        if as_of is not None:
            dataset, chosen = node.catalog.as_of(ref, end_of_day(as_of))
        else:
            dataset, chosen = node.catalog.version(ref, version)
        if output is None and not sys.stdout.isatty():
            download(node, chosen, format, sys.stdout.buffer, common.language)
            return
        path = output or Path(f"{dataset.name}--v{chosen.n}.{format}")
        with output_file(path) as file:
            download(node, chosen, format, file, common.language)
        common.say(
            f"نسخهٔ {chosen.n} از {dataset.ref} در {path} نوشته شد.",
            f"Version {chosen.n} of {dataset.ref} is in {path}.",
        )


def dataset_json(dataset: Dataset) -> dict[str, Any]:
    """Return the stable JSON shape of a dataset."""
    return {
        "ref": dataset.ref,
        "city": dataset.city,
        "title": {"fa": dataset.title_fa, "en": dataset.title_en},
        "family": dataset.family,
        "license": dataset.license,
        "fiscal_year": dataset.fiscal_year,
        "state": dataset.state,
        "reason": dataset.reason,
        "version": dataset.version,
        "rows": dataset.rows,
        "bytes": dataset.bytes,
        "updated": dataset.updated,
        "first_published": dataset.first_published,
        "origin": dataset.origin,
        "index": dataset.index,
        "digest": dataset.digest.hex,
    }


def version_json(version: Version) -> dict[str, Any]:
    """Return the stable JSON shape of a version."""
    return {
        "version": version.n,
        "time": version.time,
        "index": version.index,
        "digest": version.digest.hex,
        "rows": version.rows,
        "change": version.change,
        "state": version.state,
    }
