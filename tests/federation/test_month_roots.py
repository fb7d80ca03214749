"""The roots of a month: any node makes the same, and a changed past shows."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from federation_world import ORIGIN, new_ingest, new_store, open_store, refusal
from forum_world import FORUM
from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation import limits, month_roots
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.month_roots import Agreement, LogRoot, MonthRoots
from shahrdad.federation.reader import LogChunk
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.note import Kind, Signer
from simulator import Clock, SimLog, SimPeer, keys_of, seed

UNTIL = "2026-11-21T20:29:59Z"
OTHER = "abadan.example.ir/catalog"
SMALL = 3_000  # bytes of a body that holds some twenty logs
WITNESS = Signer.from_seed("w.example.ir/witness", seed("w"), Kind.WITNESS)


def put(log: SimLog, key: str, time: str) -> None:
    """Publish something at a time."""
    log.put(key, key.encode(), time=time)


def two_logs() -> tuple[SimLog, SimLog]:
    """Return two logs with entries before, at and after the month's last second."""
    log, other = SimLog(ORIGIN), SimLog(OTHER)
    log.raws[0] = entries.genesis(ORIGIN, "s/1", time="2026-10-01T00:00:00Z")
    other.raws[0] = entries.genesis(OTHER, "s/1", time="2026-10-01T00:00:00Z")
    put(log, "ds/a", "2026-11-01T00:00:00Z")
    put(log, "ds/b", UNTIL)
    put(log, "ds/c", "2026-11-21T20:30:00Z")
    return log, other


def held(*logs: SimLog, quorum: int = 0) -> Ingest:
    """Return a node that holds logs."""
    ingest = new_ingest(*logs, witnesses=[WITNESS], quorum=quorum)
    for log in logs:
        ingest.pull(SimPeer("city", [log]), log.origin)
    return ingest


def made(ingest: Ingest) -> MonthRoots:
    """Return the roots that a node makes."""
    found = month_roots.make(ingest.store, ingest.keys, FORUM, "1405-08", UNTIL)
    return found.roots


def test_each_log_is_cut_at_the_end_of_the_month() -> None:
    """An entry of the last second belongs to the month, one of the next does not."""
    log, other = two_logs()
    roots = made(held(log, other))

    assert [(OTHER, 1), (ORIGIN, 3)] == [(one.origin, one.size) for one in roots.logs]
    assert log.root(3).hex() == roots.logs[1].root
    assert roots == month_roots.read(roots.bodies()[0][1])


def test_every_node_makes_the_same_bytes_whatever_came_since() -> None:
    """Who holds more, or holds it in another order, still finds the month as it was."""
    log, other = two_logs()
    first = made(held(log, other)).bodies()
    put(log, "ds/d", "2026-12-01T00:00:00Z")
    other.append(b"no entry of this version")
    put(other, "ds/e", "2026-12-01T00:00:00Z")

    assert first == made(held(other, log)).bodies()


def test_only_what_witnesses_confirmed_is_counted() -> None:
    """With a quorum, a head that nobody else saw is left out, and named."""
    log, other = two_logs()
    log.cosign(WITNESS, Clock()())
    ingest = held(log, other, quorum=1)
    found = month_roots.make(ingest.store, ingest.keys, FORUM, "1405-08", UNTIL)

    assert [ORIGIN] == [one.origin for one in found.roots.logs]
    assert (OTHER,) == found.unconfirmed


def test_mirrors_agree_and_say_what_they_lack() -> None:
    """A mirror that holds less is no contradiction."""
    log, other = two_logs()
    roots = made(held(log, other))
    partly = held(log)

    assert [Agreement.NOT_HELD, Agreement.SAME] == [
        one.agreement for one in month_roots.check(partly.store, roots)
    ]


def test_changed_past_entry_is_found(tmp_path: Path) -> None:
    """An entry that was changed on disk shows, although its tile was left as it was."""
    log, other = two_logs()
    roots = made(held(log, other))
    store = open_store(tmp_path / "node.db")
    ingest = Ingest(store, keys_of([log, other]), clock=Clock())
    for one in (log, other):
        ingest.pull(SimPeer("city", [one]), one.origin)
    changed = log.raws[1].replace(b"ds/a", b"ds/z")
    store._connect().execute(
        "UPDATE entry SET raw=? WHERE raw=?", (changed, log.raws[1])
    )
    found = list(month_roots.check(store, roots))

    assert [Agreement.SAME, Agreement.DIFFERS] == [one.agreement for one in found]
    assert roots.logs[1].root != found[1].root_held


def test_missing_past_entry_is_found(tmp_path: Path) -> None:
    """An entry that was deleted on disk shows."""
    log, _ = two_logs()
    store = open_store(tmp_path / "node.db")
    Ingest(store, keys_of([log]), clock=Clock()).pull(SimPeer("c", [log]), ORIGIN)
    roots = MonthRoots(FORUM, "1405-08", (LogRoot(ORIGIN, 3, log.root(3).hex()),))
    store._connect().execute("DELETE FROM entry WHERE idx=1")
    (found,) = month_roots.check(store, roots)

    assert Agreement.DIFFERS is found.agreement


def test_other_history_is_found() -> None:
    """A mirror of a second history of a log contradicts the month."""
    log, other = two_logs()
    twin = log.fork(2)
    put(twin, "ds/x", UNTIL)
    roots = made(held(log, other))
    found = list(month_roots.check(held(twin, other).store, roots))

    assert Agreement.DIFFERS is found[1].agreement


def test_a_month_without_a_member_log_has_no_roots() -> None:
    """A node that never saw the member log knows of no closed month."""
    assert [] == month_roots.months(new_store(), FORUM)
    assert month_roots.published(new_store(), FORUM, "1405-08") is None


def test_published_roots_are_read_from_the_member_log() -> None:
    """The newest body under the month's key counts."""
    forum = SimLog(FORUM)
    ((_, content),) = MonthRoots(FORUM, "1405-08", ()).bodies()
    forum.put("roots/1405-08", content)
    store = held(forum).store

    assert ["1405-08"] == month_roots.months(store, FORUM)
    assert (1, content) == month_roots.published(store, FORUM, "1405-08")


def test_digits_are_in_groups_of_eight() -> None:
    """As the minutes on paper have them."""
    digest = Digest.of(b"roots")

    assert 8 == len(month_roots.groups(digest).split())
    assert digest.hex == month_roots.groups(digest).replace(" ", "")


LINE = {"origin": ORIGIN, "size": 1, "root": "0" * 64}


@pytest.mark.parametrize(
    "change",
    [
        {"month": "1405-13"},
        {"month": "۱۴۰۵-08"},
        {"forum": 7},
        {"logs": {}},
        {"logs": ["x"]},
        {"logs": [{**LINE, "size": 0}]},
        {"logs": [{**LINE, "size": True}]},
        {"logs": [{**LINE, "size": 2**63}]},
        {"logs": [{**LINE, "root": "0" * 63}]},
        {"logs": [{**LINE, "root": "A" * 64}]},
        {"logs": [{**LINE, "origin": "no origin"}]},
        {"logs": [LINE, LINE]},
        {"logs": [LINE, {**LINE, "origin": OTHER}]},
    ],
)
def test_roots_are_read_strictly(change: dict[str, object]) -> None:
    """What is no list of roots, sorted by origin, is refused."""
    fields = {"forum": FORUM, "month": "1405-08", "logs": [LINE], **change}
    with pytest.raises(PeerError) as caught:
        month_roots.read(json.dumps(fields).encode())

    assert Reason.MALFORMED is caught.value.reason


def test_quarantined_log_is_left_out() -> None:
    """A log with two histories has no one root."""
    log, other = two_logs()
    ingest = held(log, other)
    ingest.store.put_evidence(OTHER, b"evidence")

    assert [ORIGIN] == [one.origin for one in made(ingest).logs]
    assert made(ingest) != replace(made(ingest), month="1405-09")


def many(count: int) -> MonthRoots:
    """Return the roots of so many logs, whose lines are equally long."""
    lines = (
        LogRoot(f"city{number:05}.example.ir/catalog", 1_000_000, "0" * 64)
        for number in range(count)
    )
    return MonthRoots(FORUM, "1405-08", tuple(lines))


def one_body_holds(body_bytes: int = limits.BODY_BYTES_MAX) -> int:
    """Return how many of those logs one body holds."""
    (_, one), (_, two) = many(1).bodies()[0], many(2).bodies()[0]

    return 1 + (body_bytes - len(one)) // (len(two) - len(one))


@pytest.fixture
def small_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a body hold some twenty logs."""
    monkeypatch.setattr(month_roots, "BODY_BYTES_MAX", SMALL)


def held_by(bodies: list[tuple[str, bytes]]) -> Callable[[Digest], bytes | None]:
    """Return what a node that holds these bodies answers."""
    return {Digest.of(content): content for _, content in bodies}.get


def test_as_many_logs_as_fit_are_one_body() -> None:
    """Up to the last byte of a body nothing is split."""
    most = one_body_holds()
    ((key, content),) = many(most).bodies()

    assert most > 7_000
    assert "roots/1405-08" == key
    assert many(most) == month_roots.read(content)
    assert [] == month_roots.part_digests(content)


def test_one_log_more_makes_parts_that_the_month_names() -> None:
    """Each part holds as many as fit, and the month's own digits pin all of them."""
    roots = many(one_body_holds() + 1)
    bodies = roots.bodies()
    *parts, (key, own) = bodies

    assert ["roots/1405-08/1", "roots/1405-08/2"] == [name for name, _ in parts]
    assert limits.BODY_BYTES_MAX - 200 < len(parts[0][1]) <= limits.BODY_BYTES_MAX
    assert "roots/1405-08" == key
    assert len(own) < 300
    assert [Digest.of(content) for _, content in parts] == (
        month_roots.part_digests(own)
    )
    assert roots == month_roots.read(own, held_by(bodies))
    assert bodies == month_roots.read(own, held_by(bodies)).bodies()


def test_more_parts_than_anybody_reads_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the limit a month is written and read; one part more is not written."""
    monkeypatch.setattr(month_roots, "BODY_BYTES_MAX", 1_000)
    most = limits.MONTH_PARTS_MAX
    in_one = len(json.loads(many(500).bodies()[0][1])["logs"])
    bodies = many(in_one * most).bodies()

    assert most + 1 == len(bodies)
    assert Reason.TOO_LARGE is refusal(many(in_one * most + 1).bodies).reason


def test_so_many_parts_are_read_and_no_more() -> None:
    """The same limit, for who reads what another one published."""
    for above, fits in ((0, True), (1, False)):
        named = [{"logs": 0, "sha256": "0" * 64}] * (limits.MONTH_PARTS_MAX + above)
        own = json.dumps({"forum": FORUM, "month": "1405-08", "parts": named}).encode()
        if fits:
            assert limits.MONTH_PARTS_MAX == len(month_roots.part_digests(own))
        else:
            assert Reason.MALFORMED is refusal(month_roots.part_digests, own).reason


def split() -> tuple[list[tuple[str, bytes]], dict[str, Any]]:
    """Return the bodies of a month in two parts, and what its own body says."""
    bodies = many(one_body_holds(SMALL) + 1).bodies()
    return bodies, json.loads(bodies[-1][1])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda own: own.update(logs=[]),
        lambda own: own.update(parts={}),
        lambda own: own.update(parts=[]),
        lambda own: own["parts"].reverse(),
        lambda own: own["parts"].pop(0),
        lambda own: own["parts"].append(own["parts"][1]),
        lambda own: own["parts"][0].update(logs=1),
        lambda own: own["parts"][0].update(logs=True),
        lambda own: own["parts"][0].update(sha256="0" * 64),
        lambda own: own["parts"][0].update(sha256="0" * 63),
        lambda own: own["parts"].insert(0, "x"),
        lambda own: own.update(month="1405-09"),
        lambda own: own.update(forum="other.example.ir/members"),
    ],
)
@pytest.mark.usefixtures("small_bodies")
def test_parts_are_read_strictly(spoil: Callable[[dict[str, Any]], None]) -> None:
    """A part of another month, at another place, or that is not here is refused."""
    bodies, own = split()
    spoil(own)
    error = refusal(month_roots.read, json.dumps(own).encode(), held_by(bodies))

    assert Reason.MALFORMED is error.reason


@pytest.mark.usefixtures("small_bodies")
def test_month_in_parts_is_published_when_all_of_it_is_held() -> None:
    """Until the last part came, a node says that it does not know the month."""
    bodies, _ = split()
    forum = SimLog(FORUM)
    for key, content in bodies:
        forum.put(key, content)
    ingest = held(forum)
    own = bodies[-1][1]

    assert ["1405-08"] == month_roots.months(ingest.store, FORUM)
    assert (3, own) == month_roots.published(ingest.store, FORUM, "1405-08")
    lacking = new_ingest(forum)
    peer = SimPeer("a", [forum])
    peer.change = lambda part: [
        replace(part, bodies=part.bodies[1:]) if isinstance(part, LogChunk) else part
    ]
    lacking.pull(peer, FORUM)
    assert month_roots.published(lacking.store, FORUM, "1405-08") is None
