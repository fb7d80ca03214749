"""Four eyes: what one person prepared, another must approve, through every door."""

import sqlite3
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from account_world import actor, add_person, log_size, settle, strict_node
from shahrdad.datasets.errors import (
    ConflictError,
    Reason,
    RequestError,
    ShahrdadError,
)
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import record
from shahrdad.node.accounts import audit, people
from shahrdad.node.accounts.moments import present, stamp
from shahrdad.node.accounts.roles import MACHINE, parse_grant
from shahrdad.node.city import Node
from shahrdad.node.config import load
from shahrdad.node.desk import drafting, drafts
from shahrdad.node.desk.drafts import Draft, Revision
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.publish import Handed
from shahrdad.node.store.contract import Area

DIGEST = Digest(bytes(32))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Return a node under four eyes with a person of each role."""
    found = strict_node(tmp_path)
    settle(found, password=None)
    return found


def example(number: int = 0) -> Handed:
    """Return a small valid file, its note different for each number."""
    found = handed(find_example("kerman", "org-units"))
    note = f"نسخهٔ {number}"
    return replace(found, description=replace(found.description, note_fa=note))


def submitted(node: Node, author: str = "edna", number: int = 0) -> Draft:
    """Return a draft that was handed in and submitted by one person."""
    by = actor(node, author)
    draft = drafting.draft_file(node, example(number), by).draft
    return drafting.submit(node, draft.id, by)


def written(node: Node, count: int, author: str = "edna") -> list[str]:
    """Return the numbers of drafts, each changed in the second after the one before."""
    by, at = actor(node, author), present()
    with node.database.transaction() as connection:
        for n in range(count):
            revision = Revision("publish", "org-units", "{}", "errors")
            drafts.create(
                connection, f"LISTED{n:04}", by, revision, at + timedelta(seconds=n)
            )
    return [f"LISTED{n:04}" for n in range(count)]


def test_no_draft_is_left_out_of_a_long_list(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch by batch, the last change first; one that changes meanwhile hides none."""
    monkeypatch.setattr(drafts, "DRAFTS_AT_ONCE", 2)
    numbers = written(node, 5)
    connection = node.database.connect()
    walked = []
    for draft in drafts.walk(connection, ["draft"]):
        walked.append(draft.id)
        if draft.id == numbers[3]:
            later = (stamp(present() + timedelta(hours=1)), numbers[0])
            connection.execute("UPDATE draft SET updated=? WHERE id=?", later)
    found = [draft.id for draft in drafts.find(connection, ["draft"])]

    assert numbers[:0:-1] == walked
    assert [numbers[0], *numbers[:0:-1]] == found


def digest_of(draft: Draft) -> Digest:
    """Return what an approver of a draft names."""
    assert draft.digest is not None
    return draft.digest


def refusal(act: object, *arguments: object) -> Reason:
    """Return the reason for which something is refused."""
    assert callable(act)
    with pytest.raises(ShahrdadError) as caught:
        act(*arguments)
    return caught.value.reason


def test_draft_is_invisible_until_another_person_approves(node: Node) -> None:
    """Before: nothing in the log, nothing public. After: the record that was named."""
    size = log_size(node)
    draft = submitted(node)
    body = record.objects(drafting._body(draft.now.content or b"{}"))

    assert size == log_size(node)
    assert all(node.store.stat(Area.OBJECT, item.digest) is None for item in body)

    done = drafting.approve(node, draft.id, digest_of(draft), actor(node, "paul"))
    dataset = node.catalog.get("kerman/org-units")
    ours = node.catalog.body(dataset.digest)["shahrdad"]

    assert ("published", 1, size) == (done.state, done.version, done.index)
    assert draft.digest == dataset.digest
    assert "four-eyes" == ours["approval"]
    assert all(
        node.store.stat(Area.OBJECT, item.digest) for item in body if item.public
    )
    audit.check_head(
        node.database.connect(), ours["audit_head"]["seq"], ours["audit_head"]["hash"]
    )


def test_a_discarded_draft_names_its_objects_no_more(node: Node) -> None:
    """Collection may take what nobody will publish; the file as it came stays."""
    draft = drafting.draft_file(node, example(), actor(node, "edna")).draft
    named = "SELECT COUNT(*) FROM object_ref WHERE kind='draft' AND owner=?"
    (before,) = node.database.connect().execute(named, (draft.id,)).fetchone()
    with node.database.transaction() as connection:
        drafts.discard(connection, draft, actor(node, "edna"), present())
    (after,) = node.database.connect().execute(named, (draft.id,)).fetchone()
    kept = node.database.connect().execute(
        "SELECT kind FROM object_ref WHERE sha256=?",
        ((draft.now.original or Digest.of(b"")).raw,),
    )

    assert before > 1
    assert 0 == after
    assert {("original",)} == set(kept)


@pytest.mark.parametrize("by", ["edna", "petra", "aura", "adam"])
def test_whoever_must_not_approve_cannot(node: Node, by: str) -> None:
    """Neither author nor submitter, auditor or administrator publishes a draft."""
    draft = drafting.draft_file(node, example(), actor(node, "edna")).draft
    draft = drafting.submit(node, draft.id, actor(node, "petra"))
    size = log_size(node)
    reason = refusal(
        drafting.approve, node, draft.id, digest_of(draft), actor(node, by)
    )

    expected = Reason.FOUR_EYES if by == "petra" else Reason.FORBIDDEN
    assert expected is reason
    assert ("submitted", size) == (
        drafts.get(node.database.connect(), draft.id).state,
        log_size(node),
    )


def test_who_wrote_an_earlier_revision_cannot_approve_a_later_one(node: Node) -> None:
    """A publisher who mended a cell had a hand in it, whoever submits in the end."""
    edna, petra = actor(node, "edna"), actor(node, "petra")
    draft = drafting.draft_file(node, example(), edna).draft
    draft = drafting.draft_file(node, example(1), petra, replaced=draft).draft
    draft = drafting.draft_file(node, example(2), edna, replaced=draft).draft
    draft = drafting.submit(node, draft.id, edna)

    assert Reason.FOUR_EYES is refusal(
        drafting.approve, node, draft.id, digest_of(draft), petra
    )
    assert "published" == (
        drafting.approve(node, draft.id, digest_of(draft), actor(node, "paul")).state
    )


def test_only_the_digest_that_was_seen_is_published(node: Node) -> None:
    """A draft that changed after it was looked at is not what was approved."""
    draft = submitted(node)
    paul = actor(node, "paul")

    assert Reason.DIGEST_NOT_APPROVED is refusal(
        drafting.approve, node, draft.id, DIGEST, paul
    )
    drafts_now = drafting.draft_file
    assert Reason.DRAFT_STATE is refusal(
        lambda: drafts_now(node, example(5), actor(node, "edna"), replaced=draft)
    )


def test_returned_draft_is_mended_and_submitted_again(node: Node) -> None:
    """The reason comes back to its author, and the old approval cannot be used."""
    draft = submitted(node)
    with node.database.transaction() as connection:
        back = drafts.return_(
            connection, draft, actor(node, "paul"), "جمع ستون نمی‌خواند", present()
        )

    assert ("returned", "جمع ستون نمی‌خواند") == (back.state, back.reason)
    assert Reason.DRAFT_STATE is refusal(
        drafting.approve, node, draft.id, digest_of(draft), actor(node, "paul")
    )
    again = drafting.draft_file(node, example(7), actor(node, "edna"), replaced=back)
    sent = drafting.submit(node, again.draft.id, actor(node, "edna"))
    assert Reason.DIGEST_NOT_APPROVED is refusal(
        drafting.approve, node, draft.id, digest_of(draft), actor(node, "paul")
    )
    done = drafting.approve(node, sent.id, digest_of(sent), actor(node, "paul"))
    assert ("published", 2) == (done.state, done.revision)


def test_two_approvals_at_once_publish_once(node: Node) -> None:
    """Of approvers in a race one publishes; the others learn that it is done."""
    add_person(node, "pia", "publisher", password=None)
    draft = submitted(node)
    size = log_size(node)
    done: list[str] = []
    refused: list[Reason] = []

    def race(name: str) -> None:
        mine = Node(node.config)
        try:
            with mine.database.exclusive("publish"):
                mine.start_signing(offline=True)
            by = actor(mine, name)
            done.append(drafting.approve(mine, draft.id, digest_of(draft), by).state)
        except ShahrdadError as error:
            refused.append(error.reason)
        finally:
            mine.close()

    names = ["petra", "paul", "pia"]
    threads = [threading.Thread(target=race, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (["published"], [Reason.DRAFT_STATE] * 2) == (done, refused)
    assert size + 1 == log_size(node)


def test_draft_judged_against_an_older_version_is_stale(node: Node) -> None:
    """Two drafts of one dataset: the second must be judged against the first."""
    first, second = submitted(node, "edna", 1), submitted(node, "edna", 2)
    paul = actor(node, "paul")
    drafting.approve(node, first.id, digest_of(first), paul)

    assert Reason.DRAFT_STALE is refusal(
        drafting.approve, node, second.id, digest_of(second), paul
    )
    assert 1 == len(node.catalog.versions("kerman/org-units"))


def test_kill_between_approval_and_entry_is_finished(node: Node) -> None:
    """An approval that was given is kept; the next start publishes it, once."""
    draft = submitted(node)
    with node.database.transaction() as connection:
        drafts.approve(
            connection, draft, actor(node, "paul"), digest_of(draft), None, present()
        )
    again = Node(node.config)
    with again.database.exclusive("publish"):
        again.start_signing(offline=True)
    (done,) = drafting.finish(again)

    assert ("published", 1) == (done.state, done.version)
    assert [] == drafting.finish(again)
    again.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE draft SET state='approved', approver=author, approved_digest=digest",
        "UPDATE draft SET state='approved', approver=submitter, approved_digest=digest",
        "UPDATE draft SET state='approved', approver=NULL, approved_digest=digest",
        "UPDATE draft SET state='approved', approver={paul}",
        "UPDATE draft SET state='approved', approver={aura}, approved_digest=digest",
        "UPDATE draft SET state='published'",
        "UPDATE draft SET content=x'7b7d'",
        "UPDATE draft SET submitter={paul}",
        "UPDATE draft SET author={paul}",
        "DELETE FROM draft",
        "DELETE FROM draft_writer",
        "UPDATE draft_writer SET account={paul}",
        "INSERT INTO draft SELECT * FROM draft WHERE 0 UNION ALL SELECT 'x', kind,"
        " slug, family, 'approved', revision, answers, file_name, original,"
        " original_bytes, report, verdict, content, digest, base, created, updated,"
        " author, submitter, submitted, {paul}, approved, digest, reason, version, idx"
        " FROM draft",
    ],
)
def test_database_itself_refuses(node: Node, statement: str) -> None:
    """Code that forgets a check cannot approve: the tables hold the rule."""
    submitted(node)
    connection = node.database.connect()
    ids = {one.name: one.id for one in people.every(connection)}

    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement.format(**ids))


def test_log_takes_nothing_that_was_not_approved(node: Node) -> None:
    """The node's own door to the log is shut as well, for puts and for tombstones."""
    draft = submitted(node)
    content = draft.now.content or b""

    assert Reason.APPROVAL_NEEDED is refusal(node.append_put, "ds/org-units", content)
    assert Reason.APPROVAL_NEEDED is refusal(
        node.append_delete, "ds/org-units", "withdrawn"
    )


def test_withdrawal_passes_the_same_way(node: Node) -> None:
    """Taking a dataset back is a publication too."""
    draft = submitted(node)
    drafting.approve(node, draft.id, digest_of(draft), actor(node, "paul"))
    ask = drafting.draft_withdrawal
    wish = ask(node, "kerman/org-units", actor(node, "petra"))

    assert Reason.FORBIDDEN is refusal(
        ask, node, "kerman/org-units", actor(node, "edna")
    )
    assert Reason.FOUR_EYES is refusal(
        drafting.approve, node, wish.id, digest_of(wish), actor(node, "petra")
    )
    assert "live" == node.catalog.get("kerman/org-units").state
    done = drafting.approve(node, wish.id, digest_of(wish), actor(node, "paul"))
    assert "published" == done.state
    assert "withdrawn" == node.catalog.get("kerman/org-units").state
    assert (
        Reason.FORBIDDEN
        is refusal(
            drafting.draft_withdrawal, node, "kerman/org-units", actor(node, "edna")
        )
        or "withdrawn" == node.catalog.get("kerman/org-units").state
    )


def test_file_with_errors_cannot_be_submitted(node: Node) -> None:
    """The draft keeps file and report; nobody can be asked to approve it."""
    bad = handed(find_example("kerman", "projects-bad"))
    found = drafting.draft_file(node, bad, actor(node, "edna"))

    assert ("errors", None) == (found.draft.now.verdict, found.draft.digest)
    assert Reason.DRAFT_NOT_VALID is refusal(
        drafting.submit, node, found.draft.id, actor(node, "edna")
    )


def test_role_below_a_prefix_reaches_no_further(node: Node) -> None:
    """A publisher of the budget does not approve another unit's file."""
    add_person(node, "bob", "publisher:budget", password=None)
    draft = submitted(node)

    assert Reason.FORBIDDEN is refusal(
        drafting.approve, node, draft.id, digest_of(draft), actor(node, "bob")
    )


def test_token_reaches_no_further_than_its_scopes(node: Node) -> None:
    """A publisher's token to submit does not approve."""
    draft = submitted(node)
    weak = actor(node, "paul", ("draft:write", "submit"))
    narrow = actor(node, "paul", ("approve:budget",))
    right = actor(node, "paul", ("approve:org-units",))

    for by in (weak, narrow):
        assert Reason.SCOPE_MISSING is refusal(
            drafting.approve, node, draft.id, digest_of(draft), by
        )
    done = drafting.approve(node, draft.id, digest_of(draft), right)
    assert "published" == done.state


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["revise", "submit", "return", "approve", "discard", "role"]),
        st.sampled_from(["edna", "petra", "paul", "pia"]),
    ),
    min_size=1,
    max_size=14,
)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Return one node for all the stories below; each has its own dataset."""
    found = strict_node(tmp_path_factory.mktemp("busy"))
    settle(found, password=None)
    add_person(found, "pia", "publisher", password=None)
    return found


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(acts=ACTS)
def test_no_story_ends_with_one_person_publishing(
    busy: Node, acts: list[tuple[str, str]]
) -> None:
    """Whatever people do in whatever order, an approver had no hand in the draft.

    The model beside the node remembers who did what; the two must agree on every step.
    """
    connection = busy.database.connect()
    (count,) = connection.execute("SELECT COUNT(*) FROM draft").fetchone()
    slug = f"story-{count}"
    hands, size = {"edna"}, log_size(busy)
    with busy.database.transaction() as writer:
        draft = drafts.create(
            writer, f"D{count}", actor(busy, "edna"), revision(slug, 0), present()
        )
    for number, (act, name) in enumerate(acts, 1):
        by = actor(busy, name)
        try:
            draft = step(busy, draft, act, name, number)
        except (RequestError, ConflictError):
            continue
        if act in {"revise", "submit"}:
            hands.add(name)
        if act == "approve":
            assert name not in hands
            assert by.account not in (*draft.writers, draft.author, draft.submitter)
            assert size + 1 == log_size(busy)
    published = draft.state == "published"
    assert size + int(published) == log_size(busy)
    if published:
        assert draft.digest == busy.catalog.get(f"kerman/{slug}").digest


def revision(slug: str, number: int) -> drafts.Revision:
    """Return a revision whose record has no table, so that stories are quick."""
    content = record.build(
        slug=slug,
        city="kerman",
        city_code="1346",
        publisher_fa="شهرداری",
        publisher_en="Municipality",
        family="projects",
        standard={"id": "projects", "version": "1.0.0", "sha256": "0" * 64},
        description=record.Description("عنوان", f"Title {number}"),
        tables=(),
        attachments=(),
        provenance={"approval": "four-eyes"},
        version=1,
        time="2026-11-22T09:00:00Z",
    )
    from shahrdad.federation.verify import strict_json

    return drafts.Revision(
        "publish", slug, "{}", "valid", strict_json.canonical(content)
    )


def step(node: Node, draft: Draft, act: str, name: str, number: int) -> Draft:
    """Do one thing as one person; refused things raise."""
    by, at = actor(node, name), present()
    if act == "approve":
        return drafting.approve(node, draft.id, digest_of(draft), by)
    with node.database.transaction() as connection:
        match act:
            case "revise":
                new = revision(draft.now.slug, number)
                return drafts.revise(connection, draft, by, new, at)
            case "submit":
                return drafts.submit(connection, draft, by, at)
            case "return":
                return drafts.return_(connection, draft, by, "دوباره", at)
            case "discard":
                return drafts.discard(connection, draft, by, at)
            case _:
                grants = [parse_grant("publisher")]
                account = people.find(connection, name)
                people.set_grants(connection, MACHINE, account, grants, at)
    return draft


def test_single_approval_is_shown_as_single(tmp_path: Path) -> None:
    """A city that set "single" on purpose publishes alone, and every record says so."""
    from node_world import make_config, publish_example, ready

    node = ready(Node(load(make_config(tmp_path))))
    outcome = publish_example(node, "org-units")
    body = node.catalog.body(outcome.digest or DIGEST)

    assert "single" == body["shahrdad"]["approval"]
    assert "audit_head" not in body["shahrdad"]
