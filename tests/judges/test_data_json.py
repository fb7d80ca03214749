"""ckanext-datajson, CKAN's harvester of DCAT-US, takes our `/data.json` for its own.

It brings the schemas that its catalogs are checked with. It lives beside CKAN in the
environment that `tools/judge.py` makes.
"""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ckan", reason="judge not installed: ckan[requirements]")
parsing = pytest.importorskip(
    "ckanext.datajson.parse_datajson", reason="judge not installed: ckanext-datajson"
)
jsonschema = pytest.importorskip("jsonschema", reason="judge not installed: jsonschema")
SCHEMAS = "pod_schema/non-federal-v1.1"
PROFILES = {"https://project-open-data.cio.gov/v1.1/schema"}  # that it takes


def schema(name: str) -> Any:
    """Return a schema of the harvester."""
    found = importlib.util.find_spec("ckanext.datajson")

    assert found is not None
    folders = found.submodule_search_locations or []
    return json.loads((Path(folders[0]) / SCHEMAS / name).read_text("utf-8"))


def test_every_dataset_is_valid(served: Any) -> None:
    """The schema for whoever is no agency of the United States finds no error."""
    catalog = served.json("/data.json")
    valid = jsonschema.Draft4Validator(
        schema("dataset-non-federal.json"), format_checker=jsonschema.FormatChecker()
    )

    assert catalog["conformsTo"] in PROFILES
    assert len(served.datasets) <= len(catalog["dataset"])
    for one in catalog["dataset"]:
        assert [] == [error.message for error in valid.iter_errors(one)]


def test_harvester_keeps_files_license_and_publisher(served: Any) -> None:
    """What CKAN would keep of a dataset are the files that our objects name."""
    found = {one["identifier"]: one for one in served.json("/data.json")["dataset"]}
    for one in served.datasets:
        told = found[one["uid"]]
        publisher = {"key": "publisher", "value": told["publisher"]}
        package: dict[str, Any] = {
            "tags": told["keyword"],
            "resources": [],
            "extras": [publisher],
        }
        parsing.parse_datajson_entry(told, package, {}, "1.1")
        kept = {item["url"]: item for item in package["resources"]}

        assert told["publisher"]["name"] == package["extras"][0]["value"]
        assert "cc-by" == package["license_id"]
        for table in one["resources"]:
            url = table["formats"]["csv"]["url"]
            assert ("CSV", "text/csv") == (kept[url]["format"], kept[url]["mimetype"])
