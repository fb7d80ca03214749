"""`search`, `catalog rebuild`, `export package` and `preview` leave all as it is."""

import json
import zipfile
from pathlib import Path

import pytest

from node_world import make_config, ready
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.city import Node
from shahrdad.node.commands import bundle, preview, read, search, verify
from shahrdad.node.config import load
from shahrdad.node.console import Common
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.publish import publish

EXAMPLE = find_example("kerman", "org-units")


@pytest.fixture
def common(tmp_path: Path) -> Common:
    """Return the options of a node with one dataset."""
    file = make_config(tmp_path)
    publish(ready(Node(load(file))), handed(EXAMPLE, EXAMPLE.path))
    return Common(config=file, json=True, lang="en")


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """Return the JSON that a command printed."""
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    "words", ["واحدهای سازمانی", "واحدها\u064a سازمان\u064a", "units"]
)
def test_search_folds_spellings(
    words: str, common: Common, capsys: pytest.CaptureFixture[str]
) -> None:
    """Persian with either yeh, and English, find the same dataset."""
    search.search(*words.split(), common=common)
    found = printed(capsys)

    assert 1 == found["total"]
    assert "kerman/org-units" in json.dumps(found["datasets"])


def test_search_without_a_hit_says_so(
    common: Common, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script sees it by the exit code, a person by the next step."""
    person = Common(config=common.config, lang="en")

    with pytest.raises(SystemExit) as ended:
        search.search("اتوبوس", common=person)

    assert 5 == ended.value.code
    assert "Nothing was found" in capsys.readouterr().err


def test_catalog_is_the_same_once_rebuilt(
    common: Common, capsys: pytest.CaptureFixture[str]
) -> None:
    """It follows from the logs alone."""
    read.catalog(common=common)
    before = capsys.readouterr().out
    read.rebuild(common=common)
    rebuilt = printed(capsys)
    read.catalog(common=common)

    assert {"entries": 2} == rebuilt
    assert before == capsys.readouterr().out


def test_package_holds_the_table_and_its_proof(
    common: Common, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ZIP of the page, from the command line; nothing half written stays."""
    target = tmp_path / "units.zip"

    bundle.package("kerman/org-units", output=target, common=common)

    assert str(target) == printed(capsys)["path"]
    with zipfile.ZipFile(target) as archive:
        names = set(archive.namelist())
        described = json.loads(archive.read("datapackage.json"))
    assert {"SHA256SUMS", "record.json", "receipt.tlog-proof"} <= names
    assert {one["path"] for one in described["resources"]} <= names
    assert not list(tmp_path.glob(".*.part"))


def test_receipt_lies_in_a_folder_or_beside_a_name(
    common: Common, tmp_path: Path
) -> None:
    """`-o .` takes the dataset's name, as no name does."""
    verify.receipt("kerman/org-units", output=tmp_path, common=common)
    verify.receipt("kerman/org-units", output=tmp_path / "mine", common=common)

    assert {"kerman--org-units--v1", "mine"} == {
        path.name.partition(".")[0] for path in tmp_path.glob("*.tlog-proof")
    }


def test_package_of_an_unknown_dataset_is_refused(common: Common) -> None:
    """No file is left."""
    with pytest.raises(RequestError) as refused:
        bundle.package("kerman/nothing", common=common)

    assert Reason.DATASET_UNKNOWN is refused.value.reason


def test_preview_names_what_each_column_becomes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No node is needed; the first rows and the reading are shown."""
    preview.preview(EXAMPLE.path, standard="org_units", common=Common(lang="en"))
    shown = capsys.readouterr().out

    assert "format\tcsv" in shown
    assert "org_unit_id" in shown


def test_preview_of_no_file_is_refused(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(RequestError) as refused:
        preview.preview(tmp_path / "none.csv", standard="org_units", common=Common())

    assert Reason.FILE_NOT_FOUND is refused.value.reason
