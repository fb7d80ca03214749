"""The table that validation is measured on: contracts of a made-up city.

Twelve columns with pattern, enum, bounds, unique, primary key and foreign key; the same
bytes for everybody, by a fixed seed. Rows differ in their key; their other cells are
drawn from `TAILS` prepared ones, so that ten million rows are written in seconds.
"""

import csv
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SEED = 1404
DISTRICTS = 40
SUPPLIERS = 5_000
TAILS = 100_000
BROKEN_CELLS = {"few": 0.001, "half": 0.5}  # share of all cells
BROKEN_ROWS = {"half-rows": 0.5}  # share of rows with one wrong cell
CASES = ("clean", *BROKEN_CELLS, *BROKEN_ROWS, "persian")
WORDS = [
    "احداث",
    "بهسازی",
    "نگهداری",
    "خرید",
    "اجرای",
    "تکمیل",
    "پارک",
    "خیابان",
    "بلوار",
    "تقاطع",
    "میدان",
    "ساختمان",
    "شبکه",
    "سامانه",
    "روشنایی",
    "فضای",
    "سبز",
    "آسفالت",
    "معابر",
    "منطقه",
    "بازار",
    "شهرداری",
    "خدمات",
    "مشاوره",
    "نرم\u200cافزار",
    "تجهیزات",
    "ایستگاه",
]
TYPES = ("عمرانی", "خدماتی", "مشاوره", "خرید کالا")
STATUSES = ("active", "completed", "terminated", "suspended")

SCHEMA: dict[str, Any] = {
    "name": "contracts",
    "fields": [
        {"name": "contract_id", "title": "شماره قرارداد", "type": "string",
         "constraints": {"required": True, "unique": True, "pattern":
         "[A-Z]{2}-[0-9]{4}-[0-9]{7}"}},
        {"name": "city_code", "title": "کد شهر", "type": "string",
         "constraints": {"required": True, "pattern": "[0-9]{4}"}},
        {"name": "district_no", "title": "منطقه", "type": "integer",
         "constraints": {"required": True, "minimum": 0, "maximum": 99}},
        {"name": "supplier_id", "title": "شناسه پیمانکار", "type": "string",
         "constraints": {"required": True}},
        {"name": "subject", "title": "موضوع", "type": "string",
         "constraints": {"required": True, "maxLength": 200}},
        {"name": "kind", "title": "نوع", "type": "string",
         "constraints": {"required": True, "enum": list(TYPES)}},
        {"name": "status", "title": "وضعیت", "type": "string",
         "constraints": {"enum": list(STATUSES)}},
        {"name": "amount_rial", "title": "مبلغ", "type": "integer",
         "constraints": {"required": True, "minimum": 0}},
        {"name": "progress", "title": "پیشرفت", "type": "number",
         "constraints": {"minimum": 0, "maximum": 100}},
        {"name": "sign_date", "title": "تاریخ امضا", "type": "date",
         "constraints": {"required": True, "minimum": "1921-03-21"}},
        {"name": "end_date", "title": "تاریخ پایان", "type": "date"},
        {"name": "has_guarantee", "title": "ضمانت‌نامه", "type": "boolean"},
    ],
    "primaryKey": ["city_code", "contract_id"],
    "foreignKeys": [
        {"fields": ["supplier_id"], "reference": {"resource": "suppliers", "fields":
        ["supplier_id"]}}
    ],
    "missingValues": [""],
}  # fmt: skip


_WRONG = {
    1: "شهر",
    2: "صد",
    5: "نامعلوم",
    6: "lost",
    7: "-5",
    8: "200",
    9: "1404-02-31",
    10: "soon",
    11: "perhaps",
}
_FA_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_ARABIC_LETTERS = str.maketrans("\u06cc\u06a9", "\u064a\u0643")


def wrong_places(rng: random.Random, case: str) -> list[int]:
    """Choose the cells of a row that are wrong in a case."""
    if case in BROKEN_ROWS:
        count = int(rng.random() < BROKEN_ROWS[case])
    else:
        whole, rest = divmod(BROKEN_CELLS.get(case, 0.0) * len(SCHEMA["fields"]), 1)
        count = int(whole) + int(rng.random() < rest)
    return rng.sample(list(_WRONG), count)


def cells_of(rng: random.Random, subjects: list[str], case: str) -> list[str]:
    """Return the cells of a row but for its key, wrong ones among them."""
    year, month, day = rng.randint(2015, 2025), rng.randint(1, 12), rng.randint(1, 28)
    cells = [
        "",
        "1346",
        str(rng.randrange(DISTRICTS)),
        f"10{rng.randrange(SUPPLIERS):09}",
        subjects[rng.randrange(len(subjects))],
        TYPES[rng.randrange(4)],
        STATUSES[rng.randrange(4)],
        str(rng.randrange(10**9, 9 * 10**12)),
        f"{rng.randrange(10001) / 100:.2f}",
        f"{year}-{month:02}-{day:02}",
        f"{year + 1}-{month:02}-{day:02}" if rng.randrange(5) else "",
        "true" if rng.randrange(2) else "false",
    ]
    for place in wrong_places(rng, case):
        cells[place] = _WRONG[place]
    return cells


def as_people_write(cells: list[str]) -> list[str]:
    """Return cells with Persian digits and the letters of Arabic keyboards."""
    digits = {2, 7, 8}
    return [
        cell.translate(_FA_DIGITS if at in digits else _ARABIC_LETTERS)
        if at in digits or at == 4
        else cell
        for at, cell in enumerate(cells)
    ]


def lines_of(count: int, case: str) -> Iterator[str]:
    """Yield the lines of the table below its header."""
    rng = random.Random(SEED)  # noqa: S311 - the same file for everybody
    subjects = [
        " ".join(rng.choices(WORDS, k=rng.randint(5, 9))) for _ in range(20_000)
    ]
    tails: list[str] = []
    for _ in range(min(count, TAILS)):
        cells = cells_of(rng, subjects, case)
        if case == "persian":
            cells = as_people_write(cells)
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(cells)
        tails.append(line.getvalue())
    for number in range(count):
        # Neighbouring rows have other tails in each round.
        tail = tails[(number + number // TAILS) % len(tails)]
        yield f"KR-{1390 + number % 15}-{number:07}{tail}"


def write_csv(path: Path, count: int, case: str) -> None:
    """Write the table as CSV; no more than a line is held."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(field["name"] for field in SCHEMA["fields"]) + "\n")
        file.writelines(lines_of(count, case))


def write_xlsx(path: Path, count: int, case: str) -> None:
    """Write the table as a workbook: numbers as numbers, the rest as texts."""
    import xlsxwriter

    numbers = {2, 7, 8}
    workbook = xlsxwriter.Workbook(str(path), {"constant_memory": True})
    sheet = workbook.add_worksheet("contracts")
    sheet.write_row(0, 0, [field["name"] for field in SCHEMA["fields"]])
    for at, record in enumerate(csv.reader(lines_of(count, case)), start=1):
        for place, cell in enumerate(record):
            if place in numbers:
                sheet.write_number(at, place, float(cell))
            elif cell:
                sheet.write_string(at, place, cell)
    workbook.close()


def generate(folder: Path, count: int, case: str, form: str = "csv") -> Path:
    """Write the table of a case with its reference table and data package."""
    path = folder / f"{case}-{count}.{form}"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    (write_csv if form == "csv" else write_xlsx)(path, count, case)
    with (folder / "suppliers.csv").open("w", encoding="utf-8") as file:
        file.write("supplier_id\n")
        file.writelines(f"10{number:09}\n" for number in range(SUPPLIERS))
    package = {
        "name": "bench",
        "resources": [
            {"name": "contracts", "type": "table", "path": path.name, "schema": SCHEMA},
            {
                "name": "suppliers",
                "type": "table",
                "path": "suppliers.csv",
                "schema": {"fields": [{"name": "supplier_id", "type": "string"}]},
            },
        ],
    }
    path.with_suffix(f".{form}.json").write_text(
        json.dumps(package, ensure_ascii=False), "utf-8"
    )
    return path
