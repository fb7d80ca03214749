"""A template that was filled, then saved by LibreOffice, asks nothing."""

import io
import shutil
import subprocess
from pathlib import Path

import openpyxl
import pytest

from shahrdad.datasets import templates
from shahrdad.datasets.standards import load
from shahrdad.validators import validate
from shahrdad.validators.importing import open_table

SOFFICE = shutil.which("soffice")
SECONDS_MAX = 180  # the first start makes a profile
needs_soffice = pytest.mark.skipif(
    SOFFICE is None, reason="LibreOffice Calc (soffice) is not installed"
)


@needs_soffice
@pytest.mark.parametrize("family", ["budget_lines", "projects"])
def test_template_through_libreoffice(family: str, tmp_path: Path) -> None:
    """Formats, drop-downs and hidden sheets survive; the rows are those filled in."""
    standard = load(family)
    known = templates.Properties("1346", "million_rial", None, 1404, {})
    rows = templates.example_rows(standard)
    content = templates.xlsx_template(standard, known, rows)
    book = openpyxl.load_workbook(io.BytesIO(content))
    filled = tmp_path / "filled.xlsx"
    book.save(filled)
    saved = convert(filled, tmp_path / "saved")
    before = open_table(filled, standard=standard)
    after = open_table(saved, standard=standard)

    assert after.questions is not None
    assert after.questions.none
    assert "million_rial" == after.settings.money_unit
    assert before.names == after.names
    assert [len(rows)] == [batch.rows_count for batch in after.batches]
    reports = [
        validate(path, schema=family, context={"release_date": "2026-11-22"})
        for path in (filled, saved)
    ]
    errors = [
        sorted(
            (issue.code, issue.row or 0, issue.field or "")
            for issue in report.issues
            if issue.severity == "error"
        )
        for report in reports
    ]
    assert errors[0] == errors[1]


def convert(file: Path, folder: Path) -> Path:
    """Open a workbook in LibreOffice and save it again."""
    profile = (folder / "profile").as_uri()
    subprocess.run(
        [
            str(SOFFICE),
            f"-env:UserInstallation={profile}",
            "--headless",
            "--convert-to",
            "xlsx:Calc MS Excel 2007 XML",
            "--outdir",
            str(folder),
            str(file),
        ],
        check=True,
        capture_output=True,
        timeout=SECONDS_MAX,
    )
    return folder / file.name
