"""`/mirror/…`: the static tree of logs, bodies and objects, straight from the store.

A reader needs no Shahrdad software to check it. Everything but `checkpoint`, `heads`
and `evidence` never changes.
"""

import hashlib

from starlette.responses import Response

from shahrdad.datasets.errors import RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.tile import MirrorPath
from shahrdad.node.http.answers import IMMUTABLE, Call, answer
from shahrdad.node.http.file_names import BYTES
from shahrdad.node.http.limits import MIRROR_FILE_BYTES_MAX
from shahrdad.node.http.object_files import send_object
from shahrdad.node.http.operations import Operation, address_unknown
from shahrdad.node.store.contract import Area

TEXT = "text/plain; charset=utf-8"
MOVING = ("checkpoint", "heads", "evidence")


def get_mirror(call: Call) -> Response:
    """Answer with a file of the static mirror.

    Raises:
        RequestError: ADDRESS_UNKNOWN.
    """
    name = call.path["path"]
    try:
        path = MirrorPath(name)
    except ValueError as error:
        raise address_unknown(call.request) from error
    if name.startswith("object/"):
        return _object(call, Digest.parse(name.rpartition("/")[2]))
    content = call.node.store.read_named(path, MIRROR_FILE_BYTES_MAX)
    if content is None:
        raise address_unknown(call.request)
    moving = name.endswith(MOVING)
    etag = f'"{hashlib.sha256(content).hexdigest()}"'
    cache = "public, no-cache" if moving else IMMUTABLE
    media_type = TEXT if moving else BYTES
    return answer(call, content, media_type, cache=cache, strong=etag)


def _object(call: Call, digest: Digest) -> Response:
    """Answer with a data object, when a published record names it."""
    if not call.node.catalog.publishes_object(digest):
        raise address_unknown(call.request)
    try:
        return send_object(call, Area.OBJECT, digest, BYTES)
    except RequestError as error:
        if error.reason == "OBJECT_UNKNOWN":
            raise address_unknown(call.request) from error
        raise


def operations() -> list[Operation]:
    """Return the one operation of the mirror."""
    return [
        Operation(
            "getMirrorFile",
            "/mirror/{path:path}",
            get_mirror,
            "A file of the static mirror.",
            tolerant=True,
            media_type=BYTES,
        )
    ]
