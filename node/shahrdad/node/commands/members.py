"""`members`: who belongs to the federation, by approvals of t of n (federation 10.2).

describe   what a city sends to the forum
propose    a draft that approvers sign
approve    append one approver's line to it; offline text work
publish    put it into the member log, at the forum's node
list       who is a member, and what was refused
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.node.console import Common, print_json

if TYPE_CHECKING:
    from shahrdad.federation.members import MemberKeys
    from shahrdad.node.city import Node

app = App(name="members", help="Who belongs to the federation, and who approves it.")
FILE_BYTES_MAX = 1_048_576


@app.command(name="key")
def key(
    name: str,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("approver.key"),
    common: Common = Common(),  # noqa: B008
) -> None:
    """Make an approver's key; its public half goes to the other cities.

    Keep the file away from any node: it approves members, and nothing else.

    Args:
        name: The name it signs under, for example qom.example.ir/approver.
        output: The file of the secret half.
    """
    from shahrdad.federation.keyfile import create_signer
    from shahrdad.federation.verify.note import valid_name

    if not valid_name(name):
        raise RequestError(
            Reason.PARAMETER_VALUE,
            parameter="NAME",
            value=name,
            expected="qom.example.ir/approver",
        )
    vkey = create_signer(output, name).vkey
    if common.json:
        print_json({"vkey": vkey, "file": str(output)})
    else:
        sys.stdout.write(f"{vkey}\n")


@app.command(name="describe")
def describe(
    *,
    grpc: str = "",
    tls_roots: Path | None = None,
    static: str = "",
    common: Common = Common(),  # noqa: B008
) -> None:
    """Write what the forum needs of this city, as JSON, for `members propose`.

    Args:
        grpc: Address at which other cities reach this node, host:port.
        tls_roots: PEM of the authority that its certificate comes from.
        static: Prefix of its public files, https://…
    """
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        config = node.config
        roots = tls_roots.read_text("ascii") if tls_roots else None
        span = {"vkey": node.vkey, "from_size": 0, "until_size": None}
        fields: dict[str, Any] = {
            "city": config.node.city,
            "name": {"fa": config.node.name_fa, "en": config.node.name_en},
            "status": "active",
            "logs": [
                {
                    "origin": config.federation.origin,
                    "state": "open",
                    "frozen_size": None,
                    "keys": [span],
                }
            ],
        }
        if grpc:
            fields["grpc"] = [{"address": grpc, "tls_roots": roots}]
        if static:
            fields["static"] = [static]
        witness = node.witness_vkey
    print_json(fields)
    if witness:
        common.say(
            f"کلید گواه، برای rules: {witness}", f"Witness, for rules: {witness}"
        )


@app.command(name="propose")
def propose(
    key: str,
    fields: Path,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("proposal.note"),
    common: Common = Common(),  # noqa: B008
) -> None:
    """Write a draft of a member entry: what approvers read and sign.

    Args:
        key: rules, or city/<slug>.
        fields: JSON of the record, without forum, key and serial.
        output: The draft.
    """
    from shahrdad.federation import approved_note, member_records
    from shahrdad.node.city import open_node

    try:
        record = json.loads(_read(fields))
    except ValueError as error:
        raise RequestError(
            Reason.MALFORMED, field=str(fields), detail=str(error)
        ) from error
    with open_node(common.config) as node:
        keys = _members(node)
        serial = keys.membership.next_serial(key)
        if key == approved_note.RULES_KEY:
            member_records.read_rules(keys.forum, record)
        else:
            slug = key.removeprefix(approved_note.CITY_PREFIX)
            member_records.read_member(slug, record)
        text = approved_note.draft(keys.forum, key, serial, record)
        threshold = keys.membership.rules.threshold
    output.write_text(text, "utf-8")
    if common.json:
        print_json({"file": str(output), "key": key, "serial": serial})
        return
    common.say(
        f"پیش‌نویس {key} با شمارهٔ {serial} در {output}؛ {threshold} تأیید لازم است.",
        f"The draft of {key}, serial {serial}, is in {output}; it needs {threshold}"
        " approvals.",
    )
    line = f"shahrdad members approve {output} --key approver.key --name NAME"
    common.next_step(line, line)


@app.command(name="approve")
def approve(
    file: Path,
    *,
    name: str,
    key: Path = Path("approver.key"),
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Show what a draft says, and append an approver's line to it. Needs no network.

    Args:
        file: The draft, or a note that others approved; the line is added in place.
        name: The name of the approver's key.
        key: The file of its secret half.
        yes: Do not ask.
    """
    from shahrdad.federation import approved_note
    from shahrdad.federation.keyfile import load_signer

    content = _read(file)
    text, _ = approved_note.parts(content)
    forum, subject, serial, fields = approved_note.read(text)
    shown = json.dumps(fields, ensure_ascii=False, indent=2)
    common.say(
        f"{forum}، {subject}، شمارهٔ {serial}:\n{shown}",
        f"{forum}, {subject}, serial {serial}:\n{shown}",
    )
    if not yes and sys.stdin.isatty():
        common.say("تأیید می‌کنید؟ (y/n)", "Do you approve? (y/n)")
        if not sys.stdin.readline().strip().lower().startswith("y"):
            return
    note = approved_note.approve(content, load_signer(key, name))
    file.write_bytes(note)
    lines = len(approved_note.parts(note)[1])
    if common.json:
        print_json({"file": str(file), "key": subject, "lines": lines})
    else:
        common.say(f"{lines} امضا دارد.", f"It has {lines} signatures.")


@app.command(name="publish")
def publish(
    *files: Path,
    offline: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Put approved notes into the member log; only the forum's node can.

    A note that would not be applied is refused here, with the reason.

    Args:
        files: The notes, in their order.
        offline: Sign although no peer can be asked.
    """
    from shahrdad.federation import approved_note
    from shahrdad.federation.log.writer import PutEntry
    from shahrdad.federation.verify.digest import Digest
    from shahrdad.node.city import open_node

    published = []
    with open_node(common.config, signing=True, offline=offline) as node:
        keys = _members(node)
        origin = node.config.federation.origin
        if origin != keys.forum:
            raise RequestError(Reason.NOT_THE_FORUM, forum=keys.forum, origin=origin)
        for file in files:
            note = _read(file)
            _, key, _, _ = approved_note.read(approved_note.parts(note)[0])
            with node.database.exclusive("publish"):
                keys.refresh()
                keys.membership.check(key, note)
                # The approvers are the eyes here; a dataset's approval is another.
                digest = Digest.of(note)
                head = node.writer.publish([PutEntry(key, digest)], {digest: note})
                (index,) = head.indexes
            keys.refresh()
            published.append({"file": str(file), "key": key, "index": index})
            common.say(
                f"{key} در دفتر اعضا است (درایهٔ {index}).",
                f"{key} is in the member log (entry {index}).",
            )
    if common.json:
        print_json(published)


@app.command(name="list")
def show(*, common: Common = Common()) -> None:  # noqa: B008
    """List the members, their logs, and the entries that were not applied."""
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        keys = _members(node)
        found = _state(keys)
    if common.json:
        print_json(found)
        return
    common.table(
        ["city", "status", "serial", "log", "state", "frozen_size"],
        [
            (
                member["city"],
                member["status"],
                member["serial"],
                log["origin"],
                log["state"],
                log["frozen_size"],
            )
            for member in found["members"]
            for log in member["logs"]
        ],
    )
    for item in found["refused"]:
        common.say(
            f"اعمال نشد: درایهٔ {item['index']}، {item['key']}: {item['fa']}",
            f"not applied: entry {item['index']}, {item['key']}: {item['en']}",
        )


def _state(keys: "MemberKeys") -> dict[str, Any]:
    """Return what the member log says now."""
    state = keys.membership
    return {
        "forum": keys.forum,
        "rules": {
            "serial": state.serials.get("rules", 0),
            "approvers": list(state.rules.approvers),
            "threshold": state.rules.threshold,
            "witnesses": [one.vkey for one in state.rules.witnesses],
            "quorum": state.rules.quorum,
            "stale_after_hours": state.rules.stale_hours,
        },
        "members": [
            {
                "city": member.city,
                "status": member.standing.value,
                "serial": state.serials[f"city/{member.city}"],
                "logs": [
                    {
                        "origin": log.origin,
                        "state": "closed" if log.closed else "open",
                        "frozen_size": log.frozen_size,
                        "vkeys": [span.vkey for span in log.keys],
                    }
                    for log in member.logs
                ],
            }
            for _, member in sorted(state.members.items())
        ],
        "refused": [
            {
                "index": one.index,
                "key": one.key,
                "reason": one.error.reason.value,
                "fa": one.error.text("fa"),
                "en": one.error.text("en"),
            }
            for one in state.judged
            if one.error is not None
        ],
        "waiting_for": [digest.hex for digest in keys.wanted],
    }


def _members(node: "Node") -> "MemberKeys":
    """Return the members that a node follows.

    Raises:
        RequestError: NO_MEMBER_LOG.
    """
    from shahrdad.node.peering.trust import members_of

    keys = members_of(node)
    if keys is None:
        raise RequestError(Reason.NO_MEMBER_LOG)
    return keys


def _read(file: Path) -> bytes:
    """Return a file of at most `FILE_BYTES_MAX` bytes.

    Raises:
        RequestError: FILE_NOT_FOUND.
        PeerError: TOO_LARGE.
    """
    if not file.is_file():
        raise RequestError(Reason.FILE_NOT_FOUND, path=str(file))
    with file.open("rb") as opened:
        content = opened.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise PeerError(
            Reason.TOO_LARGE, size_bytes=len(content), size_bytes_max=FILE_BYTES_MAX
        )
    return content
