"""A template that was filled, then saved by LibreOffice, asks nothing."""

import os
import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest

from shahrdad.datasets import templates
from shahrdad.datasets.codelists import SAMPLE_CODE
from shahrdad.datasets.standards import families, load
from shahrdad.validators import validate
from shahrdad.validators.importing import open_table
from shahrdad.validators.text_table import TextTable

SOFFICE = shutil.which("soffice")
SECONDS_MAX = 180  # the first start makes a profile
# One start opens them all, but eleven workbooks of ten thousand rows take a minute.
ALL = os.environ.get("SHAHRDAD_LONG") == "1"
FAMILIES = families() if ALL else ("budget_lines", "org_units", "resolutions")
needs_soffice = pytest.mark.skipif(
    SOFFICE is None, reason="LibreOffice Calc (soffice) is not installed"
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the filled templates, each saved again in `saved`."""
    folder = tmp_path_factory.mktemp("templates")
    for family in FAMILIES:
        standard = load(family)
        known = templates.Properties(
            SAMPLE_CODE, "million_rial", date(2025, 9, 22), 1404, {}
        )
        rows = templates.example_rows(standard)
        content = templates.xlsx_template(standard, known, rows)
        (folder / f"{family}.xlsx").write_bytes(content)
    convert(folder, folder / "saved")
    return folder


@needs_soffice
@pytest.mark.parametrize("family", FAMILIES)
def test_template_through_libreoffice(family: str, saved: Path) -> None:
    """Formats, drop-downs and hidden sheets survive, and nothing must be asked.

    The table is that of the example, and it is valid, with no mapping at all.
    """
    standard = load(family)
    before = open_table(saved / f"{family}.xlsx", standard=standard)
    after = open_table(saved / "saved" / f"{family}.xlsx", standard=standard)
    publisher = templates.example_rows(standard)[0]["city_code"]
    report = validate(
        saved / "saved" / f"{family}.xlsx",
        schema=family,
        context={"city_code": publisher, "release_date": "2025-10-01"},
    )

    assert after.questions is not None
    assert after.questions.none
    assert before.settings == after.settings
    assert before.names == after.names
    assert columns(before) == columns(after)
    assert report.valid, report.to_text("en")
    assert len(templates.example_rows(standard)) == report.rows


def columns(table: TextTable) -> list[list[str]]:
    """Read a table to its end, as columns of text."""
    batches = list(table.batches)
    return [
        [cell for batch in batches for cell in batch.columns[at].to_pylist()]
        for at in range(len(table.names))
    ]


def convert(folder: Path, into: Path) -> None:
    """Open every workbook of a folder in LibreOffice and save it again."""
    profile = (into / "profile").as_uri()
    subprocess.run(
        [
            str(SOFFICE),
            f"-env:UserInstallation={profile}",
            "--headless",
            "--convert-to",
            "xlsx:Calc MS Excel 2007 XML",
            "--outdir",
            str(into),
            *map(str, sorted(folder.glob("*.xlsx"))),
        ],
        check=True,
        capture_output=True,
        timeout=SECONDS_MAX,
    )
