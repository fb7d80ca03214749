"""Roles, scopes, and the one question: may this actor do this to this dataset?

A role holds for the node or for dataset slugs below a prefix. A token acts as its owner
and reaches no further than its scopes, so both must allow. `budget` as a prefix means
`budget` and `budget-…`, never `budgets`.

>>> from shahrdad.node.accounts.roles import Action, Actor, Grant, Role
>>> editor = Actor(1, "m.karimi", grants=(Grant(Role.EDITOR, "budget"),))
>>> editor.check(Action.SUBMIT, "budget-1404")
>>> editor.may(Action.SUBMIT, "budgets"), editor.may(Action.APPROVE, "budget-1404")
(False, False)
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from shahrdad.datasets.errors import Reason, RequestError

AccountKind = Literal["person", "service"]


class Role(StrEnum):
    """What an account is trusted with."""

    EDITOR = "editor"
    PUBLISHER = "publisher"
    ADMIN = "admin"
    AUDITOR = "auditor"


class Action(StrEnum):
    """Something that an account asks for; the value stands in the audit."""

    UPLOAD = "upload"
    DRAFT_READ = "draft.read"
    DRAFT_ASK = "draft.ask"  # for anything: each kind of draft has its own right
    DRAFT_WRITE = "draft.write"
    SUBMIT = "draft.submit"
    RETURN = "draft.return"
    APPROVE = "draft.approve"
    WITHDRAW = "withdraw"
    REDACT = "redact"
    REDACT_APPROVE = "redact.approve"
    FEEDBACK = "feedback.decide"
    BRIDGE = "bridge.run"
    ACCOUNTS = "accounts"
    TOKENS = "tokens"
    TOKENS_OWN = "tokens.own"
    AUDIT_READ = "audit.read"
    METRICS_READ = "metrics.read"
    IDENTITY = "identity"


_EVERYONE = frozenset(Role)
_WRITERS = frozenset({Role.EDITOR, Role.PUBLISHER})
ALLOWED: dict[Action, frozenset[Role]] = {
    Action.UPLOAD: _WRITERS,
    Action.DRAFT_READ: _EVERYONE,
    Action.DRAFT_ASK: _WRITERS | {Role.ADMIN},
    Action.DRAFT_WRITE: _WRITERS,
    Action.SUBMIT: _WRITERS,
    Action.RETURN: frozenset({Role.PUBLISHER}),
    Action.APPROVE: frozenset({Role.PUBLISHER}),
    Action.WITHDRAW: frozenset({Role.PUBLISHER}),
    Action.REDACT: frozenset({Role.PUBLISHER, Role.ADMIN}),
    Action.REDACT_APPROVE: frozenset({Role.PUBLISHER, Role.ADMIN}),
    Action.FEEDBACK: frozenset({Role.PUBLISHER, Role.ADMIN}),
    Action.BRIDGE: _WRITERS,
    Action.ACCOUNTS: frozenset({Role.ADMIN}),
    Action.TOKENS: frozenset({Role.ADMIN}),
    Action.TOKENS_OWN: _EVERYONE,
    Action.AUDIT_READ: frozenset({Role.AUDITOR}),
    Action.METRICS_READ: frozenset({Role.AUDITOR}),
    Action.IDENTITY: _EVERYONE,
}
SCOPE_OF: dict[Action, str | None] = {  # None: a token is enough, whatever its scopes
    Action.UPLOAD: "draft:write",
    Action.DRAFT_READ: "draft:write",
    Action.DRAFT_ASK: "draft:write",
    Action.DRAFT_WRITE: "draft:write",
    Action.SUBMIT: "submit",
    Action.RETURN: "approve",
    Action.APPROVE: "approve",
    Action.WITHDRAW: "draft:write",
    Action.REDACT: "draft:write",
    Action.REDACT_APPROVE: "approve",
    Action.FEEDBACK: "approve",
    Action.BRIDGE: "bridge:run",
    Action.ACCOUNTS: "admin:accounts",
    Action.TOKENS: "admin:tokens",
    Action.TOKENS_OWN: "admin:tokens",
    Action.AUDIT_READ: "audit:read",
    Action.METRICS_READ: "metrics:read",
    Action.IDENTITY: None,
}
ENOUGH: dict[Action, tuple[str, ...]] = {  # scopes that reach to an action as well
    Action.DRAFT_READ: ("submit", "approve", "audit:read"),
    Action.DRAFT_ASK: ("submit",),
}
REACHING = frozenset({"draft:write", "submit", "approve"})  # take a dataset prefix
SCOPES = (
    "draft:write",
    "submit",
    "approve",
    "audit:read",
    "metrics:read",
    "bridge:run",
    "admin:accounts",
    "admin:tokens",
)
SECOND_FACTOR_ROLES = frozenset({Role.PUBLISHER, Role.ADMIN})
NODE_WIDE = frozenset(
    {Action.ACCOUNTS, Action.TOKENS, Action.AUDIT_READ, Action.METRICS_READ}
)
FRESH = frozenset(  # a session does these only shortly after the password was given
    {
        Action.APPROVE,
        Action.REDACT_APPROVE,
        Action.ACCOUNTS,
        Action.TOKENS,
        Action.TOKENS_OWN,
    }
)


def covers(prefix: str, slug: str) -> bool:
    """Tell whether a dataset's slug lies below a prefix; '' covers everything."""
    return prefix in {"", slug} or slug.startswith(f"{prefix}-")


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A role, for the whole node or for slugs below a prefix."""

    role: Role
    prefix: str = ""

    def __str__(self) -> str:
        """Return it as the command takes it: `editor:budget`."""
        return f"{self.role}:{self.prefix}" if self.prefix else str(self.role)


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """What a token reaches to: a name, and for drafts a dataset prefix."""

    name: str
    prefix: str = ""

    def __str__(self) -> str:
        """Return it as it is written: `approve:budget`."""
        return f"{self.name}:{self.prefix}" if self.prefix else self.name


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and by which right.

    Attributes:
        account: The account's number; 0 is the machine's own operator.
        scopes: Of the token; None with a session, which reaches as far as the roles.
        token: The token's number.
        authenticated: When the password of the session was given last.
        address: Where the request came from; personal.
        request: The number of the request.
    """

    account: int
    name: str
    kind: AccountKind = "person"
    grants: tuple[Grant, ...] = ()
    scopes: tuple[Scope, ...] | None = None
    token: int | None = None
    authenticated: datetime | None = None
    address: str = ""
    request: str = ""

    def holds(self, roles: frozenset[Role], slug: str | None = None) -> bool:
        """Tell whether one of the roles is held, for a dataset or for any."""
        return any(
            grant.role in roles and (slug is None or covers(grant.prefix, slug))
            for grant in self.grants
        )

    def reaches(self, action: Action, slug: str | None = None) -> bool:
        """Tell whether the token's scopes allow an action; a session's always do."""
        wanted = SCOPE_OF[action]
        if self.scopes is None or wanted is None:
            return True
        names = {wanted, *ENOUGH.get(action, ())}
        return any(
            scope.name in names and (slug is None or covers(scope.prefix, slug))
            for scope in self.scopes
        )

    def may(self, action: Action, slug: str | None = None) -> bool:
        """Tell whether roles and scopes allow an action.

        Args:
            action: What is asked for.
            slug: The dataset; None asks whether it is allowed for any.
        """
        allowed = ALLOWED[action]
        if action in NODE_WIDE:
            slug = ""  # a role for some datasets is none for the node
        return self.holds(allowed, slug) and self.reaches(action, slug)

    def check(self, action: Action, slug: str | None = None) -> None:
        """Refuse what is not allowed.

        Raises:
            RequestError: FORBIDDEN, SCOPE_MISSING.
        """
        if self.may(action, slug):
            return
        if self.holds(ALLOWED[action], slug) and not self.reaches(action, slug):
            scope = Scope(SCOPE_OF[action] or "", slug or "")
            raise RequestError(Reason.SCOPE_MISSING, scope=str(scope))
        raise RequestError(
            Reason.FORBIDDEN,
            account=self.name,
            action=action.value,
            roles=", ".join(sorted(ALLOWED[action])),
        )


MACHINE = Actor(0, "machine", "service")  # whoever runs the command on the node itself


def parse_grant(text: str) -> Grant:
    """Return the grant that a person wrote, for example `editor:budget`.

    Raises:
        RequestError: ROLE_WRONG.
    """
    name, _, prefix = text.partition(":")
    if name not in set(Role) or (prefix and not _is_prefix(prefix)):
        raise RequestError(Reason.ROLE_WRONG, role=text[:80], roles=", ".join(Role))
    return Grant(Role(name), prefix)


def parse_scope(text: str) -> Scope:
    """Return the scope that a person wrote, for example `draft:write:budget`.

    Raises:
        RequestError: SCOPE_WRONG.
    """
    for name in SCOPES:
        if text == name:
            return Scope(name)
        prefix = text.removeprefix(f"{name}:")
        if name in REACHING and prefix != text and _is_prefix(prefix):
            return Scope(name, prefix)
    raise RequestError(Reason.SCOPE_WRONG, scope=text[:80], scopes=", ".join(SCOPES))


def _is_prefix(text: str) -> bool:
    from shahrdad.node.config import SLUG

    return bool(SLUG.fullmatch(text)) and len(text) <= 60
