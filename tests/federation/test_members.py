"""Who is a member is what t of n approvers signed, in turn, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from federation_world import new_store, open_store, refusal
from forum_world import (
    FORUM,
    Forum,
    approver,
    city_log,
    city_record,
    key_span,
    log_signer,
    origin_of,
    rules_record,
    witness,
)
from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.federation import approved_note
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.keyring import LogKey
from shahrdad.federation.log.store import Status
from shahrdad.federation.members import MemberKeys
from shahrdad.federation.membership import Membership, Trust
from shahrdad.federation.reader import BodyMode
from shahrdad.federation.sync import Syncer, SyncPeer
from shahrdad.federation.verify import note as notes
from shahrdad.federation.verify.note import Verifier
from shared_data import SHARED, needs_shared
from simulator import Clock, SimLog, SimPeer, parsed

KERMAN = origin_of("kerman")


def replay(forum: Forum) -> Membership:
    """Apply the whole log of a forum."""
    membership = Membership(forum.trust)
    for index, raw in enumerate(forum.log.raws):
        entry = parsed(raw, index, FORUM)
        if entry is not None:
            body = forum.log.bodies.get(entry.sha256) if entry.sha256 else None
            membership.apply(entry, body)
    return membership


def reasons(forum: Forum) -> list[str]:
    """Return why each entry was not applied; "" where it was."""
    judged = replay(forum).judged
    return [one.error.reason.value if one.error else "" for one in judged]


def following(forum: Forum, path: Path | None = None) -> tuple[Ingest, MemberKeys]:
    """Return a node that follows a forum's members."""
    store = open_store(path) if path else new_store()
    keys = MemberKeys(store, forum.trust)

    def refresh(origin: str) -> None:
        if origin == FORUM:
            keys.refresh()

    ingest = Ingest(
        store,
        keys,
        clock=Clock(),
        body_mode=lambda origin: BodyMode.ALL,
        on_head=refresh,
        also_wanted=lambda origin: keys.wanted if origin == FORUM else (),
    )
    return ingest, keys


@needs_shared
def test_worked_vectors_are_approved() -> None:
    """The notes of the worked example have the approvals that it says."""
    worked = json.loads((SHARED / "vectors/worked/worked.json").read_text("utf-8"))
    keys = [
        Verifier.parse(key["vkey"])
        for name, key in worked["keys"].items()
        if name.endswith("/approver")
    ]
    forum = worked["keys"][FORUM]["vkey"]
    trust = Trust(FORUM, forum, tuple(key.vkey for key in keys), 2)
    membership = Membership(trust)
    for case in worked["approved"]:
        note = case["note"].encode()
        opened = approved_note.open_approved(note, keys)
        checked = membership.check(opened.key, note)

        assert case["signers"] == len(checked.approvers)

    assert 2 == len(worked["approved"])


def test_approved_members_and_rules_count() -> None:
    """Keys, witnesses and quorum come from the log alone."""
    forum = Forum()
    forum.admit("kerman", "shiraz")
    ingest, keys = following(forum)
    ingest.pull(SimPeer("forum", [forum.log]), FORUM)

    assert [FORUM, KERMAN, origin_of("shiraz")] == list(keys.origins())
    assert ("kerman", 2, 48) == (keys.city(KERMAN), keys.quorum, keys.stale_hours)
    assert ["shiraz", "mashhad", "rasht"] == [one.city for one in keys.witnesses()]
    assert [log_signer(KERMAN).verifier] == list(keys.verifiers(KERMAN, 5))


@pytest.mark.parametrize("by", [(), ("rasht",), ("kerman", "shiraz")])
def test_too_few_approvals_are_stored_and_not_applied(by: tuple[str, ...]) -> None:
    """The secretariat alone, or strangers, admit nobody; the attempt stays visible."""
    forum = Forum()
    forum.admit()
    if by:
        forum.publish("city/kerman", city_record("kerman"), by)
    else:
        draft = approved_note.draft(FORUM, "city/kerman", 1, city_record("kerman"))
        text = draft.encode().decode()
        forum.log.put("city/kerman", notes.join(text, [forum.log.signer.sign(text)]))
    membership = replay(forum)

    assert {} == membership.members
    assert membership.judged[-1].error is not None
    assert membership.judged[-1].error.reason in {
        Reason.NOT_APPROVED,
        Reason.BAD_SIGNATURE,
    }


def test_one_approver_twice_is_one() -> None:
    """A second line of one key refuses the note; one person is one approval."""
    forum = Forum()
    forum.admit()
    note = forum.note("city/kerman", city_record("kerman"), ("rasht",))
    text, lines = notes.split(note)
    forum.log.put("city/kerman", notes.join(text, [*lines, *lines]))

    assert ["", "BAD_SIGNATURE"] == reasons(forum)


def test_replayed_approval_is_refused() -> None:
    """An old approved note, appended again, does not bring a revoked key back."""
    forum = Forum()
    forum.admit("kerman")
    first = forum.note("city/kerman", city_record("kerman"), serial=1)
    suspended = city_record(
        "kerman", status="suspended", logs=[city_log("kerman", frozen_size=4)]
    )
    forum.publish("city/kerman", suspended)
    forum.log.put("city/kerman", first)
    membership = replay(forum)

    assert ["", "", "", "SERIAL_WRONG"] == reasons(forum)
    assert "suspended" == membership.members["kerman"].standing


@pytest.mark.parametrize(("serial", "reason"), [(1, ""), (2, "SERIAL_WRONG")])
def test_serials_begin_at_one(serial: int, reason: str) -> None:
    """An approval has its place; none is skipped."""
    forum = Forum()
    forum.publish("city/kerman", city_record("kerman"), serial=serial)

    assert [reason] == reasons(forum)


def test_note_of_another_forum_or_key_is_refused() -> None:
    """An approval is bound to its log and to its key."""
    forum = Forum()
    fields = city_record("kerman")
    foreign = approved_note.draft("other.example.ir/members", "city/kerman", 1, fields)
    content = foreign.encode()
    for city in ("rasht", "qom"):
        content = approved_note.approve(content, approver(city))
    forum.log.put("city/kerman", content)
    forum.log.put("city/qom", forum.note("city/kerman", fields))

    assert ["MALFORMED", "MALFORMED"] == reasons(forum)


def test_deletes_are_never_applied() -> None:
    """Leaving is a status; nobody is deleted."""
    forum = Forum()
    forum.admit("kerman")
    forum.log.delete("city/kerman")
    forum.log.delete("rules")

    assert ["", "", "MALFORMED", "MALFORMED"] == reasons(forum)
    assert ["kerman"] == list(replay(forum).members)


@pytest.mark.parametrize(
    ("by", "applied"),
    [
        (("rasht", "qom"), False),  # the old threshold, not the new one
        (("yazd", "zanjan"), False),  # the new threshold, not the old one
        (("rasht", "qom", "yazd"), False),
        (("rasht", "qom", "yazd", "zanjan"), True),
    ],
)
def test_new_rules_need_both_thresholds(by: tuple[str, ...], applied: bool) -> None:
    """Approvers hand over to keys that exist, and nobody takes over."""
    forum = Forum()
    forum.admit()
    new = rules_record(
        approvers=[approver(city).vkey for city in ("yazd", "zanjan", "ilam")]
    )
    forum.publish("rules", new, by)
    forum.publish("city/kerman", city_record("kerman"), ("yazd", "zanjan"))
    membership = replay(forum)

    assert applied == ("kerman" in membership.members)
    assert applied == (2 == membership.serials["rules"])


def test_claims_of_others_are_refused() -> None:
    """One origin and one key belong to one city, under whatever name."""
    forum = Forum()
    forum.admit("kerman")
    other = origin_of("qom")
    stolen_key = log_signer(other, KERMAN)
    cases = [
        [city_log("kerman")],
        [city_log("qom", keys=[key_span(stolen_key)])],
        [
            city_log(
                "qom", keys=[key_span(log_signer(other, "rasht.example.ir/approver"))]
            )
        ],
        [city_log("qom", keys=[key_span(log_signer(other, witness("rasht").name))])],
        [city_log("qom", keys=[key_span(log_signer(other, FORUM))])],
        [city_log("qom", origin=FORUM, keys=[key_span(log_signer(FORUM))])],
    ]
    for logs in cases:
        forum.log.put(
            "city/qom", forum.note("city/qom", city_record("qom", logs=logs), serial=1)
        )

    assert ["ALREADY_CLAIMED"] * len(cases) == reasons(forum)[2:]


def test_one_key_of_two_logs_of_a_city_is_refused() -> None:
    """Also within a city a key signs one log."""
    second = "kerman.example.ir/catalog/2"
    logs = [
        city_log("kerman"),
        city_log("kerman", origin=second, keys=[key_span(log_signer(second, KERMAN))]),
    ]
    forum = Forum()
    forum.publish("city/kerman", city_record("kerman", logs=logs))

    assert ["ALREADY_CLAIMED"] == reasons(forum)


def test_keys_are_bounded_never_dropped() -> None:
    """Old receipts keep their key: a record without it is refused."""
    forum = Forum()
    forum.admit("kerman")
    new = [key_span(log_signer(KERMAN, "new"))]
    forum.publish(
        "city/kerman", city_record("kerman", logs=[city_log("kerman", keys=new)])
    )

    assert "MALFORMED" == reasons(forum)[-1]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "gone"},
        {"city": "qom"},
        {"name": "Kerman"},
        {"logs": []},
        {"logs": [city_log("kerman")] * 2},
        {"logs": [city_log("kerman", state="shut")]},
        {"logs": [city_log("kerman", origin="Kerman")]},
        {"logs": [city_log("kerman", keys=[])]},
        {"logs": [city_log("kerman", keys=[key_span(witness("kerman"))])]},
        {"logs": [city_log("kerman", keys=[key_span(log_signer(KERMAN), 5, 4)])]},
        {"logs": [city_log("kerman", frozen_size=-1)]},
        {"logs": [city_log("kerman", frozen_size=True)]},
        {"logs": [city_log("kerman", state="closed")]},
        {"status": "suspended"},
        {"grpc": [{"address": "unix:/run/docker.sock", "tls_roots": None}]},
        {"static": ["http://kerman.example.ir"]},
    ],
)
def test_malformed_record_is_not_applied(changes: dict[str, Any]) -> None:
    """A record that breaks a rule changes nothing, however many approve it."""
    forum = Forum()
    fields = city_record("kerman") | changes
    forum.publish("city/kerman", fields, ("rasht", "qom", "tehran"))

    assert ["MALFORMED"] == reasons(forum)


@pytest.mark.parametrize(
    "changes",
    [
        {"threshold": 0},
        {"threshold": 4},
        {"quorum": 4},
        {"approvers": [approver("rasht").vkey] * 2},
        {"forum_keys": []},
        {"forum_keys": [key_span(log_signer(FORUM), 0, 9)]},
        {"witnesses": [{"city": "qom", "vkey": approver("qom").vkey}]},
        {"stale_after_hours": "48"},
    ],
)
def test_malformed_rules_are_not_applied(changes: dict[str, Any]) -> None:
    """Rules that could not be kept are refused."""
    forum = Forum()
    forum.publish("rules", rules_record(**changes), ("rasht", "qom", "tehran"))

    assert ["MALFORMED"] == reasons(forum)


def test_trust_that_could_approve_nothing_is_refused() -> None:
    """A wrong configuration is told at start, not when a city is missing."""
    forum = Forum()
    vkeys = forum.trust.approvers
    cases = [
        Trust(FORUM, forum.log.signer.vkey, vkeys, 0),
        Trust(FORUM, forum.log.signer.vkey, vkeys, 4),
        Trust(FORUM, forum.log.signer.vkey, (vkeys[0], vkeys[0]), 2),
        Trust(FORUM, log_signer(KERMAN).vkey, vkeys, 2),
    ]
    found = [refusal(Membership, trust).reason for trust in cases]

    assert [Reason.MALFORMED] * 4 == found


def test_rotation_keeps_old_heads_and_ends_the_old_key() -> None:
    """A key signs its sizes: heads before the rotation stay valid, later ones not."""
    forum = Forum()
    forum.admit("kerman")
    ingest, keys = following(forum)
    forum_peer = SimPeer("forum", [forum.log])
    ingest.pull(forum_peer, FORUM)
    log = SimLog(KERMAN)
    log.fill(4)
    ingest.pull(SimPeer("kerman", [log]), KERMAN)
    new = log_signer(KERMAN, "kerman, second key")
    spans = [key_span(log.signer, 0, log.size), key_span(new, log.size)]
    forum.publish(
        "city/kerman", city_record("kerman", logs=[city_log("kerman", keys=spans)])
    )
    ingest.pull(forum_peer, FORUM)
    old_note = log.note()
    log.put("ds/new", b"{}")
    stale = refusal(ingest.pull, SimPeer("thief", [log]), KERMAN)
    log.signer = new
    pulled = ingest.pull(SimPeer("kerman", [log]), KERMAN)

    assert Reason.BAD_SIGNATURE is stale.reason
    assert log.size == pulled.size
    assert keys.verifiers(KERMAN, 3)[0].verify(*opened_line(old_note))


def opened_line(note: bytes) -> tuple[str, notes.Signature]:
    """Return text and first line of a note."""
    text, lines = notes.split(note)
    return text, lines[0]


def test_suspended_city_is_frozen_at_its_size() -> None:
    """Above the frozen size nothing is taken, until an approved entry rotates."""
    forum = Forum()
    forum.admit("kerman")
    ingest, keys = following(forum)
    peer = SimPeer("forum", [forum.log])
    ingest.pull(peer, FORUM)
    log = SimLog(KERMAN)
    log.fill(4)
    city = SimPeer("kerman", [log])
    ingest.pull(city, KERMAN)
    frozen = [city_log("kerman", frozen_size=log.size)]
    forum.publish("city/kerman", city_record("kerman", status="suspended", logs=frozen))
    ingest.pull(peer, FORUM)
    changed = keys.set_statuses()
    log.fill(2, start=50)
    stopped = refusal(ingest.pull, city, KERMAN)
    rotated = log_signer(KERMAN, "after the theft")
    spans = [key_span(log.signer, 0, 5), key_span(rotated, 5)]
    forum.publish(
        "city/kerman", city_record("kerman", logs=[city_log("kerman", keys=spans)])
    )
    ingest.pull(peer, FORUM)
    keys.set_statuses()
    log.signer = rotated

    assert ([KERMAN], 5) == (changed, ingest.store.log(KERMAN).size)
    assert (Reason.ORIGIN_CLOSED, "frozen") == (
        stopped.reason,
        stopped.values["status"],
    )
    assert log.size == ingest.pull(city, KERMAN).size


def test_late_node_fetches_a_frozen_log_up_to_its_size() -> None:
    """Freezing hides nothing that was published before."""
    forum = Forum()
    forum.admit()
    log = SimLog(KERMAN)
    log.fill(4)
    frozen = [city_log("kerman", frozen_size=log.size)]
    forum.publish("city/kerman", city_record("kerman", status="left", logs=frozen))
    ingest, keys = following(forum)
    ingest.pull(SimPeer("forum", [forum.log]), FORUM)
    keys.set_statuses()
    ingest.pull(SimPeer("mirror", [log]), KERMAN)
    keys.set_statuses()

    assert (5, Status.FROZEN) == (
        ingest.store.log(KERMAN).size,
        ingest.store.log(KERMAN).status,
    )


def test_closed_log_is_continued_by_another() -> None:
    """A log with two histories is closed by approval; its city goes on in a new one."""
    forum = Forum()
    forum.admit("kerman")
    ingest, keys = following(forum)
    peer = SimPeer("forum", [forum.log])
    ingest.pull(peer, FORUM)
    log = SimLog(KERMAN)
    log.fill(3)
    twin = log.fork(2)
    twin.fill(2, start=9)
    ingest.pull(SimPeer("a", [log]), KERMAN)
    refusal(ingest.pull, SimPeer("b", [twin]), KERMAN)
    second = SimLog("kerman.example.ir/catalog/2")
    logs = [
        city_log("kerman", state="closed", frozen_size=2),
        {
            **city_log("kerman"),
            "origin": second.origin,
            "keys": [key_span(second.signer)],
        },
    ]
    forum.publish("city/kerman", city_record("kerman", logs=logs))
    ingest.pull(peer, FORUM)
    keys.set_statuses()
    ingest.pull(SimPeer("a", [second]), second.origin)
    held = ingest.store.log(KERMAN)

    assert (Status.CLOSED, True) == (held.status, bool(held.evidence))
    assert "kerman" == keys.city(second.origin)
    assert second.size == ingest.store.log(second.origin).size


def test_replay_waits_for_a_missing_body() -> None:
    """A body that has not come stops the replay; it is asked for, then all applies."""
    forum = Forum()
    forum.admit("kerman", "shiraz")
    ingest, keys = following(forum)
    bare = SimPeer("bare", [forum.log])
    bare.with_bodies = False
    ingest.pull(bare, FORUM)
    before = (list(keys.membership.members), len(keys.wanted))
    full = SimPeer("forum", [forum.log])
    Syncer(ingest, member_origin=FORUM).round([SyncPeer("forum", lambda: full)])
    keys.refresh()

    assert ([], 1) == before
    assert ["kerman", "shiraz"] == list(keys.membership.members)
    assert () == keys.wanted


def test_superseded_body_is_asked_for_too() -> None:
    """Every version counts in the replay, also one that is live no more."""
    forum = Forum()
    forum.admit("kerman")
    forum.publish("city/kerman", city_record("kerman"))
    ingest, keys = following(forum)
    bare = SimPeer("bare", [forum.log])
    bare.with_bodies = False
    ingest.pull(bare, FORUM)
    full = SimPeer("forum", [forum.log])
    for _ in range(4):
        Syncer(ingest, member_origin=FORUM).round([SyncPeer("forum", lambda: full)])
        keys.refresh()

    assert 2 == keys.membership.serials["city/kerman"]


def test_restart_replays_to_the_same_state(tmp_path: Path) -> None:
    """What counts is computed from the log; nothing else is remembered."""
    forum = Forum()
    forum.admit("kerman", "shiraz", "qom")
    ingest, keys = following(forum, tmp_path / "node.db")
    ingest.pull(SimPeer("forum", [forum.log]), FORUM)
    again = MemberKeys(ingest.store, forum.trust)
    again.refresh()

    assert keys.membership.members == again.membership.members
    assert list(keys.origins()) == list(again.origins())
    assert keys.membership.judged == again.membership.judged


def test_own_key_counts_until_the_members_name_the_log() -> None:
    """A node that is no member yet verifies its own log; then the members rule."""
    forum = Forum()
    forum.admit()
    own = LogKey(KERMAN, log_signer(KERMAN, "own").vkey)
    store = new_store()
    keys = MemberKeys(store, forum.trust, extra=[own], cities={KERMAN: "kerman"})
    before = keys.verifiers(KERMAN, 1)
    forum.publish("city/kerman", city_record("kerman"))
    ingest = Ingest(store, keys, body_mode=lambda origin: BodyMode.ALL, clock=Clock())
    ingest.pull(SimPeer("forum", [forum.log]), FORUM)
    keys.refresh()

    assert [Verifier.parse(own.vkey)] == list(before)
    assert [log_signer(KERMAN).verifier] == list(keys.verifiers(KERMAN, 1))


def test_unknown_member_log_is_not_followed() -> None:
    """Before the forum's log is held, only it is followed."""
    forum = Forum()
    keys = MemberKeys(new_store(), forum.trust)

    assert ([FORUM], (), 0) == (list(keys.origins()), keys.witnesses(), keys.quorum)


def test_evidence_of_a_retired_key_needs_an_old_cosignature(tmp_path: Path) -> None:
    """A stolen old key cannot quarantine its city; what a witness dated can."""
    forum = Forum()
    forum.admit("kerman")
    log = SimLog(KERMAN)
    log.fill(5)
    new = log_signer(KERMAN, "second")
    spans = [key_span(log.signer, 0, 9), key_span(new, 3)]
    forum.publish(
        "city/kerman", city_record("kerman", logs=[city_log("kerman", keys=spans)])
    )
    ingest, _ = following(forum, tmp_path / "node.db")
    ingest.pull(SimPeer("forum", [forum.log]), FORUM)
    honest = log.fork(log.size)
    honest.signer = new
    ingest.pull(SimPeer("kerman", [honest]), KERMAN)
    twin = log.fork(2)  # by the thief, with the old key
    twin.fill(4, start=40)
    thief = refusal(ingest.pull, SimPeer("thief", [twin]), KERMAN)
    status = ingest.store.log(KERMAN).status
    twin.cosign(witness("shiraz"), 1_780_000_000)
    dated = refusal(ingest.pull, SimPeer("archive", [twin]), KERMAN)

    assert (Reason.LOG_FORKED, Status.ACTIVE) == (thief.reason, status)
    assert Reason.EQUIVOCATION is dated.reason
    assert isinstance(dated, ConflictError)


def test_draft_and_approval_are_text_work() -> None:
    """A draft has no lines; an approver may sign again and is still one line."""
    draft = approved_note.draft(FORUM, "city/qom", 1, city_record("qom")).encode()
    text, none = approved_note.parts(draft)
    once = approved_note.approve(draft, approver("rasht"))
    twice = approved_note.approve(once, approver("rasht"))

    assert [] == none
    assert once == twice
    assert text == approved_note.parts(twice)[0]
    with pytest.raises(Exception, match="neither rules nor a city"):
        approved_note.draft(FORUM, "ds/budget", 1, {})


def test_member_keys_refuse_a_wrong_trust() -> None:
    """`MemberKeys` is made with a trust that works, or not at all."""
    forum = Forum()
    wrong = Trust(FORUM, forum.trust.forum_vkey, (), 1)
    with pytest.raises(RequestError):
        MemberKeys(new_store(), wrong)


def test_quarantined_member_log_changes_nothing() -> None:
    """A forum that shows two histories is followed no further."""
    forum = Forum()
    forum.admit("kerman")
    twin = forum.log.fork(2)
    twin.put("city/qom", b"another")
    ingest = mirror_of(forum)
    refusal(ingest[0].pull, SimPeer("b", [twin]), FORUM)
    forum.publish("city/shiraz", city_record("shiraz"))
    ingest[1].refresh()

    assert ["kerman"] == list(ingest[1].membership.members)
    assert Status.QUARANTINED is ingest[0].store.log(FORUM).status


def mirror_of(forum: Forum) -> tuple[Ingest, MemberKeys]:
    """Return a node that holds the forum's log."""
    found = following(forum)
    found[0].pull(SimPeer("forum", [forum.log]), FORUM)
    return found
