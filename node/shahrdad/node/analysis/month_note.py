"""The code of a month, and the note by which a node signs its report.

The code is the SHA-256 of the logs that the report stands on: whoever holds the same
logs computes the same code, before the report is even made. It is read aloud in the
meeting and written by hand into the minutes, so it is shown in groups of eight digits.

The note is a signed note of C2SP. Its first line is no log's origin, so that no
signature of a report can pass for one of a log's head:

    shahrdad.monthly-report.v1 kerman.example/catalog
    1404-08
    sha256:9f86…0a08
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.month_roots import LogRoot, MonthRoots, groups
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.analysis.checkpoints import Checkpoint

if TYPE_CHECKING:
    from shahrdad.federation.verify.note import Signer, Verifier

TITLE = "shahrdad.monthly-report.v1"


def code(forum: str, month: str, pinned: Sequence[Checkpoint]) -> str:
    """Return the code of a month: 64 hex digits over its logs (federation 10.7).

    It is the digest of the line that `shahrdad month close` publishes, when the forum
    pinned the same logs.

    Args:
        forum: Origin of the member log; "" where the node follows none.
        month: For example `1404-08`.
        pinned: Each log's size and root at the end of the month.
    """
    logs = tuple(LogRoot(one.origin, one.size, one.root) for one in sorted(pinned))
    _, content = MonthRoots(forum, month, logs).bodies()[-1]
    return Digest.of(content).hex


def grouped(digits: str) -> list[str]:
    """Return the digits of a code in groups, as they are read aloud.

    >>> grouped("00" * 32)[0]
    '00000000'
    """
    return groups(Digest.parse(digits)).split()


def text(origin: str, month: str, content: bytes) -> str:
    """Return what a node signs of a report."""
    return f"{TITLE} {origin}\n{month}\nsha256:{sha256(content).hexdigest()}\n"


def sign(content: bytes, month: str, signer: "Signer") -> bytes:
    """Return the note of a report, signed by a node's key."""
    from shahrdad.federation.verify.note import join

    told = text(signer.name, month, content)
    return join(told, [signer.sign(told)])


def check(
    note: bytes, content: bytes, month: str, verifiers: Iterable["Verifier"]
) -> str:
    """Return the origin of the node that signed a report.

    Raises:
        PeerError: MALFORMED, BAD_SIGNATURE; REPORT_DIFFERS: the note is of another
            report.
    """
    from shahrdad.federation.verify.note import open_note

    opened = open_note(note, verifiers)
    signed = opened.signatures[0].name
    if opened.text != text(signed, month, content):
        raise PeerError(Reason.REPORT_DIFFERS, path=f"{month}.note", parts="sha256")
    return signed
