"""The bridge under four eyes: a program hands in, a person decides, nothing is lost."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from account_world import actor, log_size, settle, strict_node
from bridge_story import AGENT, Story, filled
from ckan_simulator import URL, File, Portal, PortalDialler
from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.federation.bridge.files import FileFetcher
from shahrdad.federation.bridge.site import CkanSite
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.accounts import audit, people
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.roles import MACHINE, Actor, parse_grant, parse_scope
from shahrdad.node.bridge import submitting, waiting
from shahrdad.node.bridge.inward import InwardBridge
from shahrdad.node.city import Node
from shahrdad.node.desk import drafting, drafts
from shahrdad.node.store.contract import Area


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node under four eyes, with a publisher and the bridge's own account."""
    with strict_node(tmp_path_factory.mktemp("city")) as made:
        settle(made, password=None)
        with made.database.transaction() as connection:
            people.add(
                connection,
                MACHINE,
                "bridge",
                [parse_grant("editor")],
                kind="service",
                at=present(),
            )
        yield made


class Desk(Story):
    """A source whose datasets wait for a person."""

    def bridge(self, *scopes: str) -> InwardBridge:
        """Return a bridge that acts as the service account's token."""
        dialler: Any = PortalDialler(self.portal)
        site = CkanSite(URL, dialler, AGENT, wait_seconds=0)
        fetcher = FileFetcher(dialler, AGENT, bytes_max=100_000)
        source = self.ledger.source(self.name)
        by = actor(self.node, "bridge", scopes or ("bridge:run",))
        return InwardBridge(self.node, source, site, fetcher, by)

    def approve(self, report: dict[str, Any], name: str = "petra") -> dict[str, Any]:
        """Approve what a run submitted, as its report lists it."""
        digest = Digest.parse(report["digest"])
        return submitting.approve(
            self.node, report["run"], digest, actor(self.node, name, ("approve",))
        )

    def only(self, report: dict[str, Any]) -> drafts.Draft:
        """Return the one draft of a run."""
        (one,) = report["drafts"]
        return drafts.get(self.node.database.connect(), one["draft"])

    def give_back(self, report: dict[str, Any]) -> drafts.Draft:
        """Return a run's one draft to the bridge."""
        with self.node.database.transaction() as connection:
            draft = self.only(report)
            by = actor(self.node, "petra", ("approve",))
            return drafts.return_(connection, draft, by, "unclear", present())


def test_nothing_is_published_before_a_person_approves(node: Node) -> None:
    """A run submits drafts; the approval of its list publishes exactly these."""
    story = Desk(node, filled(3))

    first, second = story.run(), story.run()
    before = story.held()
    approved = story.approve(first)
    third = story.run()

    assert (0, 3, 0) == (
        first["entries"],
        first["counts"]["submitted"],
        len(before),
    )
    assert (0, 3, []) == (
        second["counts"]["submitted"],
        second["counts"]["waiting"],
        second["drafts"],
    )
    assert (3, []) == (len(approved["published"]), approved["failed"])
    assert story.equal()
    assert (0, 3) == (third["entries"], third["counts"]["unchanged"])


def test_record_names_both_accounts_and_the_portal(node: Node) -> None:
    """The approved record says four eyes; the draft knows who had which hand in it."""
    story = Desk(node, filled(1))

    report = story.run()
    story.approve(report)
    draft = story.only(report)
    (body,) = story.held().values()
    connection = node.database.connect()

    assert "four-eyes" == body["shahrdad"]["approval"]
    assert "audit_head" in body["shahrdad"]
    assert ("bridge", "bridge", "petra") == (
        people.name_of(connection, draft.author),
        people.name_of(connection, draft.submitter),
        people.name_of(connection, draft.approver),
    )
    assert audit.verify(connection).seq > 0


def test_edit_and_withdrawal_wait_too(node: Node) -> None:
    """A change is a draft of the next version, a deletion a wish for removal."""
    story = Desk(node, filled(3))
    story.approve(story.run())
    story.portal.put("a000", title="Edited")
    story.portal.delete("a001")

    report = story.run()
    kinds = sorted(one["kind"] for one in report["drafts"])
    untouched = len(story.held())
    story.approve(report)

    assert (["publish", "withdraw"], 3) == (kinds, untouched)
    assert story.equal()
    assert 0 == story.run()["entries"]


def test_what_changes_meanwhile_comes_after_the_decision(node: Node) -> None:
    """A draft before a person stays as it is; the next run brings what is newer."""
    story = Desk(node, filled(1))
    first = story.run()
    story.portal.put("a000", title="Newer")

    waiting = story.run()
    story.approve(first)
    between = story.equal()
    after = story.run()
    story.approve(after)

    assert (1, 0) == (waiting["counts"]["waiting"], waiting["counts"]["submitted"])
    assert (False, 1) == (between, after["counts"]["submitted"])
    assert story.equal()


def test_gone_before_its_first_approval(node: Node) -> None:
    """A dataset that left the portal while it waited is taken back afterwards."""
    story = Desk(node, filled(2))
    first = story.run()
    story.portal.delete("a001")
    story.approve(first)

    report = story.run()
    story.approve(report)

    assert ["withdraw"] == [one["kind"] for one in report["drafts"]]
    assert story.equal()


def test_returned_draft_is_revised_when_the_portal_changes_it(node: Node) -> None:
    """A person's no stands for what was seen, and for nothing else."""
    story = Desk(node, filled(1))
    first = story.run()
    story.give_back(first)

    again = story.run()
    story.portal.put("a000", title="Mended")
    mended = story.run()
    story.approve(mended)

    assert (0, 0) == (again["counts"]["submitted"], again["counts"]["waiting"])
    assert story.only(first).id == mended["drafts"][0]["draft"]
    assert story.equal()


def test_withdrawal_that_was_returned_gives_way_to_a_change(node: Node) -> None:
    """When the dataset is back at the portal, the wish for its removal is over."""
    story = Desk(node, filled(2))
    story.approve(story.run())
    story.portal.delete("a001")
    wish = story.give_back(story.run())
    story.portal.put("a001", title="Back", state="active")

    story.approve(story.run())

    assert "discarded" == drafts.get(node.database.connect(), wish.id).state
    assert story.equal()


def test_brake_is_released_by_a_person_and_the_bridge_goes_on(node: Node) -> None:
    """Whoever looks at a held run only lets it go on; the drafts are the bridge's."""
    story = Desk(node, filled(8))
    story.approve(story.run())
    for number in range(6):
        story.portal.delete(f"a00{number}")

    held = story.run()
    petra = actor(node, "petra", ("approve",))
    submitting.release(node, held["run"], petra)
    report = story.run()
    done = story.approve(report)

    assert ("held", "gone", []) == (held["state"], held["brake"], held["drafts"])
    assert (held["run"], 6) == (report["run"], report["counts"]["submitted"])
    assert 6 == len(done["published"])
    assert story.equal()


def test_withdrawals_that_wait_do_not_pull_the_brake_again(node: Node) -> None:
    """What lies before a person already is no news to the next run."""
    story = Desk(node, filled(12))
    story.approve(story.run())
    for number in range(5):
        story.portal.delete(f"a00{number}")
    story.run()
    story.portal.delete("a005")

    report = story.run()

    assert (None, 1) == (report["brake"], report["counts"]["submitted"])


def test_list_that_changed_is_not_approved(node: Node) -> None:
    """An approver names the digest of the list; one draft decided alone changes it."""
    story = Desk(node, filled(2))
    report = story.run()
    first = drafts.get(node.database.connect(), report["drafts"][0]["draft"])
    size = log_size(node)
    assert first.digest is not None
    drafting.approve(node, first.id, first.digest, actor(node, "paul"))

    with pytest.raises(ConflictError) as caught:
        story.approve(report)
    left = submitting.listed(node, report["run"])
    story.approve({**report, **left})

    assert Reason.DIGEST_NOT_APPROVED is caught.value.reason
    assert (1, size + 2) == (len(left["drafts"]), log_size(node))
    assert 0 == story.run()["entries"]


@pytest.mark.parametrize(
    ("name", "scopes", "reason"),
    [
        ("edna", ("approve",), Reason.FORBIDDEN),
        ("petra", ("bridge:run",), Reason.SCOPE_MISSING),
        ("bridge", ("approve",), Reason.FORBIDDEN),
    ],
)
def test_not_everybody_approves(
    node: Node, name: str, scopes: tuple[str, ...], reason: Reason
) -> None:
    """An editor, a token without the scope, and the bridge itself are refused."""
    story = Desk(node, filled(1))
    report = story.run()

    with pytest.raises(RequestError) as caught:
        submitting.approve(
            node,
            report["run"],
            Digest.parse(report["digest"]),
            actor(node, name, scopes),
        )

    assert reason is caught.value.reason
    assert {} == story.held()


def test_person_whose_token_ran_the_bridge_does_not_approve(node: Node) -> None:
    """A token acts as its owner: the drafts are that person's, who cannot approve."""
    story = Desk(node, filled(1))
    portal: Any = PortalDialler(story.portal)
    site = CkanSite(URL, portal, AGENT, wait_seconds=0)
    source = story.ledger.source(story.name)
    petra = actor(node, "petra", ("bridge:run", "approve"))

    report = InwardBridge(node, source, site, None, petra).run()
    refused = submitting.approve(
        node, report["run"], Digest.parse(report["digest"]), petra
    )
    story.approve(report, "paul")

    assert [Reason.FOUR_EYES.value] == [one["reason"] for one in refused["failed"]]
    assert story.equal()


def test_scope_is_asked_for(node: Node) -> None:
    """A token without `bridge:run` hands nothing in."""
    story = Desk(node, filled(1))

    with pytest.raises(RequestError) as caught:
        story.bridge("draft:write", "submit")

    assert Reason.SCOPE_MISSING is caught.value.reason


def test_bridge_reaches_no_other_dataset(node: Node) -> None:
    """Its account may draft below its own keys only, and approve nothing there."""
    source = Desk(node).ledger.sources()[0]
    by = actor(node, "bridge", ("bridge:run",))

    narrowed: Actor = submitting._narrowed(by, source)
    slug = f"ckan-{source.name}-budget"

    assert narrowed.may(drafts.BY_KIND["publish"], slug)
    assert narrowed.may(drafts.BY_KIND["withdraw"], slug)
    assert not narrowed.may(drafts.BY_KIND["publish"], "budget")
    assert parse_scope("approve") not in (narrowed.scopes or ())


def test_files_are_private_until_the_approval(node: Node) -> None:
    """What a portal's server gave is nobody's to read before a person looked."""
    portal = Portal()
    portal.files[f"{URL}/files/x.csv"] = File(b"a\n1\n")
    resource = {"name": "x", "format": "csv", "url": f"{URL}/files/x.csv"}
    portal.put("f1", resources=[{"id": "r", **resource}])
    story = Desk(node, portal)
    digest = Digest.of(b"a\n1\n")

    report = story.run()
    before = node.store.stat(Area.OBJECT, digest)
    story.approve(report)
    portal.files[f"{URL}/files/x.csv"] = File(b"a\n2\n")
    newer = story.run()
    story.approve(newer)
    (body,) = story.held().values()

    assert before is None
    assert node.store.stat(Area.OBJECT, digest) is not None
    assert 1 == newer["counts"]["submitted"]
    assert Digest.of(b"a\n2\n").hex in str(body["resources"])


@pytest.mark.parametrize("step", ["note", "settle"])
def test_kill_between_draft_and_ledger_makes_no_second_draft(
    node: Node, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Draft and note are one transaction; a kill after them repeats nothing."""
    story = Desk(node, filled(2))
    bridge = story.bridge()

    class Killed(BaseException):
        """Nothing after it is done."""

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        if step == "note":
            patched.setattr(waiting, "note", die)
        else:
            patched.setattr(bridge._ledger, "settle", die, raising=False)
        with pytest.raises(Killed):
            bridge.run()
    report = story.run()
    rows = _drafts_below(node.database.connect(), f"ckan-{story.name}-")
    story.approve(report)

    assert 2 == rows == len(report["drafts"])
    assert story.equal()


def _drafts_below(connection: sqlite3.Connection, prefix: str) -> int:
    row = connection.execute(
        "SELECT COUNT(*) FROM draft WHERE slug GLOB ?", (f"{prefix}*",)
    ).fetchone()
    return int(row[0])


def test_walk_of_decisions_ends_as_the_portal_is(tmp_path: Path) -> None:
    """Whatever is approved and edited between, the last approvals make both equal."""
    drawing = random.Random(1404)
    with strict_node(tmp_path) as node:
        settle(node, password=None)
        with node.database.transaction() as connection:
            roles = [parse_grant("editor")]
            people.add(
                connection, MACHINE, "bridge", roles, kind="service", at=present()
            )
        story = Desk(node, filled(6))
        for turn in range(6):
            for _ in range(2):
                number = f"a00{drawing.randrange(6)}"
                if drawing.random() < 0.3:
                    story.portal.delete(number)
                else:
                    story.portal.put(number, title=f"t{turn}", state="active")
            report = story.run()
            for one in report["drafts"]:
                draft = drafts.get(node.database.connect(), one["draft"])
                fate = drawing.choice(["approve", "wait"])
                if fate == "approve" and draft.digest is not None:
                    drafting.approve(node, draft.id, draft.digest, actor(node, "petra"))
        for _ in range(3):  # what waits, then what changed meanwhile
            report = story.run()
            for run in story.ledger.runs(story.ledger.source(story.name).id):
                left = submitting.listed(node, run.id)
                if left["drafts"]:
                    story.approve({"run": run.id, **left})
        assert story.equal()
        assert 0 == story.run()["counts"]["waiting"]
