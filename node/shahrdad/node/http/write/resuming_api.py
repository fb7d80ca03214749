"""`POST`, `HEAD`, `PATCH`, `DELETE /v1/uploads`: tus 1.0.0, core with creation.

POST  /v1/uploads            Upload-Length, Upload-Metadata: filename <base64>
HEAD  /v1/uploads/{upload}   how far it came
PATCH /v1/uploads/{upload}   Upload-Offset, and the bytes from there on
"""

import base64
import binascii

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.accounts.roles import Action
from shahrdad.node.desk import drafting, resumable
from shahrdad.node.desk.resumable import Resumable
from shahrdad.node.http.write.limits import UPLOAD_BYTES_MAX
from shahrdad.node.http.write.writing import Desk, Done, Writing

VERSION = "1.0.0"
PIECE = "application/offset+octet-stream"
METADATA_LETTERS_MAX = 4_096


def announce(desk: Desk) -> Done:
    """Answer with the address that the pieces go to."""
    name = drafting.safe_name(file_name(_header(desk, "upload-metadata", "")))
    size = _number(desk, "upload-length")
    found = resumable.begin(desk.node, desk.actor, name, size, desk.at)
    headers = {"Location": f"/v1/uploads/{found.id}", **_facts(found)}
    return Done(b"", 201, headers, "text/plain")


def show(desk: Desk) -> Done:
    """Answer with how far a file came."""
    found = resumable.find(desk.node, desk.actor, desk.call.path["upload"])
    return Done(b"", 200, _facts(found), "text/plain")


def take(desk: Desk) -> Done:
    """Take the next piece; of a broken line as much as came."""
    if desk.file is None:
        raise RuntimeError("this address takes a piece of a file")
    given = _header(desk, "content-type", "")
    if given != PIECE:
        raise RequestError(Reason.MEDIA_TYPE, expected=PIECE, given=given or "–")
    found = resumable.append(
        desk.node,
        desk.actor,
        desk.call.path["upload"],
        _number(desk, "upload-offset"),
        desk.file,
        desk.at,
    )
    return Done(None, 204, _facts(found))


def give_up(desk: Desk) -> Done:
    """Forget a file that did not arrive."""
    resumable.give_up(desk.node, desk.actor, desk.call.path["upload"])
    return Done(None, 204, {"Tus-Resumable": VERSION})


def file_name(metadata: str) -> str:
    """Return the name in a header Upload-Metadata.

    >>> file_name("filename YnVkZ2V0Lnhsc3g=,type dGV4dA==")
    'budget.xlsx'
    """
    for item in metadata[:METADATA_LETTERS_MAX].split(","):
        key, _, value = item.strip().partition(" ")
        if key == "filename":
            try:
                return base64.b64decode(value, validate=True).decode("utf-8")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise RequestError(
                    Reason.MEMBER_WRONG, pointer="Upload-Metadata", expected="base64"
                ) from error
    return "file"


def _facts(found: Resumable) -> dict[str, str]:
    return {
        "Tus-Resumable": VERSION,
        "Tus-Max-Size": str(UPLOAD_BYTES_MAX),
        "Upload-Offset": str(found.offset),
        "Upload-Length": str(found.bytes),
        "Upload-Expires": found.expires,
    }


def _header(desk: Desk, name: str, default: str) -> str:
    return desk.call.request.headers.get(name, default)


def _number(desk: Desk, name: str) -> int:
    """Return a header that is a whole number.

    Raises:
        RequestError: MEMBER_WRONG.
    """
    text = _header(desk, name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise RequestError(Reason.MEMBER_WRONG, pointer=name, expected="an integer")
    return int(text)


def writings() -> list[Writing]:
    """Return the addresses."""
    one, right = "/v1/uploads/{upload}", Action.UPLOAD
    return [
        Writing(
            "announceUpload",
            "POST",
            "/v1/uploads",
            right,
            announce,
            "Announce a file that comes in pieces (tus).",
            secret=True,
        ),
        Writing("getUpload", "HEAD", one, right, show, "How far a file came."),
        Writing("appendUpload", "PATCH", one, right, take, "The next piece.", "chunk"),
        Writing("giveUploadUp", "DELETE", one, right, give_up, "Forget a file."),
    ]
