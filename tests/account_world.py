"""People of a node under four eyes, for tests: accounts, codes, tokens."""

import base64
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp

from node_world import make_config, ready
from shahrdad.node.accounts import people, second_factor, tokens
from shahrdad.node.accounts.moments import present
from shahrdad.node.accounts.roles import (
    MACHINE,
    Actor,
    parse_grant,
    parse_scope,
)
from shahrdad.node.city import Node
from shahrdad.node.config import load

PASSWORD = "سه کبوتر روی بام"
PEOPLE = {
    "edna": ("editor",),
    "petra": ("publisher",),
    "paul": ("publisher",),
    "adam": ("admin",),
    "aura": ("auditor",),
}


@dataclass
class Person:
    """An account, and what its holder knows."""

    name: str
    account: int
    seed: bytes | None = None
    steps: int = 0

    def code(self) -> str:
        """Return a code that was not used yet: of the present step or the next."""
        if self.seed is None:
            return ""
        totp = pyotp.TOTP(base64.b32encode(self.seed).decode())
        step = int(present().timestamp()) // 30 + self.steps
        self.steps += 1
        return totp.generate_otp(step)


def strict_node(folder: Path, city: str = "kerman") -> Node:
    """Return a node under four eyes, ready to sign."""
    config = load(make_config(folder, city))
    publish = replace(config.publish, approval="four-eyes")
    return ready(Node(replace(config, publish=publish)))


def add_person(
    node: Node,
    name: str,
    *roles: str,
    factor: bool = True,
    password: str | None = PASSWORD,
) -> Person:
    """Make an account with a password, and a second factor when asked."""
    at = present()
    grants = [parse_grant(role) for role in roles]
    with node.database.transaction() as connection:
        account = people.add(connection, MACHINE, name, grants, kind="person", at=at)
        if password is not None:  # argon2id takes its time
            people.set_password(connection, MACHINE, account, password, at)
        person = Person(name, account.id)
        if factor:
            enrolment = second_factor.enrol(
                connection, node.account_key, account.id, name, "kerman"
            )
            (secret,) = parse_qs(urlsplit(enrolment.address).query)["secret"]
            person.seed = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return person


def settle(node: Node, password: str | None = PASSWORD) -> dict[str, Person]:
    """Make one person of each role, and a second publisher."""
    return {
        name: add_person(node, name, *roles, factor=name != "edna", password=password)
        for name, roles in PEOPLE.items()
    }


def actor(node: Node, name: str, scopes: tuple[str, ...] | None = None) -> Actor:
    """Return a person as a session, or as a token with these scopes."""
    account = people.find(node.database.connect(), name)
    return Actor(
        account.id,
        account.name,
        account.kind,
        account.grants,
        None if scopes is None else tuple(map(parse_scope, scopes)),
        authenticated=present() if scopes is None else None,
    )


def token_of(node: Node, name: str, *scopes: str) -> str:
    """Return a new token of a person."""
    with node.database.transaction() as connection:
        text, _ = tokens.create(
            connection,
            node.account_key,
            MACHINE,
            people.find(connection, name),
            [parse_scope(scope) for scope in scopes],
            days=90,
            name="test",
            at=present(),
        )
    return text


def log_size(node: Node) -> int:
    """Return how many entries the city's log has."""
    own = node.own_log()
    return own.size if own else 0


__all__ = [
    "PASSWORD",
    "Person",
    "actor",
    "add_person",
    "log_size",
    "settle",
    "strict_node",
    "token_of",
]
