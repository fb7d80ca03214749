"""What `shahrdad doctor` looks at besides: clock, log file, people, tokens, audit.

Each check answers for itself, as in `examination`.
"""

import stat
from collections.abc import Callable
from datetime import timedelta

from shahrdad.datasets.errors import PeerError
from shahrdad.node.accounts import audit, people, tokens
from shahrdad.node.accounts.comparing import check_records
from shahrdad.node.accounts.keys import FILE_NAME
from shahrdad.node.accounts.limits import TOKEN_WARNING_DAYS
from shahrdad.node.accounts.moments import present, stamp
from shahrdad.node.accounts.roles import Role
from shahrdad.node.city import Node
from shahrdad.node.config import Config
from shahrdad.node.desk import drafts
from shahrdad.node.operating.findings import Finding

WAL_BYTES_MAX = 256 * 1024**2
CLOCK_SECONDS_MAX = 60  # that an entry's time may lie in the future


def _clock(config: Config) -> Finding:
    """Compare the clock with the newest entry that this node holds of any log."""
    with Node(config) as node:
        (newest,) = (
            node.database.connect()
            .execute("SELECT MAX(time) FROM dataset_version")
            .fetchone()
        )
    now = present()
    if newest and newest > stamp(now + timedelta(seconds=CLOCK_SECONDS_MAX)):
        return Finding(
            "clock",
            "failure",
            f"ساعت {stamp(now)} است و درایه‌ای از {newest} هست.",
            f"The clock says {stamp(now)}, and an entry is of {newest}.",
            "ساعت را با NTP میزان کنید: timedatectl set-ntp true",
            "Set the clock by NTP: timedatectl set-ntp true",
        )
    return Finding("clock", "ok", stamp(now), stamp(now))


def _wal(config: Config) -> Finding:
    """A write-ahead log that only grows has a reader that never ends."""
    path = config.data / "node.db-wal"
    size = path.stat().st_size if path.exists() else 0
    megabytes = f"{size / 1e6:.1f}"
    if size > WAL_BYTES_MAX:
        return Finding(
            "wal",
            "warning",
            f"دفترچهٔ نوشتن {megabytes} مگابایت است.",
            f"The write-ahead log has {megabytes} MB.",
            "گره را دوباره آغاز کنید: systemctl restart shahrdad",
            "Start the node again: systemctl restart shahrdad",
        )
    return Finding("wal", "ok", f"{megabytes} مگابایت", f"{megabytes} MB")


def _account_key(config: Config) -> Finding:
    """Look at the key of tokens and second factors: readable by its owner alone."""
    path = config.data / FILE_NAME
    if not path.exists():
        return Finding("accounts-key", "ok", "هنوز نیست.", "There is none yet.")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding(
            "accounts-key",
            "failure",
            f"دیگران هم می‌توانند {path} را بخوانند ({mode:o}).",
            f"Others can read {path} too ({mode:o}).",
            f"chmod 600 {path}",
            f"chmod 600 {path}",
        )
    return Finding("accounts-key", "ok", "تنها برای شماست.", "It is yours alone.")


def _people(config: Config) -> Finding:
    """Four eyes need an author and another person who may approve."""
    with Node(config) as node:
        active = [
            one for one in people.every(node.database.connect()) if not one.disabled
        ]
    if config.publish.approval == "single":
        return Finding("people", "ok", "یک تأیید بس است.", "One approval is enough.")
    publishers = {
        one.name
        for one in active
        if one.kind == "person" and any(g.role is Role.PUBLISHER for g in one.grants)
    }
    writers = {
        one.name
        for one in active
        if any(g.role in {Role.EDITOR, Role.PUBLISHER} for g in one.grants)
    }
    bare = sorted(
        one.name
        for one in active
        if one.needs_second_factor and not one.has_second_factor
    )
    if not publishers or len(writers) < 2:
        return Finding(
            "people",
            "failure",
            "برای چهار چشم دو نفر می‌خواهید که یکی منتشرکننده باشد.",
            "Four eyes need two people, and one of them a publisher.",
            "shahrdad user add NAME --role publisher",
            "shahrdad user add NAME --role publisher",
        )
    if bare:
        return Finding(
            "people",
            "warning",
            f"بی عامل دوم: {', '.join(bare)}",
            f"Without a second factor: {', '.join(bare)}",
            f"shahrdad user second-factor {bare[0]}",
            f"shahrdad user second-factor {bare[0]}",
        )
    return Finding("people", "ok", f"{len(active)} حساب", f"{len(active)} accounts")


def _tokens(config: Config) -> Finding:
    """Name the tokens that end within a week."""
    with Node(config) as node:
        found = tokens.expiring(node.database.connect(), present(), TOKEN_WARNING_DAYS)
    if found:
        names = ", ".join(
            f"{one.account}/{one.shown} {one.expires[:10]}" for one in found
        )
        return Finding(
            "tokens",
            "warning",
            f"به پایان می‌رسند: {names}",
            f"These end soon: {names}",
            "shahrdad token create",
            "shahrdad token create",
        )
    return Finding("tokens", "ok", "هیچ یک به پایان نزدیک نیست.", "None ends soon.")


def _approved(config: Config) -> Finding:
    """An approved draft that is not published was stopped by a kill or an error."""
    with Node(config) as node:
        waiting = drafts.find(node.database.connect(), ["approved"])
    if waiting:
        names = ", ".join(one.id for one in waiting)
        return Finding(
            "approved-drafts",
            "warning",
            f"تأیید شده و منتشر نشده: {names}",
            f"Approved and not published: {names}",
            "تأیید بعدی آن را هم منتشر می‌کند؛ نخست سبب را در doctor ببینید.",
            "The next approval publishes it too; first look for the cause here.",
        )
    return Finding("approved-drafts", "ok", "هیچ", "None")


def _audit(config: Config) -> Finding:
    """Walk the audit's chain, and compare it with the signed records."""
    try:
        with Node(config) as node:
            head = audit.verify(node.database.connect())
            check_records(node)
    except PeerError as error:
        return Finding(
            "audit",
            "failure",
            error.text("fa"),
            error.text("en"),
            "پشتیبان را ببینید و دسترسی به این رایانه را بررسی کنید.",
            "Compare with a backup, and find out who had access to this machine.",
        )
    return Finding("audit", "ok", f"{head.seq} ردیف", f"{head.seq} rows")


CHECKS: tuple[tuple[str, Callable[[Config], Finding]], ...] = (
    ("clock", _clock),
    ("wal", _wal),
    ("accounts-key", _account_key),
    ("people", _people),
    ("tokens", _tokens),
    ("approved-drafts", _approved),
    ("audit", _audit),
)
