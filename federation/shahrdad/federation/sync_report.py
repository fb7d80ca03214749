"""What a round of synchronisation did, for a person and for a program.

new         keys that were not live before
changed     keys with a newer version
withdrawn   keys that are live no more
stale       heads whose newest cosignature is too old, or that nobody cosigned
missing     logs that are followed and were never seen, or bodies that nobody had
refused     what peers and cities did wrong, by peer, log, index and reason
"""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from shahrdad.datasets.errors import Language
from shahrdad.datasets.jalali import format_long

KEYS_LISTED_MAX = 1_000  # of one log, new, changed and withdrawn each


@dataclass(slots=True)
class LogReport:
    """What changed in one log: how many keys, and the first of them in byte order."""

    origin: str
    city: str = ""
    size_before: int = 0
    size: int = 0
    status: str = "active"
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    new_keys: int = 0
    changed_keys: int = 0
    withdrawn_keys: int = 0
    redacted: int = 0
    not_applied: int = 0  # entries that this version must not apply
    wrong_prevs: int = 0  # entries that misname the one of their key before them
    missing_bodies: int = 0
    stale: bool = False

    @property
    def held(self) -> bool:
        """Whether any head of it is held."""
        return self.size > 0

    @property
    def entries(self) -> int:
        """How many entries are new."""
        return self.size - self.size_before


@dataclass(slots=True)
class PeerReport:
    """How one peer answered."""

    name: str
    answered: bool = False
    skipped_until: str = ""  # in backoff; RFC 3339
    heads: int = 0
    entries: int = 0
    bodies: int = 0
    error: str = ""  # reason of the failure that ended its turn
    error_fa: str = ""
    error_en: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One line of the ledger."""

    peer: str
    origin: str
    index: int | None
    reason: str
    detail_fa: str
    detail_en: str


@dataclass(slots=True)
class SyncReport:
    """One round.

    `own_ahead` is the largest size that peers show of our own log above ours: this
    node was restored from a backup and must recover before it signs.
    """

    started: str
    finished: str = ""
    peers: list[PeerReport] = field(default_factory=list)
    logs: list[LogReport] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)  # in this round
    own_ahead: int = 0

    @property
    def entries(self) -> int:
        """How many entries are new, of all logs."""
        return sum(log.entries for log in self.logs)

    @property
    def answered(self) -> int:
        """How many peers answered."""
        return sum(peer.answered for peer in self.peers)

    @property
    def ok(self) -> bool:
        """Whether every peer that was asked answered, and nothing was refused."""
        asked = [peer for peer in self.peers if not peer.skipped_until]
        return not self.refused and all(peer.answered for peer in asked)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        found = asdict(self)
        found["entries"] = self.entries
        found["ok"] = self.ok
        return found

    def text(self, language: Language) -> str:
        """Return the report for a person: what happened, with whom, what to do."""
        say = SENTENCES[language]
        lines = [say["title"].format(started=moment(self.started, language))]
        lines.append(
            say["peers"].format(
                answered=self.answered, peers=len(self.peers), entries=self.entries
            )
        )
        lines += self._peer_lines(language)
        for log in self.logs:
            lines.extend(_log_lines(log, language))
        if self.own_ahead:
            lines.append(say["own_ahead"].format(size=self.own_ahead))
        lines.extend(
            say["quarantined"].format(origin=origin) for origin in self.quarantined
        )
        lines.extend(
            say["refused"].format(
                peer=refusal.peer,
                origin=refusal.origin,
                reason=refusal.reason,
                detail=refusal.detail_fa if language == "fa" else refusal.detail_en,
            )
            for refusal in self.refused
            if refusal.origin  # else it ended a peer's turn, and is in its line
        )
        if self.ok and not self.entries and not self.own_ahead:
            lines.append(say["nothing"])
        lines += self._advice(language)
        return "\n".join(lines) + "\n"

    def _silent(self) -> list[PeerReport]:
        """Return the peers that did not answer; not those that were refused."""
        refused = {(one.peer, one.reason) for one in self.refused if one.origin}
        return [
            peer
            for peer in self.peers
            if not peer.answered
            and not peer.skipped_until
            and (peer.name, peer.error) not in refused
        ]

    def _peer_lines(self, language: Language) -> list[str]:
        """Return a line for each peer that was not asked, or did not answer."""
        say = SENTENCES[language]
        silent_peers = self._silent()
        lines = []
        for peer in self.peers:
            if peer.skipped_until:
                at = moment(peer.skipped_until, language)
                lines.append(say["skipped"].format(name=peer.name, at=at))
            elif peer in silent_peers:
                why = peer.error_fa if language == "fa" else peer.error_en
                silent = say["silent"].format(name=peer.name, error=peer.error)
                lines.append(f"{silent} {why}".rstrip())
        return lines

    def _advice(self, language: Language) -> list[str]:
        """Return what a person can do about it, each advice once."""
        say = ADVICE[language]
        lines = []
        if self._silent():
            lines.append(say["silent"])
        if any(refusal.origin for refusal in self.refused):
            lines.append(say["refused"])
        if any(log.stale for log in self.logs):
            lines.append(say["stale"])
        lines += [
            say[log.status].format(origin=log.origin)
            for log in self.logs
            if log.status in say
        ]
        return lines


def moment(text: str, language: Language) -> str:
    """Return an RFC 3339 time as a Jalali day and an hour in Tehran."""
    local = datetime.fromisoformat(text).astimezone(ZoneInfo("Asia/Tehran"))
    return f"{format_long(local.date(), language)} {local:%H:%M}"


def _log_lines(log: LogReport, language: Language) -> list[str]:
    """Return the lines about one log; none when nothing is to be said."""
    say = SENTENCES[language]
    facts = []
    for name, count in (
        ("new", log.new_keys),
        ("changed", log.changed_keys),
        ("withdrawn", log.withdrawn_keys),
    ):
        if count:
            facts.append(say[name].format(count=count))
    if log.redacted:
        facts.append(say["redacted"].format(count=log.redacted))
    if log.not_applied:
        facts.append(say["not_applied"].format(count=log.not_applied))
    if log.wrong_prevs:
        facts.append(say["wrong_prevs"].format(count=log.wrong_prevs))
    if log.missing_bodies:
        facts.append(say["missing_bodies"].format(count=log.missing_bodies))
    if log.stale:
        facts.append(say["stale"])
    if not log.held:
        facts.append(say["never_seen"])
    if log.status != "active":
        facts.append(say["status"].format(status=STATUSES[language][log.status]))
    if not facts:
        return []
    name = f"{log.city} ({log.origin})" if log.city else log.origin
    comma = "، " if language == "fa" else ", "
    lines = [f"  {name}: {comma.join(facts)}"]
    for sign, keys in (("+", log.new), ("~", log.changed), ("-", log.withdrawn)):
        lines.extend(f"    {sign} {key}" for key in keys)
    return lines


STATUSES: dict[Language, dict[str, str]] = {
    "fa": {
        "active": "فعال",
        "frozen": "منجمد",
        "paused": "متوقف",
        "quarantined": "قرنطینه",
        "closed": "بسته",
    },
    "en": {
        "active": "active",
        "frozen": "frozen",
        "paused": "paused",
        "quarantined": "quarantined",
        "closed": "closed",
    },
}

SENTENCES: dict[Language, dict[str, str]] = {
    "fa": {
        "title": "گزارش همگام‌سازی، {started}",
        "peers": "از {peers} همتا {answered} تا پاسخ داد؛ {entries} درایهٔ تازه.",
        "skipped": "  {name}: تا {at} از آن پرسیده نمی‌شود.",
        "silent": "  {name}: پاسخ نداد ({error}).",
        "new": "{count} تازه",
        "changed": "{count} تغییریافته",
        "withdrawn": "{count} پس‌گرفته",
        "redacted": "{count} محوشده",
        "not_applied": "{count} درایهٔ ناشناخته",
        "wrong_prevs": "{count} درایه با prev نادرست",
        "missing_bodies": "{count} شناسنامه هنوز نرسیده",
        "stale": "تأیید گواهان کهنه است",
        "never_seen": "هنوز دیده نشده",
        "status": "وضعیت: {status}",
        "own_ahead": (
            "همتایان دفتر این گره را تا اندازهٔ {size} نشان می‌دهند که بزرگ‌تر از ماست: "
            "پیش از امضای تازه باید بازیابی شود."
        ),
        "quarantined": "  {origin}: دو تاریخ امضا کرده است؛ قرنطینه شد.",
        "refused": "  رد شد: {peer}، {origin}، {reason}: {detail}",
        "nothing": "چیزی تغییر نکرده است.",
    },
    "en": {
        "title": "Synchronisation report, {started}",
        "peers": "{answered} of {peers} peers answered; {entries} new entries.",
        "skipped": "  {name}: is not asked until {at}.",
        "silent": "  {name}: did not answer ({error}).",
        "new": "{count} new",
        "changed": "{count} changed",
        "withdrawn": "{count} withdrawn",
        "redacted": "{count} redacted",
        "not_applied": "{count} entries not understood",
        "wrong_prevs": "{count} entries with a wrong prev",
        "missing_bodies": "{count} records not arrived yet",
        "stale": "its cosignatures are stale",
        "never_seen": "never seen yet",
        "status": "status: {status}",
        "own_ahead": (
            "Peers show this node's own log up to size {size}, above ours: it must "
            "recover before it signs again."
        ),
        "quarantined": "  {origin}: signed two histories; it is quarantined.",
        "refused": "  refused: {peer}, {origin}, {reason}: {detail}",
        "nothing": "Nothing changed.",
    },
}

ADVICE: dict[Language, dict[str, str]] = {
    "fa": {
        "silent": (
            "از همتایی که پاسخ نداد خودبه‌خود باز پرسیده می‌شود، هر بار دیرتر؛"
            " shahrdad peers می‌گوید کی. اگر خاموش ماند از شهرش بپرسید: گره روشن است؟"
            " نشانی درست است؟"
        ),
        "refused": (
            "از آنچه رد شد چیزی ذخیره نشده و بقیهٔ کار انجام شده است. اگر تکرار شد، به"
            " شهر همان همتا خبر دهید."
        ),
        "stale": "کهنه: از شهر آن دفتر و از گواهان بپرسید که گره‌شان روشن است یا نه.",
        "quarantined": ("مدرک را به مجمع نشان دهید: shahrdad evidence export {origin}"),
        "paused": ("{origin} نگه داشته شده است؛ پس از بررسی: shahrdad resume {origin}"),
    },
    "en": {
        "silent": (
            "A peer that did not answer is asked again by itself, later each time;"
            " shahrdad peers says when. If it stays silent, ask its city: is the node"
            " up? is its address right?"
        ),
        "refused": (
            "Nothing that was refused is stored, and all else went on. If it happens"
            " again, tell the city of that peer."
        ),
        "stale": "Stale: ask that log's city, and the witnesses, if their nodes run.",
        "quarantined": "Show the forum the proof: shahrdad evidence export {origin}",
        "paused": "{origin} is held; after a look: shahrdad resume {origin}",
    },
}
