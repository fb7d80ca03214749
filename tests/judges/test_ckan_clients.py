"""ckanapi, library and command, takes the node for a CKAN portal."""

import gzip
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ckanapi = pytest.importorskip("ckanapi", reason="judge not installed: ckanapi")


def test_library_reads_every_dataset(served: Any) -> None:
    """List, show, search and count agree with the node's own API."""
    remote = ckanapi.RemoteCKAN(served.url)
    names = remote.action.package_list()
    shown = [remote.action.package_show(id=name) for name in names]
    found = remote.action.package_search(rows=1000)

    assert {one["name"] for one in served.datasets} <= set(names)
    assert found["count"] == len(found["results"]) == len(names)
    assert sorted(one["id"] for one in shown) == [one["id"] for one in found["results"]]


def test_library_reads_rows(served: Any) -> None:
    """The datastore gives as many rows as the dataset says it has."""
    remote = ckanapi.RemoteCKAN(served.url)
    (one, *_) = served.datasets
    package = remote.action.package_show(id=one["name"])
    active = [r["id"] for r in package["resources"] if r["datastore_active"]]
    table = remote.action.datastore_search(resource_id=active[0], limit=32_000)

    assert one["resources"][0]["rows"] == table["total"] == len(table["records"])


def test_library_raises_its_own_exceptions(served: Any) -> None:
    """Each refusal comes out as the exception that scripts catch."""
    remote = ckanapi.RemoteCKAN(served.url)

    with pytest.raises(ckanapi.NotFound):
        remote.action.package_show(id="no-such-dataset")
    with pytest.raises(ckanapi.ValidationError):
        remote.action.package_show()
    with pytest.raises(ckanapi.SearchQueryError):
        remote.action.package_search(q="a AND (")


@pytest.mark.parametrize("what", ["datasets", "organizations", "groups"])
def test_command_dumps_everything(served: Any, what: str, tmp_path: Path) -> None:
    """`ckanapi dump … --all` writes a line for each."""
    target = tmp_path / "dump.jsonl.gz"
    run = ckan_command("dump", what, "--all", "-r", served.url, "-O", f"{target}", "-z")
    lines = gzip.decompress(target.read_bytes()).splitlines()

    assert 0 == run.returncode, run.stderr
    assert len(lines) >= (len(served.datasets) if what == "datasets" else 1)
    assert all("name" in json.loads(line) for line in lines)


def test_command_searches(served: Any) -> None:
    """`ckanapi search datasets` pages to the end."""
    run = ckan_command("search", "datasets", "-r", served.url)
    names = {json.loads(line)["name"] for line in run.stdout.splitlines()}

    assert {one["name"] for one in served.datasets} <= names


def test_command_calls_an_action(served: Any) -> None:
    """`ckanapi action` passes arguments on and prints the answer."""
    (one, *_) = served.datasets
    run = ckan_command("action", "package_show", f"id={one['name']}", "-r", served.url)

    assert one["uid"] == json.loads(run.stdout)["id"]


@pytest.mark.filterwarnings("ignore")
def test_frictionless_takes_the_node_for_a_catalog(served: Any) -> None:
    """Its CKAN adapter lists every dataset, and reads every file of one."""
    frictionless = pytest.importorskip(
        "frictionless", reason="judge not installed: frictionless"
    )
    for module in ("frictionless_ckan_mapper", "openpyxl"):
        pytest.importorskip(module, reason="not installed: frictionless[ckan,excel]")
    portals = importlib.import_module("frictionless.portals")
    control = portals.CkanControl(baseurl=served.url)
    catalog = frictionless.Catalog(control=control)
    rows = {one["title"]["fa"]: one["resources"][0]["rows"] for one in served.datasets}
    (first, *_) = [one.package for one in catalog.datasets]

    assert set(rows) == {one.package.title for one in catalog.datasets}
    assert {rows[first.title]} == {len(file.read_rows()) for file in first.resources}


def ckan_command(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command; it starts itself as a worker, so it has to be on PATH."""
    folder = Path(sys.executable).parent
    path = f"{folder}:{os.environ.get('PATH', '')}"
    return subprocess.run(
        [folder / "ckanapi", *arguments],
        capture_output=True,
        check=False,
        timeout=120,
        env={**os.environ, "PATH": path},
    )
