"""Data Package: frictionless opens package.zip, descriptors keep to the 2.0 schema."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from shared_data import SHARED, needs_shared

pytestmark = pytest.mark.filterwarnings("ignore")
SCHEMA = SHARED / "conformance" / "datapackage" / "2.0" / "datapackage.json"


def test_frictionless_accepts_every_package(served: Any, tmp_path: Path) -> None:
    """The zipped dataset is a valid Data Package, rows and all."""
    frictionless = pytest.importorskip(
        "frictionless", reason="judge not installed: frictionless"
    )
    for one in served.datasets:
        number = one["version"]["number"]
        body = served.get(f"/d/{one['ref']}/v/{number}/package.zip")
        folder = tmp_path / one["name"]
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            archive.extractall(folder)
        report = frictionless.validate(f"{folder}/datapackage.json", type="package")

        assert report.valid, (one["ref"], report.to_summary()[:3_000])


@needs_shared
@pytest.mark.parametrize(
    "address",
    ["/d/{ref}.datapackage.json", "/v1/datasets/{ref}/v/{n}/descriptor"],
)
def test_descriptors_keep_to_the_schema(served: Any, address: str) -> None:
    """What is signed and what is served are both Data Package v2."""
    jsonschema = pytest.importorskip(
        "jsonschema", reason="judge not installed: jsonschema"
    )
    judge = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text("utf-8")))
    for one in served.datasets:
        path = address.format(ref=one["ref"], n=one["version"]["number"])
        faults = [
            f"{list(fault.path)}: {fault.message[:200]}"
            for fault in judge.iter_errors(served.json(path))
        ]

        assert [] == faults, one["ref"]
