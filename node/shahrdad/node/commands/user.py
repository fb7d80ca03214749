"""`shahrdad user`: accounts, made by whoever may run this on the node's machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from shahrdad.node.console import Common, print_json

if TYPE_CHECKING:
    from shahrdad.node.accounts.people import Account
    from shahrdad.node.accounts.roles import AccountKind
    from shahrdad.node.accounts.second_factor import Enrolment
    from shahrdad.node.city import Node

app = App(name="user", help="Accounts: who may prepare, approve, administer, audit.")
ROLE = Parameter(name=["--role", "-r"])


@app.command
def add(
    name: str,
    *,
    role: Annotated[tuple[str, ...], ROLE],
    service: Annotated[bool, Parameter(negative="")] = False,
    password_file: Path | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Make an account; its password comes from a terminal, a file or standard input.

    A publisher or administrator gets a second factor: an otpauth address for a
    telephone, and recovery codes. Both are shown once.

    Args:
        name: For example m.karimi.
        role: editor, publisher, admin or auditor; below a dataset prefix with a colon:
            publisher:budget. May be repeated.
        service: A program: no password, and it never approves.
        password_file: A file that holds the password.
    """
    from shahrdad.node.accounts.acting import read_secret

    ask = common.text("گذرواژه: ", "Password: ")
    password = "" if service else read_secret(name, password_file, ask)
    account, enrolment = make(common, name, role, password, service=service)
    show(common, account, enrolment)
    scope = "draft:write --scope submit" if service else "submit"
    common.next_step(
        f"shahrdad token create --user {name} --scope {scope}",
        f"shahrdad token create --user {name} --scope {scope}",
    )


def make(
    common: Common,
    name: str,
    roles: tuple[str, ...],
    password: str,
    *,
    service: bool = False,
) -> "tuple[Account, Enrolment | None]":
    """Make an account, and its second factor where its roles need one."""
    from shahrdad.node.accounts import people
    from shahrdad.node.accounts.moments import present
    from shahrdad.node.accounts.roles import MACHINE, parse_grant
    from shahrdad.node.city import open_node

    grants = [parse_grant(text) for text in roles]
    with open_node(common.config) as node:
        at = present()
        kind: AccountKind = "service" if service else "person"
        enrolment = None
        with node.database.transaction() as connection:
            account = people.add(connection, MACHINE, name, grants, kind=kind, at=at)
            if not service:
                people.set_password(connection, MACHINE, account, password, at)
            if account.needs_second_factor:
                enrolment = _enrol(node, connection, account)
        return people.find(node.database.connect(), name), enrolment


@app.command
def list(*, common: Common = Common()) -> None:  # noqa: A001, B008
    """List the accounts with their roles."""
    from shahrdad.node.accounts import people
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        found = people.every(node.database.connect())
    if common.json:
        print_json([account_json(account) for account in found])
        return
    common.table(
        ["name", "kind", "roles", "second factor", "state"],
        [
            (
                account.name,
                account.kind,
                " ".join(map(str, account.grants)),
                "yes" if account.has_second_factor else "no",
                "disabled" if account.disabled else "active",
            )
            for account in found
        ],
    )


@app.command
def role(
    name: str,
    roles: tuple[str, ...],
    /,
    *,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Give an account exactly these roles; its sessions end.

    Args:
        name: The account.
        roles: For example editor publisher:budget.
    """
    from shahrdad.node.accounts import people
    from shahrdad.node.accounts.moments import present
    from shahrdad.node.accounts.roles import MACHINE, parse_grant
    from shahrdad.node.city import open_node

    grants = [parse_grant(text) for text in roles]
    with open_node(common.config) as node:
        with node.database.transaction() as connection:
            account = people.find(connection, name)
            people.set_grants(connection, MACHINE, account, grants, present())
        changed = people.find(node.database.connect(), name)
        show(common, changed, None)
    if changed.needs_second_factor and not changed.has_second_factor:
        common.next_step(
            f"shahrdad user second-factor {name}", f"shahrdad user second-factor {name}"
        )


@app.command
def password(
    name: str,
    *,
    password_file: Path | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Give a person a new password; all sessions of the account end.

    Args:
        name: The account.
        password_file: A file that holds the new password.
    """
    from shahrdad.node.accounts import people
    from shahrdad.node.accounts.acting import read_secret
    from shahrdad.node.accounts.moments import present
    from shahrdad.node.accounts.roles import MACHINE
    from shahrdad.node.city import open_node

    ask = common.text("گذرواژهٔ تازه: ", "New password: ")
    text = read_secret(name, password_file, ask)
    with open_node(common.config) as node, node.database.transaction() as connection:
        account = people.find(connection, name)
        people.set_password(connection, MACHINE, account, text, present())
    common.say(f"گذرواژهٔ {name} عوض شد.", f"The password of {name} is changed.")


@app.command(name="second-factor")
def second_factor(name: str, *, common: Common = Common()) -> None:  # noqa: B008
    """Give a person a new second factor, and new recovery codes; the old ones end.

    Args:
        name: The account.
    """
    from shahrdad.node.accounts import people
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        with node.database.transaction() as connection:
            account = people.find(connection, name)
            enrolment = _enrol(node, connection, account)
        show(common, people.find(node.database.connect(), name), enrolment)


@app.command
def disable(name: str, *, common: Common = Common()) -> None:  # noqa: B008
    """Shut an account: its sessions, tokens and roles count no more.

    Args:
        name: The account.
    """
    from shahrdad.node.accounts import people
    from shahrdad.node.accounts.moments import present
    from shahrdad.node.accounts.roles import MACHINE
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        with node.database.transaction() as connection:
            account = people.find(connection, name)
            people.disable(connection, MACHINE, account, present())
        show(common, people.find(node.database.connect(), name), None)


@app.command
def link(
    name: str,
    *,
    subject: str,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Let a person of the city's sign-in service be this account.

    The identifier stands on the page that a person sees who is not linked yet; it gives
    no role. The account's sessions end.

    Args:
        name: The account.
        subject: The service's own identifier of the person (the claim `sub`).
    """
    from shahrdad.datasets.errors import Reason, RequestError
    from shahrdad.node.accounts import linking, people
    from shahrdad.node.accounts.moments import present
    from shahrdad.node.accounts.roles import MACHINE
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        issuer = node.config.oidc.issuer
        if not issuer:
            raise RequestError(
                Reason.CONFIG_VALUE, key="oidc.issuer", value="", expected="https://…"
            )
        with node.database.transaction() as connection:
            account = people.find(connection, name)
            linking.link(connection, MACHINE, account, issuer, subject, present())
    common.say(
        f"{name} از این پس با {subject} در {issuer} وارد می‌شود.",
        f"{name} signs in as {subject} at {issuer} from now on.",
    )


@app.command
def unlink(name: str, *, common: Common = Common()) -> None:  # noqa: B008
    """Let nobody of the city's sign-in service be this account any more.

    Args:
        name: The account.
    """
    from shahrdad.node.accounts import linking, people
    from shahrdad.node.accounts.moments import present
    from shahrdad.node.accounts.roles import MACHINE
    from shahrdad.node.city import open_node

    with open_node(common.config) as node, node.database.transaction() as connection:
        account = people.find(connection, name)
        linking.unlink(connection, MACHINE, account, present())
    common.say(f"پیوند {name} برداشته شد.", f"{name} is linked no more.")


def _enrol(node: "Node", connection: Any, account: "Account") -> "Enrolment":
    """Make a second factor and say so in the audit.

    Raises:
        RequestError: ACCOUNT_KIND.
    """
    from shahrdad.datasets.errors import Reason, RequestError
    from shahrdad.node.accounts import audit, second_factor
    from shahrdad.node.accounts.moments import present
    from shahrdad.node.accounts.roles import MACHINE

    if account.kind == "service":
        raise RequestError(
            Reason.ACCOUNT_KIND, account=account.name, what="second factor"
        )
    audit.append(
        connection, MACHINE, "account.second-factor", account.name, at=present()
    )
    city = node.config.node.city
    return second_factor.enrol(
        connection, node.account_key, account.id, account.name, city
    )


def account_json(account: "Account") -> dict[str, Any]:
    """Return the stable JSON shape of an account."""
    return {
        "name": account.name,
        "kind": account.kind,
        "roles": [str(grant) for grant in account.grants],
        "second_factor": account.has_second_factor,
        "created": account.created,
        "disabled": account.disabled,
    }


def shown_once(account: "Account", enrolment: "Enrolment | None") -> dict[str, Any]:
    """Return an account with its new second factor, which is shown this once."""
    found = account_json(account)
    if enrolment is not None:
        found["otpauth"] = enrolment.address
        found["setup_key"] = enrolment.key
        found["recovery_codes"] = [*enrolment.recovery]
    return found


def show(common: Common, account: "Account", enrolment: "Enrolment | None") -> None:
    """Print an account, and a new second factor once."""
    found = shown_once(account, enrolment)
    if common.json:
        print_json(found)
        return
    common.table(
        ["member", "value"],
        [
            (key, value if isinstance(value, str | bool | None) else " ".join(value))
            for key, value in found.items()
        ],
    )
