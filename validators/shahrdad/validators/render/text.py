"""The report in a terminal: the verdict, the first findings, what next."""

from shahrdad.validators.codes import Language
from shahrdad.validators.explain import digits
from shahrdad.validators.report import Report

_WORDS = {
    "fa": {
        "valid": "✔ معتبر",
        "invalid": "✘ نامعتبر",
        "rows": "ردیف",
        "errors": "خطا",
        "warnings": "هشدار",
        "more": "و {count} مورد دیگر",
        "rules": "قاعده‌ها",
        "passed": "برقرار",
        "violated": "نقض",
        "skipped": "بررسی‌نشده",
        "not-run": "اجرا‌نشده",
        "fix": "راه اصلاح",
        "next": "کار بعدی: خطاها را در پرونده اصلاح کنید و دوباره بیازمایید.",
        "publish": "کار بعدی: پرونده آماده انتشار است.",
    },
    "en": {
        "valid": "✔ valid",
        "invalid": "✘ not valid",
        "rows": "rows",
        "errors": "errors",
        "warnings": "warnings",
        "more": "and {count} more",
        "rules": "rules",
        "passed": "passed",
        "violated": "violated",
        "skipped": "skipped",
        "not-run": "not run",
        "fix": "to mend",
        "next": "Next: mend the errors in the file and validate again.",
        "publish": "Next: the file can be published.",
    },
}


def render_text(report: Report, language: Language, limit: int) -> str:
    """Return the report as lines of text, at most `limit` findings."""
    words = _WORDS[language]
    comma = "، " if language == "fa" else ", "
    counts = [
        f"{digits(f'{number:,}', language)} {words[name]}"
        for name, number in (
            ("rows", report.rows),
            ("errors", report.error_count),
            ("warnings", report.warning_count),
        )
    ]
    verdict = words["valid"] if report.valid else words["invalid"]
    lines = [f"{verdict}: {comma.join(counts)}", ""]
    listed = report.findings.listed(limit)
    signs = {"error": "✘", "warning": "!", "info": "·"}
    for issue in listed:
        lines.append(f"{signs[issue.severity]} {report.message(issue, language)}")
        lines.append(f"    {words['fix']}: {report.explainer.fix(issue, language)}")
    left = report.findings.by_code.total() - len(listed)
    if left > 0:
        lines.append(words["more"].format(count=digits(f"{left:,}", language)))
    if report.rules:
        tally = {
            name: sum(outcome.outcome == name for outcome in report.rules)
            for name in ("passed", "violated", "skipped", "not-run")
        }
        parts = [
            f"{digits(str(number), language)} {words[name]}"
            for name, number in tally.items()
            if number
        ]
        lines += ["", f"{words['rules']}: {comma.join(parts)}"]
    lines += ["", words["publish"] if report.valid else words["next"]]
    return "\n".join(lines)


__all__ = ["render_text"]
