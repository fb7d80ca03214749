"""`evidence`: proofs that a log signed two histories, shown and checked offline."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.federation.verify.checkpoint import Checkpoint
from shahrdad.federation.verify.evidence import OriginKeys
from shahrdad.federation.verify.note import Kind, Verifier
from shahrdad.node.console import Common, print_json

KeysOf = Callable[[Checkpoint], OriginKeys]

app = App(name="evidence", help="Proofs that a log signed two histories.")
FILE_BYTES_MAX = 65_536


@app.command(name="verify")
def verify(
    file: Path,
    *,
    key: tuple[str, ...] = (),
    policy: Path | None = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Check evidence offline: it holds, or the log that it accuses is honest.

    Needs nothing but the file and the log's key: from --key, a policy file, or a node's
    configuration at hand.

    Args:
        file: The evidence.
        key: A verifier key of the log, or of a witness.
        policy: A policy file that names both.
    """
    from shahrdad.federation.verify import evidence as evidences

    if not file.is_file():
        raise RequestError(Reason.FILE_NOT_FOUND, path=str(file))
    with file.open("rb") as opened:
        content = opened.read(FILE_BYTES_MAX + 1)
    try:
        conflict = evidences.verify(content, _keys(key, policy, common))
    except PeerError as error:
        raise RequestError(
            Reason.VERIFICATION_FAILED,
            subject=str(file),
            detail=error.text(common.language),
        ) from error
    if common.json:
        print_json(
            {
                "holds": True,
                "origin": conflict.origin,
                "sizes": [conflict.small.size, conflict.large.size],
                "signed_root": conflict.small.root.hex(),
                "true_root": conflict.true_root.hex(),
            }
        )
        return
    common.say(
        f"مدرک درست است: {conflict.origin} دو تاریخ امضا کرده است، در اندازه‌های"
        f" {conflict.small.size} و {conflict.large.size}.",
        f"The evidence holds: {conflict.origin} signed two histories, at sizes"
        f" {conflict.small.size} and {conflict.large.size}.",
    )
    common.next_step(
        "آن را به دبیرخانهٔ مجمع و به شهر بدهید: مجمع این دفتر را می‌بندد.",
        "Give it to the forum and to the city: the forum closes that log.",
    )


@app.command(name="list")
def show(*, common: Common = Common()) -> None:  # noqa: B008
    """List the logs that this node holds evidence against."""
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        found = [log for log in node.logs.logs() if log.evidence is not None]
    if common.json:
        print_json([{"origin": log.origin, "status": log.status} for log in found])
        return
    common.table(
        ["log", "status", "bytes"],
        [(log.origin, log.status, len(log.evidence or b"")) for log in found],
    )


@app.command(name="export")
def export(
    origin: str,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Write the evidence against a log to a file that anyone can check.

    Args:
        origin: The log.
        output: The file; standard output when left out.
    """
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        evidence = node.logs.log(origin).evidence
        keys = [key.vkey for key in node.keys.verifiers(origin, 1)]
    if evidence is None:
        raise RequestError(Reason.ENTRY_UNKNOWN, origin=origin, subject="evidence")
    if output is None:
        sys.stdout.write(evidence.decode("ascii"))
        return
    output.write_bytes(evidence)
    for key in keys:
        line = f"shahrdad evidence verify {output} --key {key}"
        common.next_step(line, line)


def _keys(keys: tuple[str, ...], policy: Path | None, common: Common) -> KeysOf:
    """Return whose keys count: the given ones, a policy's, or a node's own."""
    from shahrdad.datasets.errors import ShahrdadError
    from shahrdad.federation.verify import policy as policies
    from shahrdad.federation.verify.note import parse_vkeys
    from shahrdad.node.city import open_node

    verifiers = list(parse_vkeys(keys))
    if policy is not None:
        if not policy.is_file():
            raise RequestError(Reason.FILE_NOT_FOUND, path=str(policy))
        verifiers += policies.parse(policy.read_bytes()).verifiers
    if verifiers:
        return given_keys(verifiers)
    try:
        with open_node(common.config) as node:
            return node.keys.evidence_keys
    except ShahrdadError:
        return given_keys(())  # no node at hand: the file is refused, with the name


def given_keys(verifiers: Sequence[Verifier]) -> KeysOf:
    """Return keys that a person named, parted into a log's and witnesses'."""
    witnesses = [one for one in verifiers if one.kind is Kind.WITNESS]

    def keys_of(checkpoint: Checkpoint) -> OriginKeys:
        logs = [one for one in verifiers if one.name == checkpoint.origin]
        return OriginKeys(logs, (), witnesses)

    return keys_of
