"""What the member log says, read strictly: cities with their logs, and the rules.

A record that breaks a rule here is stored and never applied. Unknown fields are kept
and ignored: a later release may add some.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NoReturn

from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.federation.allowances import (
    FOR_EVER,
    NO_QUOTAS,
    SUPERSEDED_MONTHS,
    USUAL_RETENTION,
    Quotas,
    Retention,
)
from shahrdad.federation.dialler import parse_address
from shahrdad.federation.limits import (
    APPROVERS_MAX,
    GROWTH_BODY_BYTES_DAY_MAX,
    GROWTH_ENTRIES_DAY_MAX,
    LOG_BODY_BYTES_MAX,
    LOG_ENTRIES_MAX,
    MEMBER_ADDRESSES_MAX,
    MEMBER_KEYS_MAX,
    MEMBER_LOGS_MAX,
    NOTE_BYTES_MAX,
    RETENTION_FAMILIES_MAX,
    RETENTION_MONTHS_MAX,
    SIZE_MAX,
    WITNESSES_MAX,
)
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify.note import Kind, Verifier

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
STALE_HOURS = 48


class Standing(StrEnum):
    """What the forum says of a city."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class KeySpan:
    """A key, and the sizes that it signs; None = open."""

    vkey: str
    from_size: int
    until_size: int | None

    @property
    def verifier(self) -> Verifier:
        """The key, to verify with."""
        return Verifier.parse(self.vkey)


@dataclass(frozen=True, slots=True)
class MemberLog:
    """A log of a city; above `frozen_size` no head of it is taken."""

    origin: str
    closed: bool
    frozen_size: int | None
    keys: tuple[KeySpan, ...]


@dataclass(frozen=True, slots=True)
class GrpcAddress:
    """Where a node answers, and the roots its certificate must come from."""

    address: str
    tls_roots: str | None


@dataclass(frozen=True, slots=True)
class Member:
    """A city, as the approvers approved it."""

    city: str
    name_fa: str
    name_en: str
    standing: Standing
    logs: tuple[MemberLog, ...]
    grpc: tuple[GrpcAddress, ...] = ()
    static: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleWitness:
    """A witness that counts, and from when to when (Unix time)."""

    city: str
    vkey: str
    since: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Rules:
    """Who approves, who witnesses, and how many of them it takes."""

    approvers: tuple[str, ...]
    threshold: int
    forum_keys: tuple[KeySpan, ...] = ()
    witnesses: tuple[RuleWitness, ...] = ()
    quorum: int = 0
    stale_hours: int = STALE_HOURS
    quotas: Quotas = NO_QUOTAS
    retention: Retention = USUAL_RETENTION

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        """The approvers' keys."""
        return tuple(map(Verifier.parse, self.approvers))


def read_member(slug: str, fields: Mapping[str, Any]) -> Member:
    """Read the record of a city.

    Raises:
        PeerError: MALFORMED.
    """
    if fields.get("city") != slug or not SLUG.fullmatch(slug):
        _refuse("city", f"expected {slug[:80]}")
    name = _mapping(fields.get("name"), "name")
    status = _text(fields.get("status"), "status")
    if status not in set(Standing):
        _refuse("status", "expected active, suspended or left")
    standing = Standing(status)
    items = _list(fields.get("logs"), "logs", MEMBER_LOGS_MAX)
    logs = tuple(_read_log(_mapping(item, "logs")) for item in items)
    if not logs or len({log.origin for log in logs}) < len(logs):
        _refuse("logs", "expected one or more, each origin once")
    for log in logs:
        stopped = log.closed or standing is not Standing.ACTIVE
        if stopped and log.frozen_size is None:
            _refuse("frozen_size", f"{log.origin} is not open and active")
    addresses = _list(fields.get("grpc", []), "grpc", MEMBER_ADDRESSES_MAX)
    prefixes = _list(fields.get("static", []), "static", MEMBER_ADDRESSES_MAX)
    return Member(
        slug,
        _text(name.get("fa"), "name.fa"),
        _text(name.get("en"), "name.en"),
        standing,
        logs,
        tuple(_read_address(_mapping(item, "grpc")) for item in addresses),
        tuple(_read_prefix(item) for item in prefixes),
    )


def read_rules(forum: str, fields: Mapping[str, Any]) -> Rules:
    """Read the rules.

    Raises:
        PeerError: MALFORMED.
    """
    approvers = tuple(
        _read_vkey(item, Kind.LOG, "approvers").vkey
        for item in _list(fields.get("approvers"), "approvers", APPROVERS_MAX)
    )
    check_distinct(map(Verifier.parse, approvers), "approvers")
    threshold = _integer(fields.get("threshold"), "threshold", len(approvers))
    if threshold < 1:
        _refuse("threshold", "expected at least 1")
    keys = tuple(
        _read_span(_mapping(item, "forum_keys"), forum)
        for item in _list(fields.get("forum_keys"), "forum_keys", MEMBER_KEYS_MAX)
    )
    if all(key.until_size is not None for key in keys):
        _refuse("forum_keys", "expected one that is open")
    witnesses = tuple(
        _read_witness(_mapping(item, "witnesses"))
        for item in _list(fields.get("witnesses"), "witnesses", WITNESSES_MAX)
    )
    check_distinct((Verifier.parse(one.vkey) for one in witnesses), "witnesses")
    cities = len({witness.city for witness in witnesses})
    hours = _integer(
        fields.get("stale_after_hours", STALE_HOURS), "stale_after_hours", 100_000
    )
    return Rules(
        approvers,
        threshold,
        keys,
        witnesses,
        _integer(fields.get("quorum"), "quorum", cities),
        hours,
        _read_quotas(_mapping(fields.get("quotas", {}), "quotas")),
        _read_retention(_mapping(fields.get("retention", {}), "retention")),
    )


def check_distinct(verifiers: Any, field: str) -> None:
    """Refuse keys of which one comes twice, under whatever name.

    Raises:
        PeerError: MALFORMED.
    """
    keys = [verifier.public_key for verifier in verifiers]
    if len(set(keys)) < len(keys):
        _refuse(field, "one key comes twice")


def _read_log(fields: Mapping[str, Any]) -> MemberLog:
    origin = _text(fields.get("origin"), "origin")
    if not checkpoints.valid_origin(origin):
        _refuse("origin", f"{origin[:128]} is not host/path")
    state = fields.get("state")
    if state not in {"open", "closed"}:
        _refuse("state", "expected open or closed")
    frozen = fields.get("frozen_size")
    items = _list(fields.get("keys"), "keys", MEMBER_KEYS_MAX)
    keys = tuple(_read_span(_mapping(item, "keys"), origin) for item in items)
    if not keys:
        _refuse("keys", f"{origin} has none")
    check_distinct((key.verifier for key in keys), "keys")
    return MemberLog(
        origin,
        state == "closed",
        None if frozen is None else _integer(frozen, "frozen_size", SIZE_MAX),
        keys,
    )


def _read_span(fields: Mapping[str, Any], origin: str) -> KeySpan:
    verifier = _read_vkey(fields.get("vkey"), Kind.LOG, "vkey")
    if verifier.name != origin:
        _refuse("vkey", f"{verifier.name[:128]} is not {origin}")
    start = _integer(fields.get("from_size"), "from_size", SIZE_MAX)
    end = fields.get("until_size")
    if end is not None and _integer(end, "until_size", SIZE_MAX) < start:
        _refuse("until_size", "below from_size")
    return KeySpan(verifier.vkey, start, end)


def _read_witness(fields: Mapping[str, Any]) -> RuleWitness:
    verifier = _read_vkey(fields.get("vkey"), Kind.WITNESS, "vkey")
    until = fields.get("until")
    return RuleWitness(
        _text(fields.get("city"), "city"),
        verifier.vkey,
        _seconds(fields.get("since"), "since"),
        None if until is None else _seconds(until, "until"),
    )


def _read_quotas(fields: Mapping[str, Any]) -> Quotas:
    """Read what a log may grow in a day; they only widen what every node allows."""
    found: dict[str, int] = {}
    for name, least, most in (
        ("entries_day", GROWTH_ENTRIES_DAY_MAX, LOG_ENTRIES_MAX),
        ("body_bytes_day", GROWTH_BODY_BYTES_DAY_MAX, LOG_BODY_BYTES_MAX),
    ):
        if fields.get(name) is not None:
            found[name] = _integer(fields[name], f"quotas.{name}", most)
            if found[name] < least:
                _refuse(f"quotas.{name}", f"{found[name]}, expected at least {least}")
    return Quotas(**found)


def _read_retention(fields: Mapping[str, Any]) -> Retention:
    """Read how long superseded bodies stay; it is only lengthened."""
    months = _integer(
        fields.get("superseded_months", SUPERSEDED_MONTHS),
        "retention.superseded_months",
        RETENTION_MONTHS_MAX,
    )
    if months < SUPERSEDED_MONTHS:
        _refuse(
            "retention.superseded_months",
            f"{months}, expected at least {SUPERSEDED_MONTHS}",
        )
    named = _list(
        fields.get("for_ever", []), "retention.for_ever", RETENTION_FAMILIES_MAX
    )
    families = {_text(item, "retention.for_ever") for item in named}
    return Retention(months, FOR_EVER | families)


def _read_address(fields: Mapping[str, Any]) -> GrpcAddress:
    address = _text(fields.get("address"), "address")
    roots = fields.get("tls_roots")
    if roots is not None and len(_text(roots, "tls_roots")) > NOTE_BYTES_MAX:
        _refuse("tls_roots", f"more than {NOTE_BYTES_MAX} characters")
    try:
        parse_address(address)
    except RequestError as error:
        _refuse("address", str(error))
    return GrpcAddress(address, roots)


def _read_prefix(value: object) -> str:
    prefix = _text(value, "static")
    if not prefix.startswith("https://"):
        _refuse("static", "expected https://…")
    return prefix.rstrip("/")


def _read_vkey(value: object, kind: Kind, field: str) -> Verifier:
    try:
        verifier = Verifier.parse(_text(value, field))
    except RequestError as error:
        _refuse(field, str(error))
    if verifier.kind is not kind:
        _refuse(field, "a key of another kind")
    return verifier


def _seconds(value: object, field: str) -> int:
    text = _text(value, field)
    if not TIME.fullmatch(text):
        _refuse(field, "expected YYYY-MM-DDThh:mm:ssZ")
    try:
        return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())
    except ValueError:
        _refuse(field, "no such time")


def _mapping(value: object, field: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        _refuse(field, "expected an object")
    return value


def _list(value: object, field: str, count_max: int) -> Sequence[Any]:
    if not isinstance(value, list) or len(value) > count_max:
        _refuse(field, f"expected a list of at most {count_max}")
    return value


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        _refuse(field, "expected a text")
    return value


def _integer(value: object, field: str, value_max: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        _refuse(field, "expected a number")
    if not 0 <= value <= value_max:
        _refuse(field, f"{value}, expected 0 to {value_max}")
    return value


def _refuse(field: str, detail: str) -> NoReturn:
    raise PeerError(Reason.MALFORMED, field=f"member record: {field}", detail=detail)
