"""`receipt` and `verify`: take a proof away, and check it where there is no network."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from shahrdad.node.console import Common, print_json

STEPS_FA = {
    "file": "فایل همان است که شناسنامه نام می‌برد",
    "body": "شناسنامه همان است که درایهٔ دفتر نام می‌برد",
    "name": "نام و نسخه همان است که خواسته شد",
    "inclusion": "درایه زیر ریشهٔ سیاههٔ امضاشده است",
    "signature": "شهر آن را امضا کرده است",
    "quorum": "گواهانِ کافی همان را دیده‌اند",
}
STEPS_EN = {
    "file": "the file is the one that the record names",
    "body": "the record is the one that the log's entry names",
    "name": "name and version are those asked for",
    "inclusion": "the entry stands under the signed root",
    "signature": "the city signed it",
    "quorum": "enough witnesses saw the same",
}
OUTCOMES = {"holds": "✓", "fails": "✗"}


def receipt(
    ref: str,
    *,
    version: int | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Write what proves a version offline: OUTPUT.tlog-proof and OUTPUT.record.json.

    Args:
        ref: City and dataset, for example kerman/budget-1404.
        version: A version number; the newest when left out.
        output: Where to, without ending, or a folder; by default the dataset's name.
    """
    from shahrdad.node.city import open_node

    with open_node(common.config) as node:
        node.projection.follow()
        dataset, chosen = node.catalog.version(ref, version)
        name = f"{dataset.name}--v{chosen.n}"
        stem = output or Path(name)
        if stem.is_dir():
            stem /= name
        proof = stem.with_name(f"{stem.name}.tlog-proof")
        record = stem.with_name(f"{stem.name}.record.json")
        proof.write_bytes(node.receipt(ref, chosen.n))
        record.write_bytes(node.catalog.body_bytes(chosen.digest))
        keys = [
            verifier.vkey
            for verifier in node.keys.verifiers(chosen.origin, chosen.index + 1)
        ]
    if common.json:
        print_json({"receipt": str(proof), "record": str(record), "vkeys": keys})
        return
    common.say(f"رسید در {proof} است.", f"The receipt is in {proof}.")
    for key in keys:
        common.next_step(
            f"shahrdad verify FILE {proof} --key {key}",
            f"shahrdad verify FILE {proof} --key {key}",
        )


def verify(
    file: Path,
    proof: Path,
    *,
    record: Path | None = None,
    policy: Path | None = None,
    key: tuple[str, ...] = (),
    common: Common = Common(),  # noqa: B008
) -> None:
    """Check, without any network, that a file is what a city published.

    Args:
        file: A data file, or the record itself.
        proof: The receipt (.tlog-proof).
        record: The record; looked for beside file and receipt when left out.
        policy: The policy file that names logs, witnesses and quorum.
        key: A verifier key of the log, when there is no policy.
    """
    from shahrdad.client.offline import verify as judge

    known = () if policy else (*key, *_own_keys(common))
    verdict = judge(file, proof, policy, record, keys=known)
    if common.json:
        print_json(
            {
                "holds": bool(verdict),
                "trust": str(verdict.trust),
                "origin": verdict.origin,
                "key": verdict.key,
                "index": verdict.index,
                "size": verdict.size,
                "time": verdict.time,
                "steps": [
                    {
                        "name": step.name,
                        "outcome": str(step.outcome),
                        "detail": step.detail,
                    }
                    for step in verdict.steps
                ],
            }
        )
    else:
        for step in verdict.steps:
            mark = OUTCOMES.get(str(step.outcome), "–")
            sentence = common.text(
                STEPS_FA.get(step.name, step.name), STEPS_EN.get(step.name, step.name)
            )
            detail = f" ({step.detail})" if step.detail else ""
            sys.stdout.write(f"{mark} {sentence}{detail}\n")
        if verdict:
            common.say(
                f"درست است: {verdict.origin} درایهٔ {verdict.index} ({verdict.trust})",
                f"It holds: {verdict.origin} entry {verdict.index} ({verdict.trust})",
            )
    if not verdict:
        verdict.raise_failure()


def _own_keys(common: Common) -> tuple[str, ...]:
    """Return the keys that a node's configuration at hand names; none without one."""
    from shahrdad.datasets.errors import ShahrdadError
    from shahrdad.node.city import VKEY_NAME
    from shahrdad.node.config import load

    try:
        config = load(common.config)
    except ShahrdadError:
        return ()
    path = config.data / VKEY_NAME
    own = (path.read_text("utf-8").strip(),) if path.exists() else ()
    return (*own, *(key for log in config.federation.logs for key in log.vkeys))
