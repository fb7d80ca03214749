"""`/v1/users`, `/v1/tokens`, `/v1/audit`: for administrators and auditors."""

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.accounts import audit, linking, people, second_factor, tokens
from shahrdad.node.accounts.limits import SUBJECT_LETTERS_MAX, TOKEN_DAYS
from shahrdad.node.accounts.roles import ALLOWED, Action, parse_grant, parse_scope
from shahrdad.node.commands.audit import entry_json
from shahrdad.node.commands.token import token_json
from shahrdad.node.commands.user import account_json
from shahrdad.node.http.parameters import LIMIT, Parameter
from shahrdad.node.http.write import members
from shahrdad.node.http.write.writing import Desk, Done, Writing

AFTER = Parameter("after", "integer", "Rows after this one.", default=0)


def list_users(desk: Desk) -> Done:
    """Answer with all accounts."""
    found = people.every(desk.node.database.connect())
    return Done({"items": [account_json(account) for account in found]})


def add_user(desk: Desk) -> Done:
    """Make an account; a second factor is shown in this answer alone."""
    members.check_known(desk.body, ("name", "roles", "kind", "password"))
    grants = [parse_grant(role) for role in members.texts(desk.body, "roles")]
    kind = members.text(desk.body, "kind", "person")
    if kind not in {"person", "service"}:
        raise members.wrong("kind", "person | service")
    with desk.node.database.transaction() as connection:
        account = people.add(
            connection,
            desk.actor,
            members.text(desk.body, "name", letters_max=80),
            grants,
            kind="service" if kind == "service" else "person",
            at=desk.at,
        )
        enrolment = None
        if kind == "person":
            password = members.text(desk.body, "password", letters_max=1024)
            people.set_password(connection, desk.actor, account, password, desk.at)
        if account.needs_second_factor:
            enrolment = second_factor.enrol(
                connection,
                desk.node.account_key,
                account.id,
                account.name,
                desk.node.config.node.city,
            )
    shown = account_json(people.find(desk.node.database.connect(), account.name))
    if enrolment is not None:
        shown |= {
            "otpauth": enrolment.address,
            "recovery_codes": [*enrolment.recovery],
        }
    return Done(shown, 201, {"Location": f"/v1/users/{account.name}"})


def set_roles(desk: Desk) -> Done:
    """Give an account exactly these roles; nobody changes their own."""
    members.check_known(desk.body, ("roles",))
    grants = [parse_grant(role) for role in members.texts(desk.body, "roles")]
    with desk.node.database.transaction() as connection:
        account = _other(desk, people.find(connection, desk.call.path["name"]))
        people.set_grants(connection, desk.actor, account, grants, desk.at)
    changed = people.find(desk.node.database.connect(), account.name)
    return Done(account_json(changed))


def disable_user(desk: Desk) -> Done:
    """Shut an account."""
    with desk.node.database.transaction() as connection:
        account = _other(desk, people.find(connection, desk.call.path["name"]))
        people.disable(connection, desk.actor, account, desk.at)
    return Done(None, 204)


def link_user(desk: Desk) -> Done:
    """Let a person of the city's sign-in service be an account."""
    members.check_known(desk.body, ("subject",))
    issuer = desk.node.config.oidc.issuer
    if not issuer:
        raise RequestError(
            Reason.ADDRESS_UNKNOWN, path=desk.call.request.url.path[:200]
        )
    subject = members.text(desk.body, "subject", letters_max=SUBJECT_LETTERS_MAX)
    with desk.node.database.transaction() as connection:
        account = _other(desk, people.find(connection, desk.call.path["name"]))
        linking.link(connection, desk.actor, account, issuer, subject, desk.at)
    return Done({"account": account.name, "issuer": issuer, "subject": subject})


def unlink_user(desk: Desk) -> Done:
    """Let nobody of the sign-in service be an account any more."""
    with desk.node.database.transaction() as connection:
        account = _other(desk, people.find(connection, desk.call.path["name"]))
        linking.unlink(connection, desk.actor, account, desk.at)
    return Done(None, 204)


def _other(desk: Desk, account: people.Account) -> people.Account:
    """Refuse an administrator who works on their own rights.

    Raises:
        RequestError: FORBIDDEN.
    """
    if account.id == desk.actor.account:
        raise RequestError(
            Reason.FORBIDDEN,
            account=account.name,
            action=Action.ACCOUNTS.value,
            roles=", ".join(sorted(ALLOWED[Action.ACCOUNTS])),
        )
    return account


def list_tokens(desk: Desk) -> Done:
    """Answer with the caller's tokens; an administrator sees all."""
    own = None if desk.actor.may(Action.TOKENS) else desk.actor.account
    found = tokens.every(desk.node.database.connect(), own)
    return Done({"items": [token_json(token) for token in found]})


def create_token(desk: Desk) -> Done:
    """Make a token of the caller's own account; it is shown in this answer alone."""
    members.check_known(desk.body, ("scopes", "days", "name"))
    scopes = [parse_scope(text) for text in members.texts(desk.body, "scopes")]
    days = members.integer(desk.body, "days")
    with desk.node.database.transaction() as connection:
        text, token = tokens.create(
            connection,
            desk.node.account_key,
            desk.actor,
            people.by_id(connection, desk.actor.account),
            scopes,
            days=TOKEN_DAYS if days is None else days,
            name=members.text(desk.body, "name", ""),
            at=desk.at,
        )
    shown = {**token_json(token), "token": text}
    return Done(shown, 201, {"Location": f"/v1/tokens/{token.shown}"})


def revoke_token(desk: Desk) -> Done:
    """Let a token count no more: one's own, or any for an administrator."""
    with desk.node.database.transaction() as connection:
        token = tokens.find(connection, desk.call.path["token"])
        if token.account != desk.actor.name:
            desk.actor.check(Action.TOKENS)
        tokens.revoke(connection, desk.actor, token, desk.at)
    return Done(None, 204)


def list_audit(desk: Desk) -> Done:
    """Answer with rows of the audit, the oldest first."""
    after, limit = desk.call.values["after"], desk.call.values["limit"]
    connection = desk.node.database.connect()
    found = [*audit.entries(connection, after=after, limit=limit)]
    full = len(found) == limit
    return Done(
        {
            "items": [entry_json(entry) for entry in found],
            "next_after": found[-1].seq if full else None,
            "head": audit.head(connection).to_dict(),
        }
    )


def writings() -> list[Writing]:
    """Return the addresses."""
    users, own, user = "/v1/users", "/v1/tokens", "/v1/users/{name}"
    right, token = Action.ACCOUNTS, Action.TOKENS_OWN
    return [
        Writing("listUsers", "GET", users, right, list_users, "The accounts."),
        Writing(
            "addUser",
            "POST",
            users,
            right,
            add_user,
            "Make an account.",
            "json",
            secret=True,
        ),
        Writing(
            "setRoles",
            "PUT",
            f"{user}/roles",
            right,
            set_roles,
            "Give an account its roles.",
            "json",
        ),
        Writing("disableUser", "DELETE", user, right, disable_user, "Shut an account."),
        Writing(
            "linkUser",
            "PUT",
            f"{user}/identity",
            right,
            link_user,
            "Link an account with a person of the sign-in service.",
            "json",
        ),
        Writing(
            "unlinkUser",
            "DELETE",
            f"{user}/identity",
            right,
            unlink_user,
            "Unlink an account.",
        ),
        Writing("listTokens", "GET", own, token, list_tokens, "The tokens."),
        Writing(
            "createToken",
            "POST",
            own,
            token,
            create_token,
            "Make a token.",
            "json",
            secret=True,
        ),
        Writing(
            "revokeToken",
            "DELETE",
            f"{own}/{{token}}",
            token,
            revoke_token,
            "Let a token count no more.",
        ),
        Writing(
            "listAudit",
            "GET",
            "/v1/audit",
            Action.AUDIT_READ,
            list_audit,
            "The audit.",
            parameters=(AFTER, LIMIT),
        ),
    ]
