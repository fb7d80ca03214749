"""OpenAPI, feeds, robots: what tools make of the node's descriptions of itself."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")
EXAMPLES_MAX = int(os.environ.get("SHAHRDAD_JUDGE_EXAMPLES", "10"))


def test_openapi_document_is_valid(served: Any) -> None:
    """The description keeps to the OpenAPI specification."""
    judge = pytest.importorskip(
        "openapi_spec_validator", reason="judge not installed: openapi-spec-validator"
    )

    judge.validate(served.json("/v1/openapi.json"))


def test_schemathesis_finds_no_lie(served: Any, tmp_path: Path) -> None:
    """Generated calls are answered as the description says; bounded."""
    pytest.importorskip("schemathesis", reason="judge not installed: schemathesis")
    file = tmp_path / "schemathesis.toml"
    file.write_text(parameters(served), "utf-8")
    run = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis",
            f"--config-file={file}",
            "run",
            f"{served.url}/v1/openapi.json",
            "--checks=not_a_server_error,status_code_conformance,"
            "content_type_conformance,response_schema_conformance",
            "--phases=examples,coverage,fuzzing",
            f"--max-examples={EXAMPLES_MAX}",
            "--include-method=GET",
            "--request-timeout=30",
            "--seed=1",
        ],
        capture_output=True,
        check=False,
        text=True,
        timeout=900,
        cwd=tmp_path,
    )

    assert 0 == run.returncode, run.stdout[-6_000:]


def parameters(served: Any) -> str:
    """Return values of paths that exist, so that the calls reach what they are for."""
    (one, *_) = served.datasets
    city, _, slug = one["ref"].partition("/")
    resource = one["resources"][0]["name"]
    values = {
        "city": city,
        "slug": slug,
        "n": one["version"]["number"],
        "version": f"{one['version']['number']}.json",
        "resource": resource,
        "file": f"{resource}.csv",
        "family": one["family"]["id"],
        "language": "fa",
        "number": 1,
        "action": "package_list",
    }
    lines = [f'"path.{name}" = {json.dumps(value)}' for name, value in values.items()]
    return "\n".join(["[parameters]", *lines, ""])


@pytest.mark.parametrize("kind", ["all", "city", "dataset"])
def test_feeds_are_well_formed(served: Any, kind: str) -> None:
    """feedparser reads each feed without complaint, newest first."""
    feedparser = pytest.importorskip(
        "feedparser", reason="judge not installed: feedparser"
    )
    (one, *_) = served.datasets
    path = {
        "all": "/feeds/all.atom",
        "city": f"/feeds/{one['ref'].partition('/')[0]}.atom",
        "dataset": f"/feeds/{one['ref']}.atom",
    }[kind]
    found = feedparser.parse(served.get(path))
    times = [entry.updated for entry in found.entries]

    assert (False, "atom10") == (bool(found.bozo), found.version)
    assert times
    assert sorted(times, reverse=True) == times


def test_robots_leave_pages_open_and_rows_closed(served: Any) -> None:
    """A crawler's own parser reads the rules as they are meant."""
    protego = pytest.importorskip("protego", reason="judge not installed: protego")
    rules = protego.Protego.parse(served.get("/robots.txt").decode())
    (one, *_) = served.datasets

    assert rules.can_fetch(f"{served.url}/fa/d/{one['ref']}", "anybody")
    assert not rules.can_fetch(f"{served.url}/v1/datasets/{one['ref']}/rows", "anybody")


def test_sitemap_leads_to_pages_that_answer(served: Any) -> None:
    """Every address of the sitemap is there."""
    space = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
    index = ET.fromstring(served.get("/sitemap.xml"))
    pages = [
        location.text or ""
        for part in index.findall("s:sitemap/s:loc", space)
        for location in ET.fromstring(served.get(part.text or "")).findall(
            "s:url/s:loc", space
        )
    ]

    assert len(pages) > len(served.datasets)
    assert [] == [page for page in pages if served.ask(page)[0] >= 400]
