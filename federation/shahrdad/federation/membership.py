"""The member log, replayed: which cities, keys and rules count now (federation 10).

Pure: entries and bodies in, decisions out. What is not approved, out of turn or
malformed is remembered with its reason and changes nothing. Entries are applied in the
order of the log, from the configured approvers on, so that every node that holds the
same log comes to the same state.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from shahrdad.datasets.errors import PeerError, Reason, RequestError, ShahrdadError
from shahrdad.federation import approved_note, member_records
from shahrdad.federation.approved_note import (
    CITY_PREFIX,
    RULES_KEY,
    ApprovedNote,
    open_approved,
)
from shahrdad.federation.keyring import LogKey, WitnessKey
from shahrdad.federation.member_records import Member, MemberLog, Rules, Standing
from shahrdad.federation.verify.entry import Entry
from shahrdad.federation.verify.note import Kind, Verifier


@dataclass(frozen=True, slots=True)
class Trust:
    """The three things a node is configured with; everything else is learned.

    Attributes:
        forum: Origin of the member log.
        forum_vkey: The key that orders it.
        approvers: The vkeys of the first approvers.
        threshold: How many of them approve.
    """

    forum: str
    forum_vkey: str
    approvers: tuple[str, ...]
    threshold: int

    def check(self) -> None:
        """Refuse a configuration that could never approve anything.

        Raises:
            RequestError: MALFORMED.
        """
        forum = Verifier.parse(self.forum_vkey)
        if forum.name != self.forum or forum.kind is not Kind.LOG:
            raise _wrong("the forum's key is not one of its log")
        verifiers = [Verifier.parse(vkey) for vkey in self.approvers]
        try:
            member_records.check_distinct(verifiers, "approvers")
        except PeerError as error:
            raise _wrong(str(error)) from error
        if not 1 <= self.threshold <= len(verifiers):
            raise _wrong(f"a threshold of {self.threshold} of {len(verifiers)}")


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one entry: `error` is None when it was applied."""

    index: int
    key: str
    serial: int
    error: ShahrdadError | None


class Membership:
    """The state that the member log's entries lead to.

    Args:
        trust: What the replay begins with.

    Raises:
        RequestError: MALFORMED.
    """

    def __init__(self, trust: Trust) -> None:
        trust.check()
        self.trust = trust
        self.rules = Rules(trust.approvers, trust.threshold)
        self.ruled = False  # whether any rules were applied
        self.members: dict[str, Member] = {}
        self.serials: dict[str, int] = {}
        self.judged: list[Judged] = []
        self._origins: dict[str, str] = {}  # origin → city, for ever
        self._log_keys: dict[bytes, str] = {}  # public key → origin, for ever
        self._retired: dict[tuple[str, bytes], int] = {}

    def apply(self, entry: Entry, body: bytes | None) -> Judged | None:
        """Apply the next entry, or remember why it is not applied.

        Args:
            entry: Of the member log, in its order.
            body: What it names; None when it was redacted.

        Returns:
            What became of it; None for entries that say nothing of members.
        """
        key = entry.key or ""
        if key != RULES_KEY and not key.startswith(CITY_PREFIX):
            return None
        serial = 0
        error: ShahrdadError | None = None
        try:
            if entry.op == "delete":
                raise _malformed("leaving is a status, not a delete")
            if body is None:
                raise _malformed("its body was redacted")
            note = self.check(key, body)
            serial = note.serial
            self._take(key, note, _seconds(entry.time))
        except (PeerError, RequestError) as caught:
            error = caught
        judged = Judged(entry.index, key, serial, error)
        self.judged.append(judged)
        return judged

    def next_serial(self, key: str) -> int:
        """Return the serial that the next approval of a key must have."""
        return self.serials.get(key, 0) + 1

    def check(self, key: str, body: bytes) -> ApprovedNote:
        """Check a note as the next entry of its key; nothing changes.

        Raises:
            PeerError: MALFORMED, TOO_LARGE, BAD_SIGNATURE, NOT_APPROVED, SERIAL_WRONG,
                ALREADY_CLAIMED.
        """
        note = open_approved(body, self._known_approvers(body))
        if (note.forum, note.key) != (self.trust.forum, key):
            raise _malformed(f"it is of {note.forum[:128]} {note.key[:80]}")
        if note.serial != self.next_serial(key):
            raise PeerError(
                Reason.SERIAL_WRONG,
                key=key,
                serial=note.serial,
                serial_expected=self.next_serial(key),
            )
        self._check_approved(key, note, self.rules)
        if key == RULES_KEY:
            rules = member_records.read_rules(self.trust.forum, note.fields)
            # Else the old approvers could hand over to keys that nobody holds.
            self._check_approved(key, note, rules)
            self._check_rules(rules)
        else:
            slug = key.removeprefix(CITY_PREFIX)
            self._check_claims(key, member_records.read_member(slug, note.fields))
        return note

    def log_keys(self) -> Iterator[LogKey]:
        """Yield the keys of every log, the member log's among them."""
        forum = self.trust.forum
        if not self.ruled:
            yield LogKey(forum, self.trust.forum_vkey)
        for span in self.rules.forum_keys:
            yield LogKey(forum, span.vkey, span.from_size, span.until_size)
        for member in self.members.values():
            for log in member.logs:
                for span in log.keys:
                    name = (log.origin, span.verifier.public_key)
                    yield LogKey(
                        log.origin,
                        span.vkey,
                        span.from_size,
                        span.until_size,
                        self._retired.get(name, 0),
                    )

    def witness_keys(self) -> Iterator[WitnessKey]:
        """Yield the witnesses of the rules."""
        for one in self.rules.witnesses:
            yield WitnessKey(one.city, one.vkey, one.since, one.until)

    def logs(self) -> Iterator[tuple[Member, MemberLog]]:
        """Yield each city with each of its logs."""
        for member in self.members.values():
            for log in member.logs:
                yield member, log

    def active(self) -> list[Member]:
        """Return the cities that take part now, by slug."""
        found = sorted(self.members.items())
        return [member for _, member in found if member.standing is Standing.ACTIVE]

    def _known_approvers(self, body: bytes) -> Sequence[Verifier]:
        """Return the keys to open a note with: the approvers now, and the coming ones.

        The coming ones are named by the note itself; their lines count for the second
        threshold alone.
        """
        known = {verifier.vkey: verifier for verifier in self.rules.verifiers}
        _, key, _, fields = approved_note.read(approved_note.parts(body)[0])
        if key == RULES_KEY:
            coming = member_records.read_rules(self.trust.forum, fields)
            known |= {verifier.vkey: verifier for verifier in coming.verifiers}
        return list(known.values())

    def _check_approved(self, key: str, note: ApprovedNote, rules: Rules) -> None:
        """Refuse what too few approvers signed."""
        approvals = note.approvals(rules.verifiers)
        if approvals < rules.threshold:
            raise PeerError(
                Reason.NOT_APPROVED,
                key=key,
                approvals=approvals,
                threshold=rules.threshold,
            )

    def _check_rules(self, rules: Rules) -> None:
        """Log, witness and approver keys are different keys."""
        seen: dict[bytes, str] = dict(self._log_keys)
        for verifier in _keys_of(rules):
            owner = seen.setdefault(verifier.public_key, verifier.name)
            if owner != verifier.name:
                raise _claimed(RULES_KEY, verifier.name, owner)

    def _check_claims(self, key: str, member: Member) -> None:
        """One origin and one key belong to one city, and are never taken out."""
        owners = {one.public_key: one.name for one in _keys_of(self.rules)}
        owners[Verifier.parse(self.trust.forum_vkey).public_key] = self.trust.forum
        owners |= self._log_keys
        for log in member.logs:
            city = self._origins.get(log.origin, member.city)
            if city != member.city or log.origin == self.trust.forum:
                raise _claimed(key, log.origin, city)
            for span in log.keys:
                public = span.verifier.public_key
                owner = owners.setdefault(public, log.origin)
                if owner != log.origin:
                    raise _claimed(key, span.vkey, owner)
        before = self.members.get(member.city)
        held = {(log.origin, span.vkey) for log in member.logs for span in log.keys}
        for log in before.logs if before else ():
            for span in log.keys:
                if (log.origin, span.vkey) not in held:
                    raise _malformed(
                        f"it drops the key {span.vkey}; bound it by until_size"
                    )

    def _take(self, key: str, note: ApprovedNote, seconds: int) -> None:
        """Make a checked note the state of its key."""
        if key == RULES_KEY:
            self.rules = member_records.read_rules(self.trust.forum, note.fields)
            self.ruled = True
        else:
            slug = key.removeprefix(CITY_PREFIX)
            member = member_records.read_member(slug, note.fields)
            self.members[slug] = member
            for log in member.logs:
                self._origins[log.origin] = slug
                for span in log.keys:
                    public = span.verifier.public_key
                    self._log_keys[public] = log.origin
                    if span.until_size is not None:
                        self._retired.setdefault((log.origin, public), seconds)
        self.serials[key] = note.serial


def _keys_of(rules: Rules) -> list[Verifier]:
    """Return all keys of the rules: approvers', witnesses' and the forum's."""
    witnesses = [Verifier.parse(one.vkey) for one in rules.witnesses]
    return [*rules.verifiers, *witnesses, *(one.verifier for one in rules.forum_keys)]


def _seconds(time: str) -> int:
    """Return the Unix time of an entry."""
    return int(datetime.fromisoformat(time).timestamp())


def _claimed(key: str, subject: str, owner: str) -> PeerError:
    return PeerError(Reason.ALREADY_CLAIMED, key=key, subject=subject, owner=owner)


def _malformed(detail: str) -> PeerError:
    return PeerError(Reason.MALFORMED, field="member entry", detail=detail)


def _wrong(detail: str) -> RequestError:
    return RequestError(Reason.MALFORMED, field="federation.trust", detail=detail)
