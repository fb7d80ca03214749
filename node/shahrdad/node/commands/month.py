"""`month`: what every log was when a Jalali month ended (federation 10.7).

close    the forum's node publishes the roots of all logs
verify   any node checks them against the entries that it holds
show     the published line and its receipt, for the minutes and for the archive
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from shahrdad.datasets.errors import ConflictError, PeerError, Reason, RequestError
from shahrdad.node.console import Common, print_json
from shahrdad.node.exit_codes import ExitCode

if TYPE_CHECKING:
    from shahrdad.federation.month_roots import Checked, Made
    from shahrdad.federation.verify.digest import Digest
    from shahrdad.node.city import Node

app = App(name="month", help="The root of all logs at a month's end.")


@app.command(name="close")
def close(
    month: str | None = None,
    *,
    offline: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Publish every log's size and root at the end of a month; only the forum's node.

    It counts what a quorum of witnesses confirmed. Repeating it changes nothing. Write
    the 64 digits into the minutes: they pin every entry that any city ever published.

    Args:
        month: A Jalali month, for example 1404-08; by default the last that is over.
        offline: Sign although no peer can be asked.
    """
    from shahrdad.federation import month_roots
    from shahrdad.federation.log.writer import PutEntry
    from shahrdad.federation.verify.digest import Digest
    from shahrdad.node.analysis.month import Month, instant
    from shahrdad.node.city import open_node

    now = datetime.now(UTC)
    wanted = Month.parse(month) if month else _last_month(now)
    if wanted.end >= instant(now):
        raise RequestError(Reason.MONTH_NOT_OVER, month=wanted.text, end=wanted.end)
    with open_node(common.config, signing=True, offline=offline) as node:
        forum, origin = _forum(node), node.config.federation.origin
        if origin != forum:
            raise RequestError(Reason.NOT_THE_FORUM, forum=forum, origin=origin)
        with node.database.exclusive("publish"):
            made = month_roots.make(
                node.logs, node.keys, forum, wanted.text, wanted.end
            )
            bodies = made.roots.bodies()
            content = bodies[-1][1]
            digest = Digest.of(content)
            before = month_roots.published(node.logs, forum, wanted.text)
            if before is not None and before[1] != content:
                raise ConflictError(
                    Reason.MONTH_CLOSED, month=wanted.text, index=before[0]
                )
            entries = [PutEntry(key, Digest.of(body)) for key, body in bodies]
            index = node.writer.publish(
                entries, {Digest.of(body): body for _, body in bodies}
            ).indexes[-1]
    if common.json:
        print_json(
            {
                "month": wanted.text,
                "index": index,
                "logs": len(made.roots.logs),
                "unconfirmed": list(made.unconfirmed),
                "sha256": digest.hex,
            }
        )
        return
    _tell_closed(common, made, index, digest)


def _tell_closed(
    common: Common, made: "Made", index: int | None, digest: "Digest"
) -> None:
    """Say what was closed and left out, and print the digits for the minutes."""
    from shahrdad.federation.month_roots import groups

    month, logs = made.roots.month, len(made.roots.logs)
    common.say(
        f"ماه {month} با {logs} دفتر بسته شد (درایهٔ {index}).",
        f"The month {month} is closed with {logs} logs (entry {index}).",
    )
    for left_out in made.unconfirmed:
        common.say(
            f"  {left_out}: بیرون ماند؛ گواهان تأییدش نکرده‌اند.",
            f"  {left_out}: left out; no quorum of witnesses confirmed it.",
        )
    sys.stdout.write(f"{groups(digest)}\n")
    common.next_step(
        f"این ۶۴ رقم را در صورت‌جلسه بنویسید. همه: shahrdad month verify {month}",
        "Write these 64 digits into the minutes. Everybody: shahrdad month verify"
        f" {month}",
    )


@app.command(name="verify")
def verify(
    *months: str,
    digest: str | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Check published roots against the entries held here, hashed again one by one.

    Args:
        months: Jalali months; all that are closed when left out.
        digest: The 64 digits of the minutes, of one month; spaces do not matter.
    """
    from shahrdad.federation import month_roots
    from shahrdad.federation.verify.digest import Digest
    from shahrdad.node.city import open_node

    report: list[dict[str, Any]] = []
    with open_node(common.config) as node:
        forum = _forum(node)
        for month in months or month_roots.months(node.logs, forum):
            _, content = _published(node, forum, month)
            actual = Digest.of(content)
            if digest is not None and "".join(digest.split()).lower() != actual.hex:
                raise PeerError(
                    Reason.DIGEST_MISMATCH, expected=digest, actual=actual.hex
                )
            roots = month_roots.read(content, node.logs.body)
            checked = list(month_roots.check(node.logs, roots))
            report.append(_judged(month, actual.hex, checked))
    if common.json:
        print_json(report)
    else:
        for one in report:
            _say(one, common)
    wrong = [one for one in report if one["differs"]]
    if wrong:
        raise PeerError(
            Reason.MONTH_DIFFERS,
            month=wrong[0]["month"],
            origins=", ".join(wrong[0]["differs"]),
        )
    if any(one["not_held"] for one in report):
        sys.exit(ExitCode.PARTLY)


@app.command(name="show")
def show(
    month: str,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Write a month's published roots, and with a file's name their receipt beside it.

    The receipt proves offline that the forum published exactly these bytes. Roots of
    very many logs are in parts, which the first file names by SHA-256.

    Args:
        month: A Jalali month, for example 1404-08.
        output: The file; the receipt gets `.tlog-proof` after its name, a part its
            number.
    """
    from shahrdad.federation import month_roots
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        forum = _forum(node)
        index, content = _published(node, forum, month)
        receipt = node.logs.receipt(forum, index)
        digests = month_roots.part_digests(content) if output else []
        parts = [node.logs.body(digest) or b"" for digest in digests]
    if output is None:
        sys.stdout.write(content.decode("utf-8") + "\n")
        return
    for number, part in enumerate(parts, 1):
        output.with_name(f"{output.name}.{number}").write_bytes(part)
    proof = output.with_name(f"{output.name}.tlog-proof")
    output.write_bytes(content)
    proof.write_bytes(receipt)
    if common.json:
        print_json({"file": str(output), "receipt": str(proof)})
    else:
        common.say(f"در {output} و {proof}.", f"In {output} and {proof}.")


def _judged(month: str, digest: str, checked: "list[Checked]") -> dict[str, Any]:
    """Return what was found of one month, as JSON values."""
    from shahrdad.federation.month_roots import Agreement

    def of(agreement: Agreement) -> list[str]:
        return [one.published.origin for one in checked if one.agreement is agreement]

    return {
        "month": month,
        "sha256": digest,
        "logs": len(checked),
        "same": len(of(Agreement.SAME)),
        "differs": of(Agreement.DIFFERS),
        "not_held": of(Agreement.NOT_HELD),
    }


def _say(found: dict[str, Any], common: Common) -> None:
    """Tell a person what was found of one month."""
    common.say(
        f"{found['month']}: {found['same']} دفتر از {found['logs']} همان است که منتشر"
        " شده.",
        f"{found['month']}: {found['same']} of {found['logs']} logs are what was"
        " published.",
    )
    for origin in found["differs"]:
        common.say(
            f"  {origin}: ریشه‌ای دیگر دارد؛ درایه‌ای عوض شده است.",
            f"  {origin}: has another root; an entry was changed.",
        )
    for origin in found["not_held"]:
        common.say(
            f"  {origin}: اینجا تا آن اندازه نگه داشته نشده است.",
            f"  {origin}: is not held here up to that size.",
        )


def _last_month(now: datetime) -> Any:
    """Return the last month that is over, in Tehran."""
    from shahrdad.node.analysis.month import Month
    from shahrdad.node.download import TEHRAN

    return Month.of(now.astimezone(TEHRAN).date()).before


def _published(node: "Node", forum: str, month: str) -> tuple[int, bytes]:
    """Return index and body of a month's roots.

    Raises:
        RequestError: MONTH_UNKNOWN, MONTH_NOT_CLOSED.
    """
    from shahrdad.federation import month_roots
    from shahrdad.node.analysis.month import Month

    text = Month.parse(month).text
    found = month_roots.published(node.logs, forum, text)
    if found is None:
        raise RequestError(Reason.MONTH_NOT_CLOSED, month=text)
    return found


def _forum(node: "Node") -> str:
    """Return the origin of the member log.

    Raises:
        RequestError: NO_MEMBER_LOG.
    """
    from shahrdad.node.peering.trust import members_of

    members = members_of(node)
    if members is None:
        raise RequestError(Reason.NO_MEMBER_LOG)
    return members.forum
