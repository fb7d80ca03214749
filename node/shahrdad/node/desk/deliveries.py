"""Deliveries: a municipality's running system hands its data in by itself, regularly.

    fetched ──▶ the same bytes as last time: nothing
            └─▶ judged ──▶ errors: a draft that a person mends
                       └─▶ valid: submitted; a person approves as always

A delivery acts as an account of the node, usually a service account with the role
editor, so it never approves anything. Under single approval a valid file is published.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import structlog

from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError
from shahrdad.node.accounts import people
from shahrdad.node.accounts.moments import parse, present, stamp
from shahrdad.node.accounts.roles import Actor
from shahrdad.node.desk.delivery_sources import fetch

if TYPE_CHECKING:
    from shahrdad.node.city import Node
    from shahrdad.node.config import DeliverySection
    from shahrdad.node.publish import Handed

LOG = structlog.get_logger("shahrdad.deliveries")
State = Literal["same", "errors", "submitted", "published", "unchanged", "failed"]


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a delivery.

    Attributes:
        draft: The draft that it became.
        problem: The sentence of the error that ended it, in English.
    """

    name: str
    state: State
    at: str
    draft: str | None = None
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "name": self.name,
            "state": self.state,
            "at": self.at,
            "draft": self.draft,
            "problem": self.problem,
        }


def find(node: "Node", name: str) -> "DeliverySection":
    """Return a delivery of the configuration.

    Raises:
        RequestError: DELIVERY_UNKNOWN.
    """
    for one in node.config.deliveries:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in node.config.deliveries) or "–"
    raise RequestError(Reason.DELIVERY_UNKNOWN, name=name[:80], deliveries=known)


def run_due(node: "Node", at: datetime) -> list[Delivered]:
    """Run every delivery whose time has come; the error of one stops no other."""
    rows = dict(
        node.database.connect().execute("SELECT name, at FROM delivery").fetchall()
    )
    found = []
    for one in node.config.deliveries:
        last = rows.get(one.name)
        wait = timedelta(minutes=one.interval_minutes)
        if one.interval_minutes and (last is None or parse(last) + wait <= at):
            found.append(run(node, one))
            LOG.info("delivery", **found[-1].to_dict())
    return found


def run(node: "Node", delivery: "DeliverySection") -> Delivered:
    """Fetch, judge and hand in what a source holds now; note what became of it."""
    at = stamp(present())
    try:
        done, digest = _run(node, delivery, at)
    except (ShahrdadError, OSError) as error:
        text = error.text("en") if isinstance(error, ShahrdadError) else str(error)
        done, digest = Delivered(delivery.name, "failed", at, problem=text), None
    node.database.connect().execute(
        "INSERT INTO delivery VALUES (?,?,?,?,?,?) ON CONFLICT(name) DO UPDATE SET"
        " at=excluded.at, state=excluded.state, problem=excluded.problem,"
        " sha256=COALESCE(excluded.sha256, sha256),"
        " draft=COALESCE(excluded.draft, draft)",
        (done.name, done.at, done.state, digest, done.draft, done.problem),
    )
    return done


def _run(
    node: "Node", delivery: "DeliverySection", at: str
) -> tuple[Delivered, bytes | None]:
    actor = acting(node, delivery)
    folder = node.config.data / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as place:
        file = fetch(node, delivery, Path(place))
        with file.open("rb") as content:
            digest = _digest(content)
        row = (
            node.database.connect()
            .execute("SELECT sha256 FROM delivery WHERE name=?", (delivery.name,))
            .fetchone()
        )
        if row is not None and row[0] == digest:
            return Delivered(delivery.name, "same", at), None
        state, draft = hand_in(node, handed(node, delivery, file), actor)
    return Delivered(delivery.name, state, at, draft), digest


def hand_in(node: "Node", given: "Handed", actor: Actor) -> tuple[State, str | None]:
    """Make a submitted draft of a file, or publish it where one approval is enough."""
    from shahrdad.node.desk import drafting
    from shahrdad.node.publish import publish

    if node.config.publish.approval == "single":
        with node.database.exclusive("publish"):
            node.start_signing()
        outcome = publish(node, given)[0]
        states: dict[str, State] = {
            "published": "published",
            "unchanged": "unchanged",
        }
        return states.get(outcome.state, "errors"), None
    draft = drafting.draft_file(node, given, actor).draft
    if draft.now.verdict == "valid":
        draft = drafting.submit(node, draft.id, actor)
        return "submitted", draft.id
    return ("unchanged" if draft.now.verdict == "unchanged" else "errors"), draft.id


def handed(node: "Node", delivery: "DeliverySection", file: Path) -> "Handed":
    """Return a delivered file with what the configuration says of it."""
    from shahrdad.node.incoming.handing import handed_of
    from shahrdad.node.incoming.profiles import FOLDER, Profiles

    profile = None
    if delivery.profile:
        saved = Profiles(node.config.data / FOLDER).get(delivery.profile)
        profile = dict(saved.descriptor)
    return handed_of(
        node.config,
        file,
        family=delivery.family,
        slug=delivery.slug or None,
        fiscal_year=delivery.fiscal_year or None,
        profile=profile,
        options={
            "unit": delivery.unit or None,
            "calendar": delivery.calendar or None,
            "isolate": True,
        },
    )


def acting(node: "Node", delivery: "DeliverySection") -> Actor:
    """Return the account that a delivery acts as.

    Raises:
        RequestError: ACCOUNT_UNKNOWN, UNAUTHENTICATED.
    """
    account = people.find(node.database.connect(), delivery.account)
    if account.disabled:
        raise RequestError(Reason.UNAUTHENTICATED)
    return Actor(account.id, account.name, account.kind, account.grants)


def _digest(content: Any) -> bytes:
    found = sha256()
    while chunk := content.read(1 << 20):
        found.update(chunk)
    return found.digest()
