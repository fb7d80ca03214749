"""`shahrdad token`: what programs and the command line act with."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from shahrdad.node.console import Common, print_json

if TYPE_CHECKING:
    from shahrdad.node.accounts.tokens import Token

app = App(name="token", help="Tokens: made once, shown once, revoked at will.")


@app.command
def create(
    *,
    user: Annotated[str, Parameter(name=["--user", "-u"])],
    scope: Annotated[tuple[str, ...], Parameter(name=["--scope", "-s"])],
    days: int | None = None,
    name: str = "",
    password_file: Path | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Make a token of an account; it is written to stdout, this once.

    A person proves to be that person: password, and the second factor's code on the
    line below it, from a terminal, a file or standard input. A token acts as its owner:
    whoever holds it counts as that person in four eyes.

    Args:
        user: The account.
        scope: draft:write, submit or approve (below a dataset prefix with a colon:
            submit:budget), audit:read, metrics:read, bridge:run, admin:accounts,
            admin:tokens. May be repeated.
        days: How long it lives; 90 when left out, at most 365.
        name: What it is for.
        password_file: Password, and code on the second line.
    """
    from shahrdad.node.accounts import people, tokens
    from shahrdad.node.accounts.acting import prove
    from shahrdad.node.accounts.limits import TOKEN_DAYS
    from shahrdad.node.accounts.moments import present
    from shahrdad.node.accounts.roles import MACHINE, parse_scope
    from shahrdad.node.city import open_node

    scopes = [parse_scope(text) for text in scope]
    with open_node(common.config) as node:
        owner = people.find(node.database.connect(), user)
        if owner.kind == "person":
            prove(node, owner, password_file, common.text("گذرواژه: ", "Password: "))
        with node.database.transaction() as connection:
            text, token = tokens.create(
                connection,
                node.account_key,
                MACHINE,
                owner,
                scopes,
                days=TOKEN_DAYS if days is None else days,
                name=name,
                at=present(),
            )
    if common.json:
        print_json({**token_json(token), "token": text})
    else:
        sys.stdout.write(f"{text}\n")
        common.say(
            f"تا {token.expires[:10]}؛ دیگر نشان داده نمی‌شود.",
            f"Until {token.expires[:10]}; it is not shown again.",
        )
    common.next_step(
        "آن را در فایلی با دسترسی 0600 بگذارید و SHAHRDAD_TOKEN_FILE را به آن برسانید.",
        "Put it into a file of mode 0600, and name that in SHAHRDAD_TOKEN_FILE.",
    )


@app.command
def list(*, user: str | None = None, common: Common = Common()) -> None:  # noqa: A001, B008
    """List the tokens: whose, what they reach, until when, when they were used.

    Args:
        user: Of this account alone.
    """
    from shahrdad.node.accounts import people, tokens
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        connection = node.database.connect()
        account = None if user is None else people.find(connection, user).id
        found = tokens.every(connection, account)
    if common.json:
        print_json([token_json(token) for token in found])
        return
    common.table(
        ["token", "user", "name", "scopes", "expires", "used", "state"],
        [
            (
                token.shown,
                token.account,
                token.name,
                " ".join(map(str, token.scopes)),
                token.expires[:10],
                token.used_day,
                "revoked" if token.revoked else "active",
            )
            for token in found
        ],
    )


@app.command
def revoke(token: str, *, common: Common = Common()) -> None:  # noqa: B008
    """Let a token count no more, from this moment.

    Args:
        token: Its first eight characters, as `token list` shows them.
    """
    from shahrdad.node.accounts import tokens
    from shahrdad.node.accounts.moments import present
    from shahrdad.node.accounts.roles import MACHINE
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        with node.database.transaction() as connection:
            found = tokens.find(connection, token)
            tokens.revoke(connection, MACHINE, found, present())
        found = tokens.by_id(node.database.connect(), found.id)
    if common.json:
        print_json(token_json(found))
        return
    common.say(f"توکن {found.shown} باطل شد.", f"The token {found.shown} is revoked.")


def token_json(token: "Token") -> dict[str, Any]:
    """Return the stable JSON shape of a token; never the token itself."""
    return {
        "id": token.id,
        "shown": token.shown,
        "user": token.account,
        "name": token.name,
        "scopes": [str(scope) for scope in token.scopes],
        "created": token.created,
        "expires": token.expires,
        "revoked": token.revoked,
        "used_day": token.used_day,
        "used_network": token.used_network,
    }
