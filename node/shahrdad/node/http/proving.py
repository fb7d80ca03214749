"""What a digest or a receipt proves, step by step: for the page and the API.

A node that is asked is believed, so this is no proof to a stranger: the same steps run
without any node, `shahrdad verify FILE RECEIPT`.
"""

from typing import Any

from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError
from shahrdad.federation.limits import BODY_BYTES_MAX
from shahrdad.federation.verify import receipt as receipts
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.note import parse_vkeys
from shahrdad.node.catalog import Dataset, Version
from shahrdad.node.http import holdings
from shahrdad.node.http.answers import Call
from shahrdad.node.http.cities import city_name

FOUND_MAX = 20


def proofs(call: Call, text: str) -> list[dict[str, Any]]:
    """Return each version that names an object of this digest, with its proof.

    The digest of a record is one of its version too.
    """
    try:
        digest = Digest.parse(text)
    except RequestError:
        return []
    connection = call.node.database.connect()
    found = []
    owners = holdings.owners(connection, digest)
    records = holdings.owners_of_record(connection, digest)
    for owner in [*owners, *records][:FOUND_MAX]:
        try:
            dataset, version = call.node.catalog.version(owner.ref, owner.n)
            raw = call.node.receipt(owner.ref, owner.n)
        except ShahrdadError:
            continue
        body = call.node.catalog.body_bytes(version.digest)
        of_file = None if owner in records else digest
        found.append(proof(call, dataset, version, raw, body, of_file))
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


def of_receipt(call: Call, raw: str, digest: Digest | None) -> dict[str, Any]:
    """Return the steps of the version that a receipt is of.

    Raises:
        RequestError: DATASET_UNKNOWN, VERSION_UNKNOWN, RECORD_NOT_HELD, TOO_LARGE.
        PeerError: the receipt cannot be read.
    """
    from shahrdad.federation.verify import checkpoint as checkpoints
    from shahrdad.federation.verify import entry as entries

    content = (raw.strip("\n") + "\n").encode()
    parsed = receipts.parse(content)
    origin = checkpoints.peek(parsed.note).origin
    entry = entries.parse(parsed.entry, parsed.index, origin)
    key = entry.key or ""
    ref = holdings.ref_of_key(call.node.database.connect(), origin, key)
    if ref is None or entry.sha256 is None:
        raise RequestError(Reason.DATASET_UNKNOWN, ref=f"{origin} {key}")
    dataset = call.node.catalog.get(ref)
    for version in call.node.catalog.versions(ref):
        if version.index == parsed.index:
            break
    else:
        raise RequestError(
            Reason.VERSION_UNKNOWN,
            ref=ref,
            version=parsed.index,
            version_max=dataset.version,
        )
    body = call.node.catalog.body_bytes(version.digest)
    if len(body) > BODY_BYTES_MAX:
        raise RequestError(
            Reason.TOO_LARGE, size_bytes=len(body), size_bytes_max=BODY_BYTES_MAX
        )
    return proof(call, dataset, version, content, body, digest)
