"""`/verify`: tell whether a file is what a city published (portal 10).

A digest is enough: where scripts run the browser computes it, and the file stays there.
Without scripts the form sends it; it goes through the digest and is not stored.
"""

import re
from typing import Any
from urllib.parse import parse_qsl

from starlette.responses import Response

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.http.answers import Call
from shahrdad.node.http.portal.sending import read_form
from shahrdad.node.http.portal.viewing import text
from shahrdad.node.http.proving import of_receipt, proof, proofs
from shahrdad.node.http.rendering import page

PARAMETERS = (
    text("sha256"),
    text("ref"),
    text("n"),
)
FORM_BYTES_MAX = 256 * 1024
NUMBER_DIGITS_MAX = 9


def form(call: Call, language: Language) -> Response:
    """Show the doors, or what is known of the digest in the address."""
    if call.values["ref"]:
        return chosen(call, language)
    asked = (call.values["sha256"] or "").strip().lower()
    asked = re.sub(r"^sha256:|\s.*$", "", asked)
    return answered(call, language, asked, "", proofs(call, asked) if asked else [])


def chosen(call: Call, language: Language) -> Response:
    """Show what is known of a version that is named by dataset and number.

    Raises:
        RequestError: DATASET_UNKNOWN, VERSION_UNKNOWN, RECORD_NOT_HELD,
            PARAMETER_VALUE.
    """
    ref = call.values["ref"].strip().strip("/").removeprefix("d/")
    dataset, version = call.node.catalog.version(ref, number_of(call.values["n"]))
    raw = call.node.receipt(ref, version.n)
    body = call.node.catalog.body_bytes(version.digest)
    found = proof(call, dataset, version, raw, body, None)
    return answered(call, language, "", ref, [found])


def number_of(typed: str | None) -> int | None:
    """Return a version's number as a person typed it; None of nothing.

    Raises:
        RequestError: PARAMETER_VALUE.
    """
    plain = (typed or "").strip()
    if not plain:
        return None
    if not plain.isdecimal() or len(plain) > NUMBER_DIGITS_MAX or int(plain) < 1:
        raise RequestError(
            Reason.PARAMETER_VALUE, parameter="n", value=plain[:40], expected="1, 2, …"
        )
    return int(plain)


async def check_file(call: Call, language: Language) -> Response:
    """Check a file that a form without scripts sent, with a receipt or without."""
    from starlette.concurrency import run_in_threadpool

    sent = await read_form(call)
    raw = sent.values.get("receipt", "").replace("\r\n", "\n")
    asked = sent.digest or sent.values.get("sha256", "").strip().lower()
    return await run_in_threadpool(judged, call, language, raw, asked)


async def check_receipt(call: Call, language: Language) -> Response:
    """Check a pasted receipt, with the digest of a file or without."""
    body = b""
    async for chunk in call.request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            raise RequestError(
                Reason.TOO_LARGE, size_bytes=len(body), size_bytes_max=FORM_BYTES_MAX
            )
    sent = dict(parse_qsl(body.decode("utf-8", "replace")))
    from starlette.concurrency import run_in_threadpool

    raw = sent.get("receipt", "").replace("\r\n", "\n")
    asked = sent.get("sha256", "").strip().lower()
    return await run_in_threadpool(judged, call, language, raw, asked)


def judged(call: Call, language: Language, raw: str, asked: str) -> Response:
    """Show what a receipt proves."""
    digest = Digest.parse(asked) if asked else None
    if not raw.strip():
        return answered(call, language, asked, raw, proofs(call, asked))
    return answered(call, language, asked, raw, [of_receipt(call, raw, digest)])


def answered(
    call: Call, language: Language, asked: str, raw: str, found: list[dict[str, Any]]
) -> Response:
    """Show the page with a result, or without."""
    return page(
        call,
        "portal/verify.html",
        language,
        asked=asked,
        is_digest=re.fullmatch("[0-9a-f]{64}", asked) is not None,
        receipt_text="" if call.values.get("ref") else raw,
        ref=call.values.get("ref") or "",
        found=found,
        answered=bool(asked or raw),
    )
