"""The rules widen what a node allows; old versions go when their time is over."""

from typing import Any

import pytest

from federation_world import ORIGIN, new_ingest, new_store
from forum_world import FORUM, Forum, rules_record
from shahrdad.datasets.errors import ConflictError, PeerError
from shahrdad.federation import limits, member_records
from shahrdad.federation.allowances import (
    FOR_EVER,
    MONTH_SECONDS,
    SUPERSEDED_MONTHS,
    Quotas,
    Retention,
)
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.keyring import ConfiguredKeys
from shahrdad.federation.log.store import BodyState
from shahrdad.federation.members import MemberKeys
from shahrdad.federation.retention import due
from shahrdad.federation.verify.digest import Digest
from simulator import Clock, SimLog, SimPeer

ENTRIES_DAY = limits.GROWTH_ENTRIES_DAY_MAX
BYTES_DAY = limits.GROWTH_BODY_BYTES_DAY_MAX
FAMILIES_MAX = limits.RETENTION_FAMILIES_MAX


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"quotas": {}},
        {"quotas": {"entries_day": ENTRIES_DAY}},
        {"quotas": {"entries_day": limits.LOG_ENTRIES_MAX}},
        {"quotas": {"body_bytes_day": BYTES_DAY}},
        {"quotas": {"body_bytes_day": limits.LOG_BODY_BYTES_MAX}},
        {"retention": {"superseded_months": SUPERSEDED_MONTHS}},
        {"retention": {"superseded_months": limits.RETENTION_MONTHS_MAX}},
        {"retention": {"for_ever": ["x"] * FAMILIES_MAX}},
    ],
)
def test_rules_may_widen(fields: dict[str, Any]) -> None:
    """Everything between what every node allows and the bounds of a log is taken."""
    member_records.read_rules(FORUM, rules_record(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"quotas": []},
        {"quotas": {"entries_day": ENTRIES_DAY - 1}},
        {"quotas": {"entries_day": limits.LOG_ENTRIES_MAX + 1}},
        {"quotas": {"body_bytes_day": BYTES_DAY - 1}},
        {"quotas": {"body_bytes_day": limits.LOG_BODY_BYTES_MAX + 1}},
        {"retention": {"superseded_months": SUPERSEDED_MONTHS - 1}},
        {"retention": {"superseded_months": limits.RETENTION_MONTHS_MAX + 1}},
        {"retention": {"for_ever": ["x"] * (FAMILIES_MAX + 1)}},
        {"retention": {"for_ever": [1]}},
    ],
)
def test_rules_may_not_narrow(fields: dict[str, Any]) -> None:
    """A forum cannot make mirrors forget early, nor starve or flood a city's log."""
    with pytest.raises(PeerError):
        member_records.read_rules(FORUM, rules_record(**fields))


def test_rules_reach_the_nodes() -> None:
    """What the approvers approved is what a node asks its keys for."""
    forum = Forum()
    quotas = {"entries_day": ENTRIES_DAY * 2}
    retention = {"superseded_months": 36, "for_ever": ["news"]}
    forum.publish("rules", rules_record(quotas=quotas, retention=retention))
    store = new_store()
    keys = MemberKeys(store, forum.trust)
    Ingest(store, keys, clock=Clock()).pull(SimPeer("forum", [forum.log]), FORUM)
    before = (keys.quotas, keys.retention)
    keys.refresh()

    assert (Quotas(), Retention()) == before
    assert Quotas(entries_day=ENTRIES_DAY * 2) == keys.quotas
    assert Retention(36, FOR_EVER | {"news"}) == keys.retention


@pytest.mark.parametrize(("quota", "held"), [(10, True), (11, False)])
def test_quota_of_the_rules_decides(quota: int, held: bool) -> None:
    """A log that grows in a day by more than the rules allow is held for a person."""
    log = SimLog(ORIGIN)
    clock = Clock()
    keys = ConfiguredKeys([log.key], quotas=Quotas(entries_day=quota))
    ingest = Ingest(new_store(), keys, clock=clock)
    ingest.pull(SimPeer("city", [log]), ORIGIN)
    clock.pass_hours(48)
    log.fill(1)
    ingest.pull(SimPeer("city", [log]), ORIGIN)
    log.fill(10, start=10)
    if held:
        with pytest.raises(ConflictError):
            ingest.pull(SimPeer("city", [log]), ORIGIN)
    else:
        assert ingest.pull(SimPeer("city", [log]), ORIGIN).complete


@pytest.mark.parametrize(("above", "kept"), [(0, True), (1, False)])
def test_superseded_bodies_stay_their_time(above: int, kept: bool) -> None:
    """24 months, and not a second less; the families of public interest for ever."""
    now = SUPERSEDED_MONTHS * MONTH_SECONDS + above

    assert kept == Retention().keeps("news", 0, now)
    assert Retention().keeps("contracts", 0, now)
    assert Retention().keeps(None, 0, now)


def body_of(family: str | None, number: int) -> bytes:
    """Return a record of a family."""
    section = "" if family is None else f'"family":"{family}"'
    return f'{{"n":{number},"shahrdad":{{{section}}}}}'.encode()


def test_only_old_versions_that_nobody_needs_are_due() -> None:
    """What is live, lasting, recent or of no known family stays."""
    log = SimLog(ORIGIN)
    old, late = "2020-01-01T00:00:00Z", "2026-11-01T00:00:00Z"
    due_now = log.put("ds/news", body_of("news", 1), old)
    log.put("ds/news", body_of("news", 2), "2021-01-01T00:00:00Z")
    log.put("ds/news", body_of("news", 3), late)
    log.put("ds/budget", body_of("budget_lines", 4), old)
    log.put("ds/budget", body_of("budget_lines", 5), old)
    log.put("ds/free", body_of(None, 6), old)
    log.put("ds/free", b"no record", old)
    log.put("ds/free", b"another", old)
    withdrawn = log.put("ds/gone", body_of("news", 7), old)
    log.delete("ds/gone", old)
    ingest = new_ingest(log)
    ingest.pull(SimPeer("city", [log]), ORIGIN)
    store = ingest.store
    store.put_bodies(log.bodies)
    held = {digest for digest, _ in store.held_bodies()}
    found = due(store, ORIGIN, Retention(), Clock()())
    dropped = store.prune(ORIGIN, found)

    assert set(log.bodies) == held
    assert [due_now, withdrawn] == found
    assert {Digest.of(body_of("news", 1)), Digest.of(body_of("news", 7))} == set(
        dropped
    )
    assert BodyState.PRUNED is store.body_state(dropped[0])
    assert log.root() == store.root_at(ORIGIN, log.size)
