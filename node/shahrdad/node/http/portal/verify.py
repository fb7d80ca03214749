"""`/verify`: tell whether a file is what a city published (portal 10).

A digest is enough: where scripts run the browser computes it, and the file stays there.
Without scripts the form sends it; it goes through the digest and is not stored.
"""

import re
from typing import Any
from urllib.parse import parse_qsl

from starlette.responses import Response

from shahrdad.datasets.errors import Language, Reason, RequestError, ShahrdadError
from shahrdad.federation.limits import BODY_BYTES_MAX
from shahrdad.federation.verify import receipt as receipts
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.note import parse_vkeys
from shahrdad.node.catalog import Dataset, Version
from shahrdad.node.http import holdings
from shahrdad.node.http.answers import Call
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.portal.sending import read_form
from shahrdad.node.http.portal.viewing import text
from shahrdad.node.http.rendering import page

PARAMETERS = (text("sha256"),)
FORM_BYTES_MAX = 256 * 1024
FOUND_MAX = 20


def form(call: Call, language: Language) -> Response:
    """Show the doors, or what is known of the digest in the address."""
    asked = (call.values["sha256"] or "").strip().lower()
    asked = re.sub(r"^sha256:|\s.*$", "", asked)
    return answered(call, language, asked, "", proofs(call, asked) if asked else [])


def proofs(call: Call, text: str) -> list[dict[str, Any]]:
    """Return each version that names an object of this digest, with its proof."""
    try:
        digest = Digest.parse(text)
    except RequestError:
        return []
    connection = call.node.database.connect()
    found = []
    for owner in holdings.owners(connection, digest)[:FOUND_MAX]:
        try:
            dataset, version = call.node.catalog.version(owner.ref, owner.n)
            raw = call.node.receipt(owner.ref, owner.n)
        except ShahrdadError:
            continue
        body = call.node.catalog.body_bytes(version.digest)
        found.append(proof(call, dataset, version, raw, body, digest))
    return found


def proof(
    call: Call,
    dataset: Dataset,
    version: Version,
    raw: bytes,
    body: bytes,
    digest: Digest | None,
) -> dict[str, Any]:
    """Return the five steps of one version."""
    steps: list[dict[str, str]] = []
    holds, cosigned = False, 0
    try:
        keys = parse_vkeys(vkeys(call, version.origin))
        verdict = receipts.verify(raw, verifiers=keys, body=body, file_digest=digest)
    except ShahrdadError as error:
        steps.append(
            {"name": "receipt", "outcome": "fails", "detail": str(error.reason)}
        )
    else:
        holds, cosigned = bool(verdict), len(verdict.cosigned)
        steps = [
            {"name": str(one.name), "outcome": str(one.outcome), "detail": one.detail}
            for one in verdict.steps
        ]
    newest = dataset.version == version.n
    return {
        "dataset": dataset,
        "version": version,
        "city": city_name(dataset.city, call.node.config),
        "steps": steps,
        "holds": holds,
        "cosigned": cosigned,
        "state": dataset.state
        if dataset.state == "withdrawn"
        else "current"
        if newest
        else "superseded",
    }


def vkeys(call: Call, origin: str) -> list[str]:
    """Return the keys by which this node knows a log."""
    for log in call.node.federation_status().get("logs", []):
        if log.get("origin") == origin:
            return [str(key) for key in log.get("vkeys") or []]
    return []


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
    from shahrdad.federation.verify import checkpoint as checkpoints
    from shahrdad.federation.verify import entry as entries

    digest = Digest.parse(asked) if asked else None
    content = (raw.strip("\n") + "\n").encode()
    if not raw.strip():
        return answered(call, language, asked, raw, proofs(call, asked))
    parsed = receipts.parse(content)
    origin = checkpoints.peek(parsed.note).origin
    entry = entries.parse(parsed.entry, parsed.index, origin)
    found = None
    for log_change in call.node.catalog.list(withdrawn=True):
        if log_change.origin == origin and entry.key == f"ds/{log_change.slug}":
            found = log_change
    if found is None or entry.sha256 is None:
        raise RequestError(Reason.DATASET_UNKNOWN, ref=f"{origin} {entry.key or ''}")
    version = next(
        (
            one
            for one in call.node.catalog.versions(found.ref)
            if one.index == parsed.index
        ),
        None,
    )
    if version is None:
        raise RequestError(
            Reason.VERSION_UNKNOWN,
            ref=found.ref,
            version=parsed.index,
            version_max=found.version,
        )
    body = call.node.catalog.body_bytes(version.digest)
    if len(body) > BODY_BYTES_MAX:
        raise RequestError(
            Reason.TOO_LARGE, size_bytes=len(body), size_bytes_max=BODY_BYTES_MAX
        )
    result = proof(call, found, version, content, body, digest)
    return answered(call, language, asked, raw, [result])


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
        receipt_text=raw,
        found=found,
        answered=bool(asked or raw),
    )
