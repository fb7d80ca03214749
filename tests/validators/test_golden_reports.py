"""Twelve small files whose reports are kept: JSON, the page and the marked workbook.

    SHAHRDAD_GOLDEN=write python -m pytest tests/validators/test_golden_reports.py

writes `golden/` anew; read the difference before you commit it. A change of a
sentence, a colour or a code shows there, in both languages. Only the engine's version
is left out.
"""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, Literal

import openpyxl
import pytest

from shahrdad.validators import Options, Report, validate

GOLDEN = Path(__file__).parent / "golden"
WRITE = os.environ.get("SHAHRDAD_GOLDEN") == "write"
LANGUAGES: tuple[Literal["fa", "en"], ...] = ("fa", "en")


def of(name: str, type_: str, **more: Any) -> dict[str, Any]:
    """Return a field; `constraints` and other members by name."""
    return {"name": name, "type": type_, **more}


ID = of("id", "integer", title="شناسه", title_en="Id", constraints={"required": True})
KIND = of(
    "kind",
    "string",
    title="نوع",
    categories=[{"value": "a", "label": "الف"}, {"value": "b", "label": "ب"}],
)
MONEY = of("amount", "integer", shahrdad={"kind": "money"}, title="مبلغ")
DAY = of("day", "date", title="تاریخ", shahrdad={"kind": "date"})
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "valid": ("id,kind\n1,a\n2,b\n", {"fields": [ID, KIND]}, {}),
    "types": ("id,kind\nx,a\n1.5,b\n,a\n", {"fields": [ID, KIND]}, {}),
    "choices": ("id,kind\n1,c\n2,الف\n", {"fields": [ID, KIND]}, {}),
    "dates": (
        "id,day\n1,1404/12/30\n2,۱۴۰۴/۰۶/۰۸\n3,2025-01-01\n",
        {"fields": [ID, DAY]},
        {"calendar": "jalali"},
    ),
    "money": (
        "id,amount\n1,۱۲۰\n2,12/500\n3,-5\n",
        {"fields": [ID, MONEY]},
        {"money_unit": "million_rial"},
    ),
    "money-without-unit": ("id,amount\n1,120\n", {"fields": [ID, MONEY]}, {}),
    "keys": (
        "id,kind\n1,a\n1,b\n,a\n2,a\n",
        {"fields": [of("id", "integer"), KIND], "primaryKey": "id"},
        {},
    ),
    "ragged": ("id,kind\n1\n2,a,more\n\n3,b\n\n", {"fields": [ID, KIND]}, {}),
    "labels": ("id,other,\n1,a,\n", {"fields": [ID, KIND]}, {}),
    "rules": (
        "id,kind\n1,a\n9,b\n",
        {
            "fields": [ID, KIND],
            "custom_checks": [
                {
                    "id": "X1",
                    "name": "row-condition",
                    "severity": "warning",
                    "params": {"then": {"column": "id", "op": "<", "value": 5}},
                    "message": "شماره «{value}» بزرگ است.",
                    "message_en": "{value} is large.",
                }
            ],
        },
        {},
    ),
    "hostile": (
        'id,kind\n1,"<script>alert(1)</script>"\n2,=cmd|calc\n',
        {"fields": [ID, KIND]},
        {},
    ),
    "empty": ("", {"fields": [ID, KIND]}, {}),
}


def report_of(name: str) -> Report:
    """Validate a case."""
    text, schema, profile = CASES[name]
    return validate(
        text.encode(),
        schema={"name": name, **schema},
        profile=profile or None,
        options=Options(delimiter=","),
    )


def without_version(text: str) -> str:
    """Return a text without the engine's version."""
    return re.sub(r'("version": )"[0-9][^"]*"', r'\1"…"', text)


def workbook_of(report: Report, path: Path, language: Literal["fa", "en"]) -> Any:
    """Return the marked workbook, cell by cell: text, colour, comment."""
    report.write_marked(path, language)
    sheets = {}
    for sheet in openpyxl.load_workbook(path):
        cells = {}
        for cell in (cell for row in sheet.iter_rows() for cell in row):
            fill = cell.fill.fgColor.rgb if cell.fill.fill_type else None
            comment = cell.comment.text if cell.comment else None
            seen = [cell.value, fill, comment]
            if any(seen):
                cells[cell.coordinate] = [part for part in seen if part is not None]
        sheets[sheet.title] = cells
    return sheets


def kept(name: str, suffix: str, actual: str) -> str:
    """Return what is kept, or keep what is."""
    path = GOLDEN / f"{name}.{suffix}"
    if WRITE:
        path.write_text(actual, "utf-8")
    return path.read_text("utf-8")


@pytest.mark.parametrize("name", CASES)
def test_json_and_pages(name: str) -> None:
    """The stored JSON is kept whole; of the pages what they say, and a hash of all."""
    report = report_of(name)
    pages = []
    for language in LANGUAGES:
        page = without_version(report.to_html(language))
        body = re.sub(r"<style.*?</style>", "", page, flags=re.DOTALL)
        words = re.sub(r"\s*\n\s*", "\n", re.sub(r"<[^>]*>", "\n", body)).strip()
        digest = hashlib.sha256(page.encode()).hexdigest()
        pages.append(f"{words}\n\n{language} {digest}\n")
    json_text = without_version(report.to_json(stored=True)) + "\n"

    assert kept(name, "json", json_text) == json_text
    assert kept(name, "txt", "\n".join(pages)) == "\n".join(pages)


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"empty", "money-without-unit"}))
def test_marked_workbook(name: str, tmp_path: Path) -> None:
    """Each cell of the three sheets: its text, its colour and its comment."""
    report = report_of(name)
    found = {
        language: workbook_of(report, tmp_path / f"{language}.xlsx", language)
        for language in LANGUAGES
    }
    text = json.dumps(found, ensure_ascii=False, indent=0) + "\n"

    assert kept(name, "workbook.json", text) == text


def test_reports_can_be_reproduced() -> None:
    """The same file gives the same bytes twice."""
    first, second = (report_of("types").to_json(stored=True) for _ in range(2))

    assert first == second
