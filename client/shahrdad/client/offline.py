"""Verify a file with its receipt: no network, no node, years later.

What is needed is the file, the receipt, the record between the two, and a policy that
names the keys. The record is looked for beside the file and the receipt, where `save`
and the data package put it; a wrong one cannot pass, since the receipt has its digest.
"""

import time
from collections.abc import Iterator, Sequence
from hashlib import file_digest
from pathlib import Path

from shahrdad.client import limits
from shahrdad.client.chain import Keys, check
from shahrdad.client.folders import folder
from shahrdad.client.memory import Memory
from shahrdad.client.trust import read_file, read_policy
from shahrdad.client.verdict import Step, Trust, Verdict
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify import receipt as receipts
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.note import parse_vkeys
from shahrdad.federation.verify.policy import Policy
from shahrdad.federation.verify.receipt import Outcome

_RECORD_NAMES = ("record.json", "datapackage.json")


def verify(
    file: str | Path,
    receipt: str | Path | bytes,
    policy: str | Path | bytes | Policy | None = None,
    record: str | Path | bytes | None = None,
    *,
    keys: Sequence[str] = (),
    remembered: str | Path | bool = False,
    now: int | None = None,
) -> Verdict:
    """Return whether a file is what a city published.

    Args:
        file: A data file that the record names, or the record itself.
        receipt: The `.tlog-proof`.
        policy: The tlog-policy file: logs, witnesses, quorum.
        record: The signed record; looked for beside file and receipt when not given.
        keys: Verifier keys of the log, where there is no policy: the verdict then is
            "signed, not anchored" at best.
        remembered: True to use the keys that `connect(…, remember=True)` kept, or the
            folder where they lie.
        now: Unix time, for tests; cosignatures from the future do not count.

    Returns:
        A verdict that is true or false, with its steps. No key is no proof: without
        one the signature stays unchecked, and the verdict is false.

    Raises:
        RequestError: FILE_NOT_FOUND; MALFORMED for the policy.
        PeerError: MALFORMED, TOO_LARGE: the receipt is none.
    """
    raw = _read(receipt, limits.RECEIPT_BYTES_MAX)
    parsed = receipts.parse(raw)
    origin = checkpoints.peek(parsed.note).origin
    entry = entries.parse(parsed.entry, parsed.index, origin)
    digest = _digest_of(Path(file))
    body = _find_record(Path(file), receipt, record, entry.sha256, digest)
    believed = _keys(read_policy(policy), keys, remembered, origin)
    verdict = check(
        raw,
        believed,
        record=body,
        file_digest=digest,
        file_needed=True,
        now=int(time.time()) if now is None else now,
    )
    if body is not None and digest == entry.sha256:
        return _of_record(verdict)
    return verdict


def _keys(
    policy: Policy | None,
    keys: Sequence[str],
    remembered: str | Path | bool,
    origin: str,
) -> Keys:
    """Return the keys to believe; a policy decides alone."""
    if policy is not None:
        return Keys.of_policy(policy)
    if keys:
        return Keys(parse_vkeys(keys), None, Trust.UNANCHORED)
    if remembered is not False:
        place = folder("state") / "known" if remembered is True else Path(remembered)
        return Keys(parse_vkeys(Memory(place).keys(origin)), None, Trust.REMEMBERED)
    return Keys()


def _find_record(
    file: Path,
    receipt: str | Path | bytes,
    record: str | Path | bytes | None,
    digest: Digest | None,
    of_file: Digest,
) -> bytes | None:
    """Return the record: the given one as it is, or one found that has the digest."""
    if record is not None:
        return _read(record, limits.RECORD_BYTES_MAX)
    if of_file == digest:
        return read_file(file, limits.RECORD_BYTES_MAX)
    for path in _candidates(file, receipt):
        try:
            found = read_file(path, limits.RECORD_BYTES_MAX)
        except RequestError:
            continue
        if Digest.of(found) == digest:
            return found
    return None


def _candidates(file: Path, receipt: str | Path | bytes) -> Iterator[Path]:
    """Yield where a record may lie."""
    stem = file.name
    while "." in stem:  # a.0001.parquet: a.0001.record.json, a.record.json
        stem = stem.rpartition(".")[0]
        yield file.with_name(f"{stem}.record.json")
    if not isinstance(receipt, bytes):
        yield Path(receipt).with_name(f"{Path(receipt).stem}.record.json")
    for near in (file.absolute().parent, *list(file.absolute().parents)[1:3]):
        for name in _RECORD_NAMES:
            yield near / name


def _of_record(verdict: Verdict) -> Verdict:
    """Return the verdict on the record itself: there is no file below it."""
    steps = tuple(
        Step("file", Outcome.HOLDS, "the file is the record")
        if step.name == "file"
        else step
        for step in verdict.steps
    )
    return Verdict(
        steps,
        verdict.trust,
        verdict.origin,
        verdict.key,
        verdict.index,
        verdict.size,
        verdict.time,
        verdict.cosigners,
        file_needed=True,
    )


def _read(given: str | Path | bytes, limit: int) -> bytes:
    """Return bytes, or the small file that they lie in."""
    return given if isinstance(given, bytes) else read_file(Path(given), limit)


def _digest_of(path: Path) -> Digest:
    """Return the digest of a file of any size.

    Raises:
        RequestError: FILE_NOT_FOUND.
    """
    try:
        with path.open("rb") as file:
            return Digest(file_digest(file, "sha256").digest())
    except OSError as error:
        raise RequestError(Reason.FILE_NOT_FOUND, path=str(path)) from error
