"""The report as one self-contained page: no script, no style attribute, no link.

Findings are grouped by code, then by column; the first `SHOWN_MAX` of each group are
shown, with the count of the rest. The style stands in one `style` element whose hash
`STYLE_SHA256` a strict Content-Security-Policy can allow.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from shahrdad.validators.bulk import Issue
from shahrdad.validators.codes import Language
from shahrdad.validators.explain import digits
from shahrdad.validators.report import Outcome, Report

SHOWN_MAX = 200

_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.7 Vazirmatn,"Noto Sans Arabic",Tahoma,system-ui,sans-serif;margin:0
auto; max-inline-size:60rem;padding:1.5rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-block-start:2rem}
.valid{border-inline-start:.4rem solid #1a7f37;padding-inline-start:1rem}
.invalid{border-inline-start:.4rem solid #b3261e;padding-inline-start:1rem}
table{border-collapse:collapse;inline-size:100%}
th,td{text-align:start;vertical-align:top;padding:.35rem .6rem;border-block-end:1px
solid #8884} .error{color:#b3261e}.warning{color:#8a5a00}.info{color:#1f5fa8} @media
(prefers-color-scheme:dark){.error{color:#ff8a80}.warning{color:#ffc860}.info{color:#8ab4f8}}
code{direction:ltr;unicode-bidi:isolate} summary{cursor:pointer;padding-block:.3rem}
small{opacity:.75}
"""
STYLE_SHA256 = (
    "sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
)

_WORDS = {
    "fa": {
        "title": "گزارش اعتبارسنجی",
        "valid": "معتبر است",
        "invalid": "معتبر نیست",
        "rows": "ردیف",
        "errors": "خطا",
        "warnings": "هشدار",
        "findings": "یافته‌ها",
        "none": "چیزی یافت نشد.",
        "rest": "و {count} مورد دیگر",
        "table": "همه جدول",
        "place": "خانه",
        "message": "پیام",
        "fix": "راه اصلاح",
        "rules": "قاعده‌ها",
        "rule": "قاعده",
        "outcome": "نتیجه",
        "count": "شمار",
        "why": "چرا",
        "passed": "برقرار",
        "violated": "نقض‌شده",
        "skipped": "بررسی‌نشده",
        "not-run": "اجرا‌نشده",
        "waived": "چشم‌پوشی",
        "changes": "یکدست‌سازی",
        "column": "ستون",
        "step": "گام",
        "changed": "تغییر",
        "source": "پرونده",
        "schema": "طرح‌واره",
    },
    "en": {
        "title": "Validation report",
        "valid": "is valid",
        "invalid": "is not valid",
        "rows": "rows",
        "errors": "errors",
        "warnings": "warnings",
        "findings": "Findings",
        "none": "Nothing was found.",
        "rest": "and {count} more",
        "table": "the whole table",
        "place": "Cell",
        "message": "Message",
        "fix": "To mend",
        "rules": "Rules",
        "rule": "Rule",
        "outcome": "Outcome",
        "count": "Count",
        "why": "Why",
        "passed": "passed",
        "violated": "violated",
        "skipped": "skipped",
        "not-run": "not run",
        "waived": "waived",
        "changes": "Normalisation",
        "column": "Column",
        "step": "Step",
        "changed": "Changed",
        "source": "File",
        "schema": "Schema",
    },
}


def render_html(report: Report, language: Language) -> str:
    """Return the page."""
    words = _WORDS[language]
    direction = "rtl" if language == "fa" else "ltr"
    name = str(report.source.get("name") or report.name)
    parts = [
        "<!doctype html>",
        f'<html lang="{language}" dir="{direction}">',
        '<head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(words['title'])}: {escape(name)}</title>",
        f"<style>{_STYLE}</style></head>",
        f"<body><h1>{escape(words['title'])}</h1>",
        *_verdict(report, name, language),
        f"<h2>{words['findings']}</h2>",
        *_findings(report, language),
        *_rules(report.rules, language),
        *_changes(report, language),
        "</body></html>",
    ]
    return "\n".join(parts)


def _number(value: int, language: Language) -> str:
    return digits(f"{value:,}", language)


def _verdict(report: Report, name: str, language: Language) -> Iterable[str]:
    words = _WORDS[language]
    kind = "valid" if report.valid else "invalid"
    counts = (
        (report.rows, "rows"),
        (report.error_count, "errors"),
        (report.warning_count, "warnings"),
    )
    comma = "، " if language == "fa" else ", "
    told = comma.join(
        f"{_number(count, language)} {words[key]}" for count, key in counts
    )
    yield f'<div class="{kind}"><p><strong>'
    yield f"<bdi>{escape(name)}</bdi> {words[kind]}</strong></p>"
    yield f"<p>{told}</p>"
    schema = (
        f"{report.schema.get('name', '')} {report.schema.get('version') or ''}".strip()
    )
    yield f"<p><small>{words['schema']}: <bdi>{escape(schema)}</bdi>"
    if report.sha256:
        yield f"<br>SHA-256: <code>{report.sha256}</code>"
    yield "</small></p></div>"


def _findings(report: Report, language: Language) -> Iterable[str]:
    words = _WORDS[language]
    groups: dict[str, dict[str, list[Issue]]] = {}
    for issue in report.issues:
        column = report.explainer.column_title(issue, language) or words["table"]
        groups.setdefault(issue.code, {}).setdefault(column, []).append(issue)
    if not groups:
        yield f"<p>{words['none']}</p>"
    for code, columns in groups.items():
        severity = next(iter(columns.values()))[0].severity
        total = report.findings.by_code[code]
        yield "<details open><summary>"
        yield f'<strong class="{severity}"><code>{escape(code)}</code></strong>'
        yield _number(total, language)
        yield "</summary>"
        for column, issues in columns.items():
            yield f"<h3>{escape(column)}</h3>"
            yield from _issue_table(report, issues, language)
        yield "</details>"


def _issue_table(
    report: Report, issues: Sequence[Issue], language: Language
) -> Iterable[str]:
    words, explain = _WORDS[language], report.explainer
    yield f"<table><thead><tr><th>{words['place']}</th><th>{words['message']}</th>"
    yield f"<th>{words['fix']}</th></tr></thead><tbody>"
    for issue in issues[:SHOWN_MAX]:
        address = escape(explain.address(issue) or "")
        message = escape(explain.message(issue, language))
        fix = escape(explain.fix(issue, language))
        yield f"<tr><td><bdi>{address}</bdi></td><td>{message}</td><td>{fix}</td></tr>"
    yield "</tbody></table>"
    if len(issues) > SHOWN_MAX:
        rest = _number(len(issues) - SHOWN_MAX, language)
        yield f"<p>{words['rest'].format(count=rest)}</p>"


def _rules(rules: Sequence[Outcome], language: Language) -> Iterable[str]:
    if not rules:
        return
    words = _WORDS[language]
    yield f"<h2>{words['rules']}</h2><table><thead><tr>"
    yield "".join(
        f"<th>{words[key]}</th>" for key in ("rule", "outcome", "count", "why")
    )
    yield "</tr></thead><tbody>"
    for rule in rules:
        shade = rule.severity if rule.outcome == "violated" else "info"
        why = f"{words['waived']}: {rule.waived}" if rule.waived else rule.why or ""
        count = _number(rule.count, language) if rule.count else ""
        cells = (
            f"<code>{escape(rule.id)}</code> <small>{escape(rule.name)}</small>",
            f'<span class="{shade}">{words[rule.outcome]}</span>',
            count,
            escape(why),
        )
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    yield "</tbody></table>"


def _changes(report: Report, language: Language) -> Iterable[str]:
    entries: Sequence[Any] = report.normalisation
    if not entries:
        return
    words = _WORDS[language]
    yield f"<h2>{words['changes']}</h2><table><thead><tr>"
    yield "".join(f"<th>{words[key]}</th>" for key in ("column", "step", "changed"))
    yield "<th></th></tr></thead><tbody>"
    for entry in entries:
        samples = ", ".join(
            f"<bdi>{escape(s['before'])}</bdi> → <bdi>{escape(s['after'])}</bdi>"
            for s in entry["samples"][:3]
        )
        cells = (
            escape(entry["column"]),
            f"<code>{escape(entry['step'])}</code>",
            _number(entry["changed"], language),
            samples,
        )
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    yield "</tbody></table>"


__all__ = ["SHOWN_MAX", "STYLE_SHA256", "render_html"]
