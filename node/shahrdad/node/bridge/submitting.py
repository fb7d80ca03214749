"""The bridge under four eyes: what it found becomes drafts that a person approves.

    NEW, CHANGED   a record          ──▶ a draft, submitted by the bridge's account
    GONE           a wish to withdraw ──▶ the same
    approve RUN    another person names the digest of the list that was looked at

A dataset has one open draft. While it lies before a person, the bridge adds nothing to
it; what changed at the portal meanwhile comes with the first run after the decision.
What a person returned or discarded is not proposed again until the portal changes it.
"""

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import ConflictError, Reason, RequestError, ShahrdadError
from shahrdad.federation.bridge.decisions import Decision
from shahrdad.federation.bridge.packages import Package
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import record
from shahrdad.node.accounts import audit
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.roles import Action, Actor, Grant, Role, Scope
from shahrdad.node.bridge import records, waiting
from shahrdad.node.bridge.keeping import Contents, Shelf
from shahrdad.node.bridge.ledger import Ledger
from shahrdad.node.bridge.rows import Run, Seen, Source
from shahrdad.node.bridge.waiting import Waiting
from shahrdad.node.desk import drafting, drafts
from shahrdad.node.desk.drafts import Draft, Revision
from shahrdad.node.http.identity import ulid
from shahrdad.node.store.collection import refer
from shahrdad.node.store.contract import Area

if TYPE_CHECKING:
    from shahrdad.node.city import Newest, Node

KIND = {Decision.NEW: "publish", Decision.CHANGED: "publish", Decision.GONE: "withdraw"}
REFUSED = "returned or discarded here by a person"


class Submitter:
    """Hands in what one source has, as one account.

    Args:
        node: The node.
        source: The source.
        by: Whose token the bridge runs with.

    Raises:
        RequestError: FORBIDDEN, SCOPE_MISSING.
    """

    def __init__(self, node: "Node", source: Source, by: Actor) -> None:
        self._node = node
        self._source = source
        self._ledger = Ledger(node.database.connect)
        self._by = _narrowed(by, source)
        self._drafts: dict[str, Waiting] = {}
        self._new: dict[str, str] = {}  # numbers of drafts that are being made

    def settle_published(self) -> None:
        """Note as applied what was approved since the last run."""
        with self._node.database.transaction() as connection:
            waiting.settle_published(connection, self._source.id)
        connection = self._node.database.connect()
        self._drafts = waiting.of_source(connection, self._source.id)

    def expected(self, held: dict[str, Digest | None]) -> dict[str, Digest | None]:
        """Return what is held once everything before a person is approved.

        What waits already is no news, and no reason for the brake.
        """
        found = dict(held)
        for package, one in self._drafts.items():
            if not one.is_undecided or package not in found:
                continue
            if one.kind == "withdraw":
                del found[package]
            else:
                found[package] = one.digest
        return found

    def has_waiting(self, run: Run, item: Seen) -> bool:
        """Settle a dataset that nothing is to be done with until a person decides."""
        one = self._drafts.get(item.package)
        if one is None:
            return False
        if one.is_undecided:
            self._ledger.settle(run, item.package, "waiting")
            return True
        wanted = KIND.get(item.decision) if item.decision else None
        same = one.digest is not None and one.digest == item.digest
        if one.kind == wanted and (same or wanted == "withdraw"):
            self._ledger.settle(run, item.package, "skipped", detail=REFUSED)
            return True
        return False

    def shelf(self, package: str) -> Shelf:
        """Return where the objects of a dataset's next draft go."""
        old = self._revisable(package, "publish")
        number = old.id if old else ulid()
        self._new[package] = number
        return Shelf(Area.PRIVATE, "draft", number)

    def put(
        self,
        run: Run,
        item: Seen,
        package: Package,
        body: dict[str, Any],
        contents: Contents,
        before: "Newest | None",
    ) -> None:
        """Submit the next version of a dataset."""
        content = strict_json.canonical(body)
        number = self._new.pop(item.package)
        connection = self._node.database.connect()
        for one in record.objects(body):
            refer(connection, Area.PRIVATE, one.digest, "draft", number)
        reports = [one.digest for one in contents.attachments if one.role == "report"]
        revision = Revision(
            kind="publish",
            slug=body["name"],
            answers=json.dumps(
                self._answers(package, body["name"], contents), ensure_ascii=False
            ),
            verdict="valid",
            content=content,
            family=contents.family,
            report=reports[0] if reports else None,
            base=before.version.index if before else None,
        )
        digest = None if contents.come_back else item.digest
        self._submit(run, item, number, revision, digest)

    def withdraw(self, run: Run, item: Seen, slug: str) -> None:
        """Submit the wish that a dataset be withdrawn.

        Raises:
            ConflictError: ALREADY_WITHDRAWN.
        """
        ref = f"{self._node.config.node.city}/{slug}"
        revision = drafting.withdrawal(self._node, ref)
        self._submit(run, item, ulid(), revision, item.digest)

    def _submit(
        self,
        run: Run,
        item: Seen,
        number: str,
        revision: Revision,
        digest: Digest | None,
    ) -> None:
        """Make or revise a draft, submit it and note it: all or nothing."""
        at, by = present(), self._by
        old = self._revisable(item.package, None)
        with self._node.database.transaction() as connection:
            if old is not None and old.id == number:
                draft = drafts.revise(connection, old, by, revision, at)
            else:
                if old is not None:  # of the other kind: what it wished for is over
                    drafts.discard(connection, old, by, at)
                draft = drafts.create(connection, number, by, revision, at)
            draft = drafts.submit(connection, draft, by, at)
            waiting.note(connection, run, item.package, draft.id, digest)

    def _revisable(self, package: str, kind: drafts.Kind | None) -> Draft | None:
        """Return a dataset's draft that went back to the bridge."""
        one = self._drafts.get(package)
        if one is None or one.state not in {"draft", "returned"}:
            return None
        if kind is not None and one.kind != kind:
            return None
        return drafts.get(self._node.database.connect(), one.draft)

    def _answers(
        self, package: Package, slug: str, contents: Contents
    ) -> dict[str, Any]:
        """Return what the portal said, in the form that the desk shows."""
        return {
            "slug": slug,
            "family": contents.family,
            "description": asdict(records.describe(self._source, package, contents)),
            "profile": {},
            "context": {},
            "options": {},
            "bridge": {
                "source": self._source.name,
                "package": package.id,
                "page": records.page_of(self._source, package),
            },
        }


def _narrowed(by: Actor, source: Source) -> Actor:
    """Return who hands in, able to do that below the source's keys and nothing else.

    Asking for a withdrawal is a publisher's right elsewhere. Here it takes none: what a
    program brought in it may ask to take away, and a person decides.

    Raises:
        RequestError: FORBIDDEN, SCOPE_MISSING.
    """
    prefix = f"ckan-{source.name}"
    by.check(Action.BRIDGE, prefix)
    return replace(
        by,
        grants=(Grant(Role.EDITOR, prefix), Grant(Role.PUBLISHER, prefix)),
        scopes=(Scope("draft:write", prefix), Scope("submit", prefix)),
    )


def listed(node: "Node", run: int) -> dict[str, Any]:
    """Return what a run submitted and nobody decided yet, and the list's digest."""
    city = node.config.node.city
    found = [
        {
            "draft": one.draft,
            "kind": one.kind,
            "ref": f"{city}/{one.slug}",
            "digest": one.record.hex if one.record else None,
        }
        for one in waiting.of_run(node.database.connect(), run)
    ]
    digest = Digest.of(strict_json.canonical(found)).hex if found else None
    return {"drafts": found, "digest": digest}


def release(node: "Node", number: int, by: Actor) -> None:
    """Let a held run go on: its next step makes the drafts.

    Raises:
        RequestError: RUN_UNKNOWN, FORBIDDEN, SCOPE_MISSING, FOUR_EYES.
        ConflictError: RUN_NOT_HELD.
    """
    with node.database.exclusive("bridge"):
        run, _ = _for_approval(node, number, by)
        if run.state != "held":
            raise ConflictError(Reason.RUN_NOT_HELD, run=number, state=run.state)
        with node.database.transaction() as connection:
            audit.append(connection, by, "bridge.release", str(number), at=present())
            Ledger(node.database.connect).set_state(number, "applying")


def approve(node: "Node", number: int, digest: Digest, by: Actor) -> dict[str, Any]:
    """Approve and publish all that a run submitted and nobody decided yet.

    Args:
        node: Ready to sign.
        number: The run.
        digest: Of the list that this person looked at.
        by: Another person than the bridge's account.

    Returns:
        The drafts that were published, and those that were refused, with reasons.

    Raises:
        RequestError: RUN_UNKNOWN, FORBIDDEN, SCOPE_MISSING, FOUR_EYES.
        ConflictError: RUN_NOT_HELD: nothing waits; DIGEST_NOT_APPROVED.
    """
    run, source = _for_approval(node, number, by)
    found = listed(node, number)
    if not found["drafts"]:
        raise ConflictError(Reason.RUN_NOT_HELD, run=number, state=run.state)
    if digest.hex != found["digest"]:
        raise ConflictError(
            Reason.DIGEST_NOT_APPROVED, digest=found["digest"], digest_given=digest.hex
        )
    published, failed = [], []
    for one in found["drafts"]:
        try:
            drafting.approve(node, one["draft"], Digest.parse(one["digest"]), by)
        except ShahrdadError as error:
            reason = {"reason": error.reason.value, "detail": str(error)[:500]}
            failed.append({**one, **reason})
        else:
            published.append(one)
    with node.database.transaction() as connection:
        waiting.settle_published(connection, source.id)
    return {"run": number, "published": published, "failed": failed}


def _for_approval(node: "Node", number: int, by: Actor) -> tuple[Run, Source]:
    """Return a run that this person may decide about."""
    ledger = Ledger(node.database.connect)
    run = ledger.run(number)
    source = ledger.source(run.source)
    by.check(Action.APPROVE, f"ckan-{source.name}")
    if by.kind != "person":
        raise RequestError(Reason.FOUR_EYES, account=by.name)
    return run, source
