"""OpenAPI, HTTP, feeds, robots: what tools make of the node's answers about itself."""

import json
import os
import re
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


KINDS = {  # an address of each kind of answer
    "page": "/fa/",
    "redirect": "/d/{ref}",
    "search": "/v1/datasets",
    "dataset": "/v1/datasets/{ref}",
    "rows": "/v1/datasets/{ref}/rows/{resource}",
    "problem": "/v1/datasets/{city}/no-such-dataset",
    "immutable": "/d/{ref}/v/{n}/{resource}.parquet",
    "derived": "/d/{ref}/v/{n}/{resource}.csv",
    "newest": "/d/{ref}/latest/{resource}.csv",
    "rdf": "/catalog.ttl",
    "ckan": "/api/3/action/package_search",
    "sharing": "/delta-sharing/shares",
    "feed": "/feeds/all.atom",
    "static": "{static}",
    "well-known": "/.well-known/shahrdad-node",
    "unlimited": "/healthz",
}


OPINIONS = {  # what REDbot advises against, and why it is so all the same
    "STORE_PUBLIC_UNNECESSARY",  # harmless, and caches of old need it beside a cookie
    "FRESHNESS_NO_CACHE_NO_VALIDATOR",  # a redirect without a body to validate
}


@pytest.mark.parametrize("kind", KINDS)
def test_redbot_finds_no_protocol_error(served: Any, kind: str) -> None:
    """Conditions, ranges, codings and caching of each kind of answer are right."""
    pytest.importorskip("redbot", reason="judge not installed: redbot")
    (one, *_) = served.datasets
    asset = re.search(rb'href="([^"]+\.css)"', served.get("/fa/"))
    assert asset is not None
    city = one["ref"].partition("/")[0]
    path = KINDS[kind].format(
        ref=one["ref"],
        city=city,
        n=one["version"]["number"],
        resource=one["resources"][0]["name"],
        static=asset[1].decode(),
    )
    command = [Path(sys.executable).parent / "redbot", "-o", "har", served.url + path]
    run = subprocess.run(command, capture_output=True, check=True, timeout=120)
    (entry, *_) = json.loads(run.stdout)["log"]["entries"]
    notes = entry["_red_messages"]

    bad = [note for note in notes if note["level"] in {"BAD", "WARN"}]

    assert notes
    assert [] == [one["summary"] for one in bad if one["note_id"] not in OPINIONS]


@pytest.mark.parametrize("kind", ["all", "city", "dataset", "search"])
def test_feeds_are_well_formed(served: Any, kind: str) -> None:
    """feedparser reads each feed without complaint, newest first."""
    feedparser = pytest.importorskip(
        "feedparser", reason="judge not installed: feedparser"
    )
    (one, *_) = served.datasets
    found = feedparser.parse(served.get(feed(one, kind)))
    times = [entry.updated for entry in found.entries]

    assert (False, "atom10") == (bool(found.bozo), found.version)
    assert times
    assert sorted(times, reverse=True) == times


@pytest.mark.parametrize("kind", ["all", "city", "dataset", "search"])
def test_feeds_are_valid_to_the_w3c(served: Any, kind: str) -> None:
    """The feed validator of the W3C finds no error and warns of nothing.

    One batch of datasets shares a second, so it may say that entries have one time.
    """
    checkout = os.environ.get("SHAHRDAD_FEEDVALIDATOR", "")
    if not (Path(checkout) / "src" / "feedvalidator").is_dir() or not checkout:
        pytest.skip("not installed: w3c/feedvalidator, in $SHAHRDAD_FEEDVALIDATOR")
    sys.path.insert(0, f"{checkout}/src")
    validator = pytest.importorskip("feedvalidator", reason="it lacks lxml, html5lib")
    logging = pytest.importorskip("feedvalidator.logging", reason="it lacks lxml")
    (one, *_) = served.datasets
    path = feed(one, kind)
    body = served.get(path).decode()
    found = validator.validateString(
        body, firstOccurrenceOnly=1, base=served.url + path
    )
    bad = [
        type(event).__name__
        for event in found["loggedEvents"]
        if isinstance(event, (logging.Error, logging.Warning))
    ]

    assert set() == set(bad) - {"DuplicateUpdated"}


def feed(one: dict[str, Any], kind: str) -> str:
    """Return the path of a feed that has a dataset in it."""
    return {
        "all": "/feeds/all.atom",
        "city": f"/feeds/{one['ref'].partition('/')[0]}.atom",
        "dataset": f"/feeds/{one['ref']}.atom",
        "search": f"/feeds/search.atom?family={one['family']['id']}",
    }[kind]


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
