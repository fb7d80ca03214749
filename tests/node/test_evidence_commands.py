"""Evidence is checked by a command that needs neither node nor network."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from federation_world import ORIGIN, filled, new_ingest, refusal
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.keyring import ConfiguredKeys
from shahrdad.node.commands import evidence as commands
from shahrdad.node.console import Common
from shahrdad.node.peering.trust import policy_of
from simulator import SimLog, SimPeer

OFFLINE = Common(json=True, lang="en", config=Path("/nonexistent"))


def convicted(log: SimLog) -> bytes:
    """Return evidence as a node finds it: two histories from two peers."""
    twin = log.fork(4)
    twin.fill(8, start=90)
    ingest = new_ingest(log)
    ingest.pull(SimPeer("a", [log]), ORIGIN)
    refusal(ingest.pull, SimPeer("b", [twin]), ORIGIN)
    evidence = ingest.store.log(ORIGIN).evidence
    assert evidence is not None
    return evidence


def test_evidence_holds_offline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the log's key alone the file tells origin and sizes."""
    log = filled(7)
    file = tmp_path / "kerman.evidence"
    file.write_bytes(convicted(log))
    commands.verify(file, key=(log.signer.vkey,), common=OFFLINE)
    by_key = json.loads(capsys.readouterr().out)
    policy = tmp_path / "forum.policy"
    policy.write_bytes(policy_of(ConfiguredKeys([log.key])).text())
    commands.verify(file, policy=policy, common=OFFLINE)
    by_policy = json.loads(capsys.readouterr().out)

    assert by_key == by_policy
    assert (True, ORIGIN) == (by_key["holds"], by_key["origin"])


def test_wrong_key_and_altered_evidence_are_refused(tmp_path: Path) -> None:
    """Nobody is accused by a file that does not prove it."""
    log, other = filled(7), SimLog(ORIGIN, key_name="another")
    file = tmp_path / "kerman.evidence"
    content = convicted(log)
    file.write_bytes(content)
    with pytest.raises(RequestError) as wrong_key:
        commands.verify(file, key=(other.signer.vkey,), common=OFFLINE)
    with pytest.raises(RequestError) as no_key:
        commands.verify(file, common=OFFLINE)
    file.write_bytes(content[:-20] + b"AAAA" + content[-16:])
    with pytest.raises(RequestError) as altered:
        commands.verify(file, key=(log.signer.vkey,), common=OFFLINE)

    assert {Reason.VERIFICATION_FAILED} == {
        caught.value.reason for caught in (wrong_key, no_key, altered)
    }


def test_command_line_says_so_by_its_exit_code(tmp_path: Path) -> None:
    """Scripts learn it from the exit code: 0, or 9."""
    log = filled(7)
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(convicted(log))
    bad.write_bytes(b"shahrdad/equivocation@v1\n")
    codes = [
        subprocess.run(
            [
                *(sys.executable, "-m", "shahrdad.node.cli", "evidence", "verify"),
                *(str(file), "--key", log.signer.vkey, "--lang", "en"),
            ],
            capture_output=True,
            check=False,
            cwd=tmp_path,
        ).returncode
        for file in (good, bad)
    ]

    assert [0, 9] == codes
