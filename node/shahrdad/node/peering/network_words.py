"""What is known of peers and logs, as lines that a person reads in either language.

>>> from shahrdad.node.peering.network_words import peer_lines
>>> status = {"peers": [], "logs": [], "quorum": 0}
>>> peer_lines(status, "en")
['No peer is configured.', 'No log is held here yet.']
"""

from collections.abc import Mapping
from typing import Any

from shahrdad.datasets.errors import Language
from shahrdad.federation import sync_report
from shahrdad.federation.sync_report import STATUSES

WORDS: Mapping[Language, Mapping[str, str]] = {
    "fa": {
        "no_peers": "هیچ همتایی تنظیم نشده است.",
        "no_logs": "هنوز دفتری اینجا نگه داشته نمی‌شود.",
        "peers": "همتاها:",
        "ok": "  {name} ({address}): آخرین پاسخ {time}",
        "new": "  {name} ({address}): هنوز از آن پرسیده نشده است",
        "failing": (
            "  {name} ({address}): {failures} بار پیاپی پاسخ نداد؛ آخرین پاسخ {time}؛"
            " نوبت بعدی {next}"
        ),
        "error": "    {detail}",
        "never": "هیچ‌گاه",
        "logs": "دفترها:",
        "log": "  {name}: {size} درایه، {facts}",
        "own": "دفتر همین شهر",
        "signed": "امضاشده، هنوز بی تأیید گواهان",
        "confirmed": "تأییدشده ({count} گواه)",
        "stale": "کهنه: آخرین تأیید گواهان {time}",
        "quarantined": (
            "قرنطینه: دو تاریخ امضا کرده است؛ مدرک: shahrdad evidence export {origin}"
        ),
        "missing": "{count} شناسنامه هنوز نرسیده",
        "paused": "نگه داشته شده؛ پس از بررسی: shahrdad resume {origin}",
    },
    "en": {
        "no_peers": "No peer is configured.",
        "no_logs": "No log is held here yet.",
        "peers": "Peers:",
        "ok": "  {name} ({address}): answered last on {time}",
        "new": "  {name} ({address}): was not asked yet",
        "failing": (
            "  {name} ({address}): did not answer {failures} times in a row; last on"
            " {time}; asked again {next}"
        ),
        "error": "    {detail}",
        "never": "never",
        "logs": "Logs:",
        "log": "  {name}: {size} entries, {facts}",
        "own": "this city's own",
        "signed": "signed, no quorum of witnesses yet",
        "confirmed": "confirmed ({count} witnesses)",
        "stale": "stale: the newest cosignature is of {time}",
        "quarantined": (
            "quarantined: it signed two histories; the proof:"
            " shahrdad evidence export {origin}"
        ),
        "missing": "{count} records not arrived yet",
        "paused": "held for a person; after a look: shahrdad resume {origin}",
    },
}


def peer_lines(status: Mapping[str, Any], language: Language) -> list[str]:
    """Return lines about each peer and each log.

    Args:
        status: As `network.federation_status` returns it.
        language: Of the words; days are Jalali, hours are Tehran's.
    """
    words = WORDS[language]
    lines = [words["peers"] if status["peers"] else words["no_peers"]]
    for peer in status["peers"]:
        lines.append(
            words[peer["state"]].format(
                name=peer["name"],
                address=peer["address"] or peer["static"],
                failures=peer["failures"],
                time=moment(peer["last_contact"], language),
                next=moment(peer["next_try"], language),
            )
        )
        if peer["error"]:
            lines.append(words["error"].format(detail=peer["error"][language]))
    lines.append(words["logs"] if status["logs"] else words["no_logs"])
    for log in status["logs"]:
        name = f"{log['city']} ({log['origin']})" if log["city"] else log["origin"]
        facts = _facts(log, language)
        lines.append(words["log"].format(name=name, size=log["size"], facts=facts))
    return lines


def moment(text: str | None, language: Language) -> str:
    """Return an RFC 3339 time as a Jalali day and an hour in Tehran."""
    if not text:
        return WORDS[language]["never"]
    return sync_report.moment(text, language)


def _facts(log: Mapping[str, Any], language: Language) -> str:
    """Return what a person should know of one log."""
    words = WORDS[language]
    facts = [words["own"]] if log["own"] else []
    facts.append(
        words[log["state"]].format(
            count=log["cosignatures"],
            time=moment(log["newest_cosignature"], language),
            origin=log["origin"],
        )
    )
    if log["status"] == "paused":
        facts.append(words["paused"].format(origin=log["origin"]))
    elif log["status"] not in {"active", "quarantined"}:
        facts.append(STATUSES[language][log["status"]])
    if log["missing_bodies"]:
        facts.append(words["missing"].format(count=log["missing_bodies"]))
    return ("، " if language == "fa" else ", ").join(facts)
