"""`key`: show the city's signing keys, and change them with an overlap.

show              which keys sign now, and up to which size former ones did
rotate            make the coming key; both sign until the forum approved it
rotate --finish   the coming key signs alone
"""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from shahrdad.datasets.errors import ConflictError, PeerError, Reason, RequestError
from shahrdad.node.console import Common, print_json

if TYPE_CHECKING:
    from shahrdad.federation.verify.note import Verifier
    from shahrdad.node.city import Node

app = App(name="key", help="Show the signing keys, and change them without a gap.")


@app.command(name="rotate")
def rotate(
    *,
    finish: Annotated[bool, Parameter(negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Make the coming key, and write the city's record with both keys as JSON.

    From the next publication on both keys sign; start a running server again, which
    signs with the keys that it opened. Send the record to the forum: shahrdad members
    propose city/SLUG FILE. Repeating it makes no further key.

    Args:
        finish: The forum approved it: let the coming key sign alone, and write the
            record that retires the former one. Old checkpoints and receipts verify
            with the former key for ever.
    """
    (_finish if finish else _begin)(common)


def _begin(common: Common) -> None:
    """Make the coming key."""
    from shahrdad.node.city import open_node
    from shahrdad.node.peering import rotation

    with open_node(common.config) as node, node.database.exclusive("publish"):
        vkey = rotation.begin(node.config.data, node.config.federation.origin)
        fields = record(node, vkey, finished=False)
    print_json(fields)
    common.next_step(
        "سرور را از نو آغاز کنید؛ پس از تأیید دبیرخانه: shahrdad key rotate --finish",
        "Start the server again; once it is approved: shahrdad key rotate --finish",
    )


def _finish(common: Common) -> None:
    """Let the coming key sign alone."""
    from shahrdad.node.city import open_node
    from shahrdad.node.peering import rotation
    from shahrdad.node.peering.trust import members_of

    with open_node(common.config) as node, node.database.exclusive("publish"):
        config = node.config
        origin = config.federation.origin
        signer = rotation.coming(config.data, origin)
        if signer is None:
            raise RequestError(Reason.NO_ROTATION)
        log = node.own_log()
        size = log.head_size if log else 0
        known = {one.vkey for one in node.keys.verifiers(origin, size)}
        if members_of(node) is not None and signer.vkey not in known:
            raise ConflictError(
                Reason.KEY_NOT_APPROVED, vkey=signer.vkey, size=size, origin=origin
            )
        if log is None or not _signed(log.checkpoint or b"", signer.verifier):
            # Else a server that still has the former key alone would go on with it.
            raise ConflictError(Reason.KEY_NOT_SIGNING, size=size)
        fields = record(node, signer.vkey, finished=True)
        rotation.finish(config.data, origin, size)
    print_json(fields)
    common.next_step(
        "این را هم برای دبیرخانه بفرستید؛ سپس سرور را از نو آغاز کنید.",
        "Send this to the forum too; then start the server again.",
    )


@app.command(name="show")
def show(*, common: Common = Common()) -> None:  # noqa: B008
    """Show which keys sign now, and up to which size former ones did."""
    from shahrdad.node.city import open_node
    from shahrdad.node.peering import rotation

    with open_node(common.config) as node:
        data, origin = node.config.data, node.config.federation.origin
        rows = [
            ("former", key.vkey, key.until_size)
            for key in rotation.former(data, origin)
        ]
        rows.append(("present", node.vkey or "", None))
        rows += [
            ("coming", key.vkey, None)
            for key in rotation.public_keys(data, origin)
            if key.until_size is None
        ]
    if common.json:
        print_json(
            [
                {"state": state, "vkey": vkey, "until_size": until}
                for state, vkey, until in rows
            ]
        )
        return
    common.table(["state", "vkey", "until_size"], rows)
    sys.stdout.flush()


def _signed(note: bytes, verifier: "Verifier") -> bool:
    """Tell whether a key signed a note."""
    from shahrdad.federation.verify.checkpoint import open_checkpoint

    try:
        open_checkpoint(note, [verifier])
    except PeerError:
        return False
    return True


def record(node: "Node", vkey: str, *, finished: bool) -> dict[str, Any]:
    """Return the city's record as the member log has it, with the coming key in it.

    Args:
        node: The node; one that no member entry names gets the record of a new member.
        vkey: The coming key.
        finished: Whether the present key is retired at the size of the head.
    """
    origin = node.config.federation.origin
    log = node.own_log()
    size = log.head_size if log else 0
    fields = _published(node) or {
        "city": node.config.node.city,
        "name": {"fa": node.config.node.name_fa, "en": node.config.node.name_en},
        "status": "active",
        "logs": [_log(origin, [_span(node.vkey or "", 0)])],
    }
    for item in fields["logs"]:
        if item["origin"] != origin:
            continue
        if all(span["vkey"] != vkey for span in item["keys"]):
            item["keys"].append(_span(vkey, size))
        for span in item["keys"]:
            if finished and span["vkey"] == node.vkey:
                span["until_size"] = max(size, span["from_size"])
    return fields


def _published(node: "Node") -> dict[str, Any] | None:
    """Return the fields of the newest record of this city in the member log."""
    from shahrdad.federation import approved_note
    from shahrdad.node.peering.trust import members_of

    members = members_of(node)
    key = approved_note.CITY_PREFIX + node.config.node.city
    if members is None or key.removeprefix("city/") not in members.membership.members:
        return None
    live = node.logs.live_entry(members.forum, key)
    body = None if live is None else node.logs.body(live.sha256)
    if body is None:
        return None
    _, _, _, fields = approved_note.read(approved_note.parts(body)[0])
    own = {"forum", "key", "serial"}
    found: dict[str, Any] = json.loads(
        json.dumps({name: value for name, value in fields.items() if name not in own})
    )
    return found


def _log(origin: str, keys: list[dict[str, Any]]) -> dict[str, Any]:
    return {"origin": origin, "state": "open", "frozen_size": None, "keys": keys}


def _span(vkey: str, from_size: int) -> dict[str, Any]:
    return {"vkey": vkey, "from_size": from_size, "until_size": None}
