"""A static mirror, read by replaying its logs: all entries are hashed, none is skipped.

The root over every entry must be that of the checkpoint, so a mirror can neither hide
a version nor show one that the log has not. Whose key signed that checkpoint is asked
by the chain, for each dataset that is opened.

A city may have several logs in a row: a later one names the log that it continues in
its first entry. Two logs that claim one city otherwise are refused.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from shahrdad.client import limits
from shahrdad.client.folding import matches
from shahrdad.client.mirror_files import MirrorFiles
from shahrdad.client.replay import Event, ReplayedLog, replay
from shahrdad.client.source import Computed, Found, Query
from shahrdad.client.values import Change, Hit, Text, Version
from shahrdad.datasets.errors import (
    ConflictError,
    PeerError,
    Reason,
    RequestError,
    ShahrdadError,
)
from shahrdad.federation.verify import receipt as receipts
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tile import MirrorPath

_DATASET = "ds/"
_CITY = "city/"


class StaticSource:
    """A mirror's files as a source.

    Args:
        files: Where they lie.
        cities: City → origin, where the caller knows; others follow from the records.
    """

    def __init__(
        self, files: MirrorFiles, cities: Mapping[str, str] | None = None
    ) -> None:
        self.name = files.name
        self._files = files
        self._given = dict(cities or {})
        self._epochs: dict[str, list[ReplayedLog]] | None = None
        self._members: dict[str, tuple[str, ...]] = {}

    def close(self) -> None:
        """Let the files go."""
        self._files.close()

    def find(self, ref: str, version: int | None, moment: str | None) -> Found:
        """Return a version, with a receipt made here from the mirror's tiles."""
        puts = self._puts(ref)
        if version is not None:
            number = version
        elif moment is not None:
            number = self._number_at(ref, moment)
        else:
            self._refuse_withdrawn(ref, None)
            number = len(puts)
        if not 1 <= number <= len(puts):
            raise RequestError(
                Reason.VERSION_UNKNOWN, ref=ref, version=number, version_max=len(puts)
            )
        log, event = puts[number - 1]
        return Found(
            ref,
            number,
            self._record(ref, number, event),
            self._receipt(log, event.index),
            "log",
            moment,
        )

    def computed(self, name: str, asked: Mapping[str, Any]) -> Computed:
        """Refuse: a mirror's files hold no figures.

        Raises:
            RequestError: NOT_OFFERED.
        """
        del asked
        raise RequestError(Reason.NOT_OFFERED, node=self.name, subject=name[:100])

    def versions(self, ref: str) -> list[Version]:
        """Return the versions of a dataset, newest first."""
        found = []
        for number, (_, event) in enumerate(self._puts(ref), start=1):
            ours = self._body(event.digest).get("shahrdad", {})
            note = ours.get("note")
            found.append(
                Version(
                    number,
                    event.index,
                    event.time,
                    str(event.digest),
                    ours.get("change"),
                    ours.get("approval"),
                    Text(note.get("fa", ""), note.get("en", "")) if note else None,
                )
            )
        return found[::-1]

    def hits(self, query: Query) -> Iterator[Hit]:
        """Yield the datasets whose record is held and that a query asks for."""
        for city in sorted(self._cities()):
            if query.city not in (None, city):
                continue
            for slug in sorted(self._slugs(city)):
                hit = self._hit(f"{city}/{slug}", query)
                if hit is not None:
                    yield hit

    def changes(self, after: str | None, wait_seconds: int) -> Iterator[Change]:
        """Yield the entries of all logs behind a cursor; a mirror never waits."""
        del wait_seconds
        seen = _parse_cursor(after)
        for city, epochs in sorted(self._cities().items()):
            counts: dict[str, int] = {}
            for log in epochs:
                for event in log.events:
                    number = None
                    if event.op == "put":
                        number = counts[event.key] = counts.get(event.key, 0) + 1
                    if event.index < seen.get(log.origin, 0):
                        continue
                    seen[log.origin] = event.index + 1
                    if event.key.startswith(_DATASET):
                        yield Change(
                            " ".join(f"{o}={n}" for o, n in sorted(seen.items())),
                            f"{city}/{event.key.removeprefix(_DATASET)}",
                            event.op,
                            number,
                            event.time,
                            str(event.digest) if event.digest else None,
                            event.reason,
                        )

    def read_object(self, digest: Digest, size: int, found: Found) -> bytes:
        """Return an object's bytes; mirrors need not hold objects."""
        del found
        data = self._files.read(MirrorPath.object(digest), size)
        if data is None:
            raise RequestError(
                Reason.NOT_OFFERED, node=self.name, subject=f"object {digest}"
            )
        return data

    def read_range(
        self, digest: Digest, offset: int, length: int, found: Found
    ) -> bytes | None:
        """Return a range of an object; None where it lies on this machine."""
        del found
        return self._files.read_range(MirrorPath.object(digest), offset, length)

    def keys(self, origin: str, city: str) -> tuple[str, ...]:
        """Return the keys that a member log in the mirror names for a log."""
        self._cities()
        del city
        return self._members.get(origin, ())

    def export(self, found: Found, resource: str, extension: str) -> bytes:
        """Refuse: a mirror holds files and makes none."""
        del found, resource
        raise RequestError(Reason.NOT_OFFERED, node=self.name, subject=extension)

    def _cities(self) -> dict[str, list[ReplayedLog]]:
        """Return the logs of each city, in the order of its epochs; replayed once."""
        if self._epochs is None:
            heads = self._files.read(MirrorPath.heads(), limits.HEADS_BYTES_MAX)
            if heads is None:
                raise RequestError(Reason.PLACE_UNKNOWN, place=self.name)
            logs = [replay(self._files, origin) for origin in _origins(heads)]
            self._members = {}
            found: dict[str, list[ReplayedLog]] = {}
            for log in logs:
                self._read_members(log)
                city = self._city_of(log)
                if city is not None:
                    found.setdefault(city, []).append(log)
            self._epochs = {
                city: _in_order(city, epochs) for city, epochs in found.items()
            }
        return self._epochs

    def _city_of(self, log: ReplayedLog) -> str | None:
        """Return the city that a log speaks for; None when it holds no dataset."""
        for city, origin in self._given.items():
            if origin == log.origin:
                return city
        for event in reversed(log.events):
            if event.op == "put" and event.key.startswith(_DATASET):
                city = self._body(event.digest).get("shahrdad", {}).get("city")
                if isinstance(city, str) and city:
                    claimed = self._given.get(city, log.origin)
                    return city if claimed == log.origin else None
        return None

    def _read_members(self, log: ReplayedLog) -> None:
        """Note the keys that a member log names: a claim like any other."""
        for event in log.events:
            if event.op != "put" or not event.key.startswith(_CITY):
                continue
            raw = self._body_bytes(event.digest)
            for line in (raw or b"").split(b"\n"):
                if line.startswith(b"{"):
                    self._members |= _member_keys(line)

    def _puts(self, ref: str) -> list[tuple[ReplayedLog, Event]]:
        """Return the puts of a dataset, over all epochs of its city.

        Raises:
            RequestError: DATASET_UNKNOWN.
        """
        found = [pair for pair in self._history(ref) if pair[1].op == "put"]
        if not found:
            raise RequestError(Reason.DATASET_UNKNOWN, ref=ref)
        return found

    def _history(self, ref: str) -> list[tuple[ReplayedLog, Event]]:
        """Return every entry of a dataset's key, oldest first."""
        city, _, slug = ref.partition("/")
        return [
            (log, event)
            for log in self._cities().get(city, [])
            for event in log.events
            if event.key == f"{_DATASET}{slug}"
        ]

    def _slugs(self, city: str) -> set[str]:
        """Return the slugs that a city ever published."""
        return {
            event.key.removeprefix(_DATASET)
            for log in self._cities()[city]
            for event in log.events
            if event.op == "put" and event.key.startswith(_DATASET)
        }

    def _number_at(self, ref: str, moment: str) -> int:
        """Return the number of the version that was current at a moment."""
        self._refuse_withdrawn(ref, moment)
        puts = [event.time for _, event in self._puts(ref)]
        # A clock that ran backwards never revives an older version: the last counts.
        for number in range(len(puts), 0, -1):
            if puts[number - 1] <= moment:
                return number
        raise RequestError(
            Reason.NOT_YET_PUBLISHED, ref=ref, time=moment, first=puts[0]
        )

    def _refuse_withdrawn(self, ref: str, moment: str | None) -> None:
        """Raise when the last entry up to a moment took the dataset back."""
        last = [
            event
            for _, event in self._history(ref)
            if moment is None or event.time <= moment
        ]
        if last and last[-1].op == "delete":
            raise ConflictError(
                Reason.DATASET_WITHDRAWN,
                ref=ref,
                time=last[-1].time,
                cause=last[-1].reason or "-",
            )

    def _record(self, ref: str, number: int, event: Event) -> bytes:
        """Return the bytes of a record.

        Raises:
            ConflictError: VERSION_REDACTED.
            RequestError: NOT_OFFERED when the mirror does not hold it.
        """
        raw = self._body_bytes(event.digest)
        if raw is not None:
            return raw
        for log in self._cities()[ref.partition("/")[0]]:
            if event.digest in log.redacted:
                raise ConflictError(Reason.VERSION_REDACTED, ref=ref, version=number)
        raise RequestError(
            Reason.NOT_OFFERED, node=self.name, subject=f"record {event.digest}"
        )

    def _receipt(self, log: ReplayedLog, index: int) -> bytes:
        """Return a receipt for an entry, with a proof from the mirror's tiles."""
        raw, proof = log.prove(index)
        return receipts.make(raw, index, proof, log.checkpoint)

    def _body_bytes(self, digest: Digest | None) -> bytes | None:
        """Return a record that the mirror holds under its true name."""
        if digest is None:
            return None
        raw = self._files.read(MirrorPath.body(digest), limits.RECORD_BYTES_MAX)
        return raw if raw is not None and Digest.of(raw) == digest else None

    def _body(self, digest: Digest | None) -> dict[str, Any]:
        """Return a record parsed, for listing; empty when it cannot be read."""
        raw = self._body_bytes(digest)
        try:
            return strict_json.loads(raw or b"", bytes_max=limits.RECORD_BYTES_MAX)
        except ShahrdadError:
            return {}

    def _hit(self, ref: str, query: Query) -> Hit | None:
        """Return a dataset as a hit, or None when the query does not ask for it."""
        history = self._history(ref)
        puts = [event for _, event in history if event.op == "put"]
        withdrawn = history[-1][1].op == "delete"
        body = self._body(puts[-1].digest)
        ours = body.get("shahrdad", {})
        wanted = (
            withdrawn == query.withdrawn
            and bool(body)
            and query.family in (None, ours.get("family"))
            and query.fiscal_year in (None, ours.get("fiscal_year"))
            and matches(query.words, ref, body)
        )
        if not wanted:
            return None
        return Hit(
            ref,
            Text(str(body.get("title", "")), str(body.get("title_en", ""))),
            ours.get("family"),
            ref.partition("/")[0],
            len(puts),
            ours.get("fiscal_year"),
            _rows(body),
            puts[-1].time,
            "withdrawn" if withdrawn else "replayed",
            self.name,
        )


def _origins(heads: bytes) -> list[str]:
    """Return the origins that the list of heads names; the sizes are a hint."""
    try:
        lines = heads.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise PeerError(Reason.MALFORMED, field="heads", detail="not UTF-8") from error
    return [line.rpartition(" ")[0] for line in lines if " " in line]


def _in_order(city: str, logs: list[ReplayedLog]) -> list[ReplayedLog]:
    """Return the logs of a city, each behind the one that it continues.

    Raises:
        PeerError: CITY_CLAIMED when they are not one chain.
    """
    behind = {log.after: log for log in logs}
    ordered = [behind[None]] if None in behind else []
    while ordered and ordered[-1].origin in behind:
        ordered.append(behind[ordered[-1].origin])
    if len(ordered) != len(logs):
        first, other = sorted(log.origin for log in logs)[:2]
        raise PeerError(
            Reason.CITY_CLAIMED, origin=other, city=city, origin_known=first
        )
    return ordered


def _member_keys(line: bytes) -> dict[str, tuple[str, ...]]:
    """Return origin → keys that one approved statement names."""
    try:
        statement = strict_json.loads(line, bytes_max=limits.RECORD_BYTES_MAX)
        return {
            str(log["origin"]): tuple(str(key["vkey"]) for key in log["keys"])
            for log in statement.get("logs", [])
        }
    except (ShahrdadError, TypeError, KeyError):
        return {}


def _rows(body: Mapping[str, Any]) -> int | None:
    """Return the rows of a record's tables."""
    counts = [
        resource.get("shahrdad", {}).get("rows")
        for resource in body.get("resources", [])
        if resource.get("shahrdad", {}).get("role") == "table"
    ]
    return sum(counts) if counts and all(type(n) is int for n in counts) else None


def _parse_cursor(cursor: str | None) -> dict[str, int]:
    """Return origin → first index not yet seen.

    Raises:
        RequestError: CURSOR_MALFORMED.
    """
    found: dict[str, int] = {}
    for part in (cursor or "").split():
        origin, _, index = part.rpartition("=")
        if not origin or not (index.isascii() and index.isdigit()):
            raise RequestError(Reason.CURSOR_MALFORMED, cursor=part[:100])
        found[origin] = int(index[:19])
    return found
