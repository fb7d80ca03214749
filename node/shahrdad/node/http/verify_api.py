"""`POST /v1/verify`: what a receipt, a file or a record proves, as this node sees it.

Asking a node is no proof: whoever doubts the city doubts its node. The answer says so,
and how the same is found without one.
"""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node import sent_json
from shahrdad.node.http import limits
from shahrdad.node.http.answers import JSON, Call, dump
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.proving import of_receipt, proofs
from shahrdad.node.http.texts import say
from shahrdad.node.http.write.members import check_known, text, wrong

COMMAND = "shahrdad verify FILE RECEIPT"
BODY = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "receipt": {"type": "string", "maxLength": limits.RECEIPT_LETTERS_MAX},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "ref": {"type": "string", "maxLength": limits.VALUE_LETTERS_MAX},
    },
    "anyOf": [{"required": ["receipt"]}, {"required": ["sha256"]}],
}


async def verify(call: Call) -> Response:
    """Answer with what holds of a receipt, of a file's digest, or of a record's."""
    body = b""
    async for chunk in call.request.stream():
        body += chunk
        if len(body) > limits.BODY_BYTES_MAX:
            raise RequestError(
                Reason.TOO_LARGE,
                size_bytes=len(body),
                size_bytes_max=limits.BODY_BYTES_MAX,
            )
    return await run_in_threadpool(_verified, call, _read(body))


def _read(body: bytes) -> dict[str, Any]:
    """Return the members of a body.

    Raises:
        RequestError: MALFORMED, MEMBER_WRONG.
    """
    try:
        found = sent_json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(Reason.MALFORMED, field="body", detail="JSON") from error
    if not isinstance(found, dict):
        raise RequestError(Reason.MALFORMED, field="body", detail="object")
    check_known(found, ("receipt", "sha256", "ref"))
    return found


def _verified(call: Call, body: dict[str, Any]) -> Response:
    receipt = text(body, "receipt", "", limits.RECEIPT_LETTERS_MAX)
    sha256, ref = text(body, "sha256", ""), text(body, "ref", "")
    if not receipt.strip() and not sha256:
        raise wrong("sha256", "receipt, sha256")
    digest = Digest.parse(sha256) if sha256 else None
    if receipt.strip():
        found = [of_receipt(call, receipt, digest)]
    else:
        found = proofs(call, sha256)
    wanted = ref.replace("--", "/", 1)
    results = [_result(one) for one in found if wanted in {"", one["dataset"].ref}]
    answer = {
        "results": results,
        "holds": any(one["holds"] for one in results),
        "is_proof": False,
        "note": {
            "fa": say("fa", "verify.asking"),
            "en": say("en", "verify.asking"),
        },
        "offline": COMMAND,
    }
    headers = {"Cache-Control": "no-store"}
    return Response(dump(answer), headers=headers, media_type=JSON)


def _result(found: dict[str, Any]) -> dict[str, Any]:
    """Return what holds of one version."""
    dataset, version = found["dataset"], found["version"]
    return {
        "ref": dataset.ref,
        "version": version.n,
        "index": version.index,
        "time": version.time,
        "digest": version.digest.hex,
        "origin": version.origin,
        "state": found["state"],
        "holds": found["holds"],
        "cosignatures": found["cosigned"],
        "steps": found["steps"],
    }


def operation() -> Operation:
    """Return the operation."""
    return Operation(
        "verify",
        "/v1/verify",
        verify,
        "What a receipt, a file or a record proves; asking a node is no proof.",
        methods=("POST",),
        schema="Verdict",
        body=BODY,
        problems=("not-found", "malformed-json", "bad-value", "too-large", "withdrawn"),
    )
