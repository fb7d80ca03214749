"""A forum under test: its log, its approvers, and notes that they approved."""

from collections.abc import Mapping, Sequence
from typing import Any

from shahrdad.federation import approved_note
from shahrdad.federation.membership import Trust
from shahrdad.federation.verify.note import Kind, Signer
from simulator import SimLog, seed

FORUM = "forum.example.ir/members"
APPROVERS = ("rasht", "qom", "tehran")


def approver(city: str) -> Signer:
    """Return the approver's key of a city."""
    name = f"{city}.example.ir/approver"
    return Signer.from_seed(name, seed(name), Kind.LOG)


def witness(city: str) -> Signer:
    """Return the witness key of a city."""
    name = f"{city}.example.ir/witness"
    return Signer.from_seed(name, seed(name), Kind.WITNESS)


def log_signer(origin: str, key_name: str = "") -> Signer:
    """Return the key that a simulated log signs with."""
    return Signer.from_seed(origin, seed(key_name or origin), Kind.LOG)


def origin_of(city: str) -> str:
    """Return the origin of a city's log."""
    return f"{city}.example.ir/catalog"


def key_span(
    signer: Signer, from_size: int = 0, until_size: int | None = None
) -> dict[str, Any]:
    """Return a key with the sizes that it signs."""
    return {"vkey": signer.vkey, "from_size": from_size, "until_size": until_size}


def city_log(city: str, **changes: Any) -> dict[str, Any]:
    """Return the record of a city's one log."""
    origin = origin_of(city)
    return {
        "origin": origin,
        "state": "open",
        "frozen_size": None,
        "keys": [key_span(log_signer(origin))],
        **changes,
    }


def city_record(city: str, **changes: Any) -> dict[str, Any]:
    """Return the fields of a city's record."""
    return {
        "city": city,
        "name": {"fa": city, "en": city.title()},
        "status": "active",
        "logs": [city_log(city)],
        **changes,
    }


def rules_record(**changes: Any) -> dict[str, Any]:
    """Return the fields of the rules: 2 of 3 approve, 2 of 3 witness."""
    since = "2026-01-01T00:00:00Z"
    return {
        "approvers": [approver(city).vkey for city in APPROVERS],
        "threshold": 2,
        "forum_keys": [key_span(log_signer(FORUM))],
        "witnesses": [
            {"city": city, "vkey": witness(city).vkey, "since": since, "until": None}
            for city in ("shiraz", "mashhad", "rasht")
        ],
        "quorum": 2,
        "stale_after_hours": 48,
        **changes,
    }


class Forum:
    """The forum's log, and what its secretariat publishes in it."""

    def __init__(self) -> None:
        self.log = SimLog(FORUM)
        self.trust = Trust(
            FORUM,
            self.log.signer.vkey,
            tuple(approver(city).vkey for city in APPROVERS),
            2,
        )
        self.serials: dict[str, int] = {}

    def note(
        self,
        key: str,
        fields: Mapping[str, Any],
        by: Sequence[str] = ("rasht", "qom"),
        serial: int | None = None,
    ) -> bytes:
        """Return a note under a key, approved by these cities."""
        number = self.serials.get(key, 0) + 1 if serial is None else serial
        content = approved_note.draft(FORUM, key, number, fields).encode()
        for city in by:
            content = approved_note.approve(content, approver(city))
        return content

    def publish(
        self,
        key: str,
        fields: Mapping[str, Any],
        by: Sequence[str] = ("rasht", "qom"),
        serial: int | None = None,
    ) -> bytes:
        """Put an approved note into the log, and return it."""
        note = self.note(key, fields, by, serial)
        self.log.put(key, note)
        if len(by) >= 2 and serial is None:
            self.serials[key] = self.serials.get(key, 0) + 1
        return note

    def admit(self, *cities: str) -> None:
        """Publish rules, and the record of each city."""
        self.publish("rules", rules_record())
        for city in cities:
            self.publish(f"city/{city}", city_record(city))
