"""Compat mode on real files: the report is frictionless', by the kernels.

Each CSV and TSV file of the shared folder is validated with the schema that
frictionless infers, once as it is and once with constraints that many of its cells
break. The small ones in every run; with SHAHRDAD_LONG=1 all of them, and the suites.
"""

import json
import os
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from frictionless import FrictionlessException, Resource

from compat_comparison import differences
from shared_data import SHARED, needs_shared

DATA = SHARED / "data"
LONG = bool(os.environ.get("SHAHRDAD_LONG"))
SMALL_BYTES = 6_000
pytestmark = needs_shared


def files() -> list[Path]:
    """Return the files that this run compares."""
    found = sorted([*DATA.rglob("*.csv"), *DATA.rglob("*.tsv")])
    return [
        path
        for path in found
        if LONG or (path.stat().st_size < SMALL_BYTES and "pollock" not in path.parts)
    ]


def name_of(path: Path) -> str:
    """Return a file's name below the shared folder."""
    return path.relative_to(DATA).as_posix()


def inferred(path: Path) -> dict[str, Any] | None:
    """Return the schema that frictionless infers; None where it reads no table."""
    resource = Resource(path=path.name, basepath=str(path.parent))
    try:
        resource.infer()
    except FrictionlessException:
        return None
    schema: dict[str, Any] = resource.schema.to_descriptor()
    return schema


def made(descriptor: dict[str, Any], folder: Path) -> Any:
    """Return a resource, new each time."""
    copied = json.loads(json.dumps(descriptor))
    return Resource.from_descriptor(copied, basepath=str(folder))


def stricter(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with constraints that real cells break, and a key."""
    fields = json.loads(json.dumps(schema["fields"]))
    bounds: dict[str, dict[str, Any]] = {
        "integer": {"minimum": 10, "unique": True},
        "number": {"maximum": 1000},
        "string": {"maxLength": 12, "pattern": "[^,]+"},
        "date": {"minimum": "2018-01-01"},
    }
    for field in fields:
        field["constraints"] = {"required": True, **bounds.get(field["type"], {})}
    key = [field["name"] for field in fields[:2]]
    return {**schema, "fields": fields, "primaryKey": key}


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_report_is_that_of_frictionless(path: Path) -> None:
    """By the inferred schema and by a stricter one, all errors: equal reports."""
    schema = inferred(path)
    plain: list[dict[str, Any]] = [{}]
    if schema is not None and schema.get("fields"):
        plain += [{"schema": schema}, {"schema": stricter(schema)}]
    for more in plain:
        descriptor = {"name": "t", "path": path.name, "type": "table", **more}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            route, reason, _, different = differences(
                partial(made, descriptor, path.parent),
                limit_errors=0,
            )

        assert different is None, (route, reason)
        assert route == "kernels" or reason in ("decode-error", "oracle-raises")
