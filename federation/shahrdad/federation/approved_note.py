r"""Approved notes: what at least t of n approvers signed (federation 10.2).

    shahrdad/member@v1
    {"city":"kerman","forum":"forum.example.ir/members","key":"city/kerman","serial":1,…}

    — rasht.example.ir/approver EBFeGZ…
    — qom.example.ir/approver X3NCQZ…

The second line is one JSON object in JCS. `forum`, `key` and `serial` bind an approval
to its log, its key and its place: without the serial, whoever publishes could append an
old approved note again and revive a revoked key. Approving is offline text work: each
approver appends a line to a file.

>>> from shahrdad.federation.verify.note import Kind, Signer
>>> text = draft("forum.example.ir/members", "city/qom", 1, {"status": "active"})
>>> signer = Signer.from_seed("qom.example.ir/approver", bytes(32), Kind.LOG)
>>> note = approve(text.encode(), signer)
>>> opened = open_approved(note, [signer.verifier])
>>> opened.key, opened.serial, len(opened.approvers)
('city/qom', 1, 1)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import BODY_BYTES_MAX
from shahrdad.federation.verify import note as notes
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.note import Opened, Signer, Verifier

RULES_KEY = "rules"
CITY_PREFIX = "city/"
TITLES = {"rules": "shahrdad/rules@v1", "city": "shahrdad/member@v1"}


@dataclass(frozen=True, slots=True)
class ApprovedNote:
    """A note as read; `approvers` are the key ids whose lines verified."""

    forum: str
    key: str
    serial: int
    fields: Mapping[str, Any]
    approvers: frozenset[tuple[str, bytes]]

    def approvals(self, verifiers: Sequence[Verifier]) -> int:
        """Return how many of some approvers signed."""
        known = {(verifier.name, verifier.key_id) for verifier in verifiers}
        return len(known & self.approvers)


def title_of(key: str) -> str:
    """Return the first line of a note under a key of the member log.

    Raises:
        PeerError: MALFORMED: no approvals belong under this key.
    """
    if key == RULES_KEY:
        return TITLES["rules"]
    if not key.startswith(CITY_PREFIX):
        _refuse(f"{key[:80]} is neither rules nor a city")
    return TITLES["city"]


def draft(forum: str, key: str, serial: int, fields: Mapping[str, Any]) -> str:
    """Return the text to approve, without signatures.

    Args:
        forum: Origin of the member log.
        key: `rules` or `city/<slug>`.
        serial: The last applied one of that key + 1; the first is 1.
        fields: The record; the three above are set in it.
    """
    whole = {**fields, "forum": forum, "key": key, "serial": serial}
    return f"{title_of(key)}\n{strict_json.canonical(whole).decode('utf-8')}\n"


def approve(content: bytes, signer: Signer) -> bytes:
    """Append an approver's line to a draft, or to a note that others approved.

    Raises:
        PeerError: MALFORMED: it is neither.
    """
    text, lines = parts(content)
    read(text)
    kept = [line for line in lines if line.name != signer.name]
    return notes.join(text, [*kept, signer.sign(text)])


def parts(content: bytes) -> tuple[str, list[notes.Signature]]:
    """Part a draft or a note into its text and its lines, none of them verified.

    Raises:
        PeerError: MALFORMED, TOO_LARGE.
    """
    if content.count(b"\n") == 2 and content.endswith(b"}\n"):
        try:
            return content.decode("utf-8"), []
        except UnicodeDecodeError:
            _refuse("not UTF-8")
    return notes.split(content)


def read(text: str) -> tuple[str, str, int, dict[str, Any]]:
    """Read the text of a note: forum, key, serial and all fields.

    Raises:
        PeerError: MALFORMED.
    """
    lines = text.split("\n")
    if len(lines) != 3 or lines[2]:
        _refuse("expected a title and one line of JSON")
    fields = strict_json.loads(lines[1].encode("utf-8"), bytes_max=BODY_BYTES_MAX)
    forum, key, serial = (fields.get(name) for name in ("forum", "key", "serial"))
    if not isinstance(forum, str) or not isinstance(key, str):
        _refuse("forum and key are texts")
    if not isinstance(serial, int) or isinstance(serial, bool) or serial < 1:
        _refuse("serial is a number from 1 on")
    if lines[0] != title_of(key):
        _refuse(f"{lines[0][:80]!r} is not the title of {key[:80]}")
    return forum, key, serial, fields


def open_approved(content: bytes, approvers: Sequence[Verifier]) -> ApprovedNote:
    """Read a note that at least one of some approvers signed.

    Raises:
        PeerError: MALFORMED, TOO_LARGE; BAD_SIGNATURE: a known line fails, or none is.
    """
    opened: Opened = notes.open_note(content, approvers)
    forum, key, serial, fields = read(opened.text)
    signed = frozenset((line.name, line.key_id) for line in opened.signatures)
    return ApprovedNote(forum, key, serial, fields, signed)


def _refuse(detail: str) -> NoReturn:
    raise PeerError(Reason.MALFORMED, field="approved note", detail=detail)
