"""The page of a standard, in Markdown, for people who publish by it or read its data.

The pages under `docs/standards/` are written by
`python -m shahrdad.datasets.standard_page docs/standards`, never by hand; a test
compares them with the schemas.

>>> from shahrdad.datasets.standards import load
>>> page(load("ideas"), "en").splitlines()[0]
'# Ideas and innovation'
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from shahrdad.datasets.codelists import code_list, lists, sidecar
from shahrdad.datasets.errors import Language
from shahrdad.datasets.standards import (
    FOLDER,
    Field,
    Rule,
    Standard,
    common_rules,
    families,
    load,
)
from shahrdad.datasets.templates import plain_message

LANGUAGES: tuple[Language, ...] = ("fa", "en")
_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_TEXTS: Final[dict[Language, dict[str, str]]] = {
    "fa": {
        "facts": "شناسنامه",
        "columns": "ستون‌ها",
        "codes": "کدها",
        "rules": "قاعده‌ها",
        "common": "قاعده‌های همه جدول‌ها",
        "key": "کلید",
        "standard": "استاندارد",
        "mandatory": "برای هر شهر",
        "per": "هر مجموعه‌داده برای",
        "cadence": "تناوب",
        "age": "بیشترین سن (روز)",
        "aligned": "همسو با",
        "refers": "ارجاع می‌دهد به",
        "letters": "دست‌کم {number} نویسه",
        "digest": "SHA-256",
        "column": "ستون",
        "title": "عنوان",
        "type": "نوع",
        "needed": "لازم",
        "limits": "محدودیت",
        "code": "کد",
        "label": "برچسب",
        "rule": "قاعده",
        "severity": "درجه",
        "says": "اگر برقرار نباشد می‌گوید",
        "yes": "بله",
        "no": "نه",
        "error": "خطا",
        "warning": "هشدار",
        "info": "یادداشت",
        "waivable": "خطا؛ با دلیلی که منتشر می‌شود می‌توان از آن گذشت",
        "empty": "خالی یعنی",
        "list": "فهرست",
        "city": "شهر",
        "city-year": "شهر و سال مالی",
        "family": "خانواده",
        "source": "منبع",
        "license": "مجوز",
        "version": "نسخه",
        "entries": "شمار",
        "index": "استانداردهای داده",
        "lists": "فهرست‌های کد",
        "other": "English",
        "intro": (
            "هر خانواده یک جدول است با ستون‌ها، کدها و قاعده‌های خود. سه خانواده برای"
            " هر شهر لازم است. متن فارسی مبنا است."
        ),
    },
    "en": {
        "facts": "Facts",
        "columns": "Columns",
        "codes": "Codes",
        "rules": "Rules",
        "common": "Rules of every table",
        "key": "Key",
        "standard": "Standard",
        "mandatory": "Mandatory for every city",
        "per": "One dataset for each",
        "cadence": "Cadence",
        "age": "Greatest age (days)",
        "aligned": "Aligned with",
        "refers": "Refers to",
        "letters": "at least {number} characters",
        "digest": "SHA-256",
        "column": "Column",
        "title": "Title",
        "type": "Type",
        "needed": "Needed",
        "limits": "Limits",
        "code": "Code",
        "label": "Label",
        "rule": "Rule",
        "severity": "Severity",
        "says": "What it says when it does not hold",
        "yes": "yes",
        "no": "no",
        "error": "error",
        "warning": "warning",
        "info": "note",
        "waivable": "error, may be waived with a published reason",
        "empty": "empty means",
        "list": "list",
        "city": "city",
        "city-year": "city and fiscal year",
        "family": "Family",
        "source": "Source",
        "license": "Licence",
        "version": "Version",
        "entries": "Entries",
        "index": "Dataset standards",
        "lists": "Code lists",
        "other": "فارسی",
        "intro": (
            "Each family is one table with its columns, codes and rules. Three families"
            " are mandatory for every city. The Persian text is the one that binds."
        ),
    },
}
CADENCES: dict[str, str] = {
    "half-yearly": "شش‌ماهه",
    "quarterly": "فصلی",
    "monthly": "ماهانه",
    "yearly": "سالانه",
    "per-event": "هر رویداد",
    "on-demand": "هنگام نیاز",
}
_TYPES: dict[Language, dict[str, str]] = {
    "fa": {
        "string": "متن",
        "integer": "عدد صحیح",
        "number": "عدد",
        "boolean": "بله یا خیر",
        "date": "تاریخ",
        "money": "ریال، عدد صحیح",
        "percent": "درصد",
        "code": "کد",
        "uri": "نشانی وب",
    },
    "en": {
        "string": "text",
        "integer": "integer",
        "number": "number",
        "boolean": "boolean",
        "date": "date",
        "money": "whole rial",
        "percent": "percent",
        "code": "code",
        "uri": "web address",
    },
}


def page(standard: Standard, language: Language) -> str:
    """Return the page of one version of a standard."""
    text = _TEXTS[language]
    other: Language = "en" if language == "fa" else "fa"
    lines = [
        f"# {standard.title(language)}",
        "",
        standard.description(language),
        "",
        f"[{text['other']}](../{other}/{standard.family}.md)"
        f" · [{text['index']}](index.md)",
        "",
        f"## {text['facts']}",
        "",
        *_table(["", ""], _facts(standard, language)),
        f"## {text['columns']}",
        "",
        *_table(
            [
                text["column"],
                text["title"],
                text["type"],
                text["needed"],
                text["limits"],
            ],
            (_column(field, language) for field in standard.fields),
        ),
    ]
    coded = [field for field in standard.fields if field.categories]
    if coded:
        lines += [f"## {text['codes']}", ""]
    for field in coded:
        lines += [f"### `{field.name}`: {field.title(language)}", ""]
        lines += _table(
            [text["code"], text["label"]],
            ([f"`{c.value}`", c.label(language)] for c in field.categories),
        )
    lines += [f"## {text['rules']}", "", *_rules(standard.rules, language)]
    lines += [f"[{text['common']}](index.md#common)", ""]
    return _directed(lines, language)


def heading(name: str, language: Language) -> str:
    """Return one of the words of the pages, such as the heading `rules`."""
    return _TEXTS[language][name]


def index(language: Language) -> str:
    """Return the page that leads to the standards, with the rules of every table."""
    text = _TEXTS[language]
    other: Language = "en" if language == "fa" else "fa"
    rows = [
        [
            f"[{standard.title(language)}]({standard.family}.md)",
            f"`{standard.id}`",
            text["yes"] if standard.mandatory else text["no"],
            _cadence(standard, language),
        ]
        for standard in map(load, families())
    ]
    headers = [text["family"], text["standard"], text["mandatory"], text["cadence"]]
    return _directed(
        [
            f"# {text['index']}",
            "",
            text["intro"],
            "",
            f"[{text['other']}](../{other}/index.md) · [{text['lists']}](codelists.md)",
            "",
            *_table(headers, rows),
            '<a id="common"></a>',
            "",
            f"## {text['common']}",
            "",
            *_rules(common_rules(), language),
        ],
        language,
    )


def lists_page(language: Language) -> str:
    """Return the page of the code lists: what each holds, its source and licence."""
    text = _TEXTS[language]
    other: Language = "en" if language == "fa" else "fa"
    rows = []
    for name in lists():
        found = code_list(name)
        if not (FOLDER.parent / "codelists" / f"{name}.csv").exists():
            continue
        resource = sidecar(name)
        rows.append(
            [
                f"`{name}`",
                found.title_fa if language == "fa" else found.title_en,
                _number(len(found.rows), language),
                "; ".join(source["title"] for source in resource["sources"]),
                ", ".join(item["name"] for item in resource["licenses"]),
            ]
        )
    headers = [
        text["list"], text["title"], text["entries"], text["source"], text["license"],
    ]  # fmt: skip
    return _directed(
        [
            f"# {text['lists']}",
            "",
            f"[{text['other']}](../{other}/codelists.md) · [{text['index']}](index.md)",
            "",
            *_table(headers, rows),
        ],
        language,
    )


def pages() -> dict[str, str]:
    """Return every page by its path under `docs/standards/`."""
    found = {}
    for language in LANGUAGES:
        found[f"{language}/index.md"] = index(language)
        found[f"{language}/codelists.md"] = lists_page(language)
        for family in families():
            found[f"{language}/{family}.md"] = page(load(family), language)
    return found


def write(folder: Path) -> None:
    """Write all pages, and take away what is no page any more."""
    wanted = pages()
    for path in folder.rglob("*.md"):
        if str(path.relative_to(folder)) not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def _directed(lines: Sequence[str], language: Language) -> str:
    text = "\n".join(lines)
    # Markdown has no direction; without it a Persian table starts at the left.
    return f'<div dir="rtl">\n\n{text}\n</div>\n' if language == "fa" else text


def _facts(standard: Standard, language: Language) -> Iterator[Sequence[str]]:
    text = _TEXTS[language]
    yield text["standard"], f"`{standard.id}`"
    yield text["mandatory"], text["yes"] if standard.mandatory else text["no"]
    yield text["per"], text[standard.dataset_per]
    yield text["cadence"], _cadence(standard, language)
    if standard.max_age_days:
        yield text["age"], _number(standard.max_age_days, language)
    yield text["key"], ", ".join(f"`{name}`" for name in standard.primary_key)
    references = _references(standard)
    if references:
        yield text["refers"], ", ".join(references)
    yield text["aligned"], standard.aligned_with
    yield text["digest"], f"`{standard.digest}`"


def _references(standard: Standard) -> list[str]:
    """Return what columns refer to, as the rules of references have it."""
    found = []
    for rule in standard.rules:
        if rule.name == "reference-exists":
            column, family = rule.params["column"], rule.params["family"]
            found.append(
                f"`{column}` → [{family}]({family}.md)`.{rule.params['column2']}`"
            )
    return found


def _cadence(standard: Standard, language: Language) -> str:
    return CADENCES[standard.cadence] if language == "fa" else standard.cadence


def _column(field: Field, language: Language) -> Sequence[str]:
    text, shown = _TEXTS[language], field.type
    if field.kind in {"money", "code"}:
        shown = str(field.kind)
    elif field.categories:
        shown = "code"
    elif field.format == "uri":
        shown = "uri"
    elif field.unit == "percent":
        shown = "percent"
    needed = text["yes"] if field.required else ""
    if field.import_default is not None:
        needed += f" ({text['empty']} `{field.import_default}`)"
    return (
        f"`{field.name}`",
        field.title(language),
        _TYPES[language][shown],
        needed.strip(),
        _limits(field, language),
    )


def _limits(field: Field, language: Language) -> str:
    text, parts = _TEXTS[language], []
    if field.code_list is not None:
        parts.append(f"{text['list']} `{field.code_list}`")
    low, high = field.constraints.get("minimum"), field.constraints.get("maximum")
    if field.type == "date":
        low = None
    if low is not None and high is not None:
        parts.append(f"{_number(low, language)}–{_number(high, language)}")
    elif low is not None:
        parts.append(f"≥ {_number(low, language)}")
    if "minLength" in field.constraints:
        letters = _number(field.constraints["minLength"], language)
        parts.append(text["letters"].format(number=letters))
    if "pattern" in field.constraints:
        parts.append(f"`{field.constraints['pattern']}`")
    return ", ".join(parts)


def _rules(rules: Iterable[Rule], language: Language) -> list[str]:
    text = _TEXTS[language]
    return _table(
        [text["rule"], text["severity"], text["says"]],
        (
            (
                f"**{rule.id}** `{rule.name}`",
                text["waivable"] if rule.waivable else text[rule.severity],
                plain_message(rule.message(language)),
            )
            for rule in rules
        ),
    )


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [_row(headers), _row(["---"] * len(headers))]
    lines += [_row(row) for row in rows]
    return [*lines, ""]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _number(value: float, language: Language) -> str:
    return str(value).translate(_DIGITS) if language == "fa" else str(value)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
