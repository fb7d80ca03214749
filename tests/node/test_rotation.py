"""Changing the signing key: both sign for a while, and a kill at any step resumes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from federated_nodes import changed
from forum_world import Forum, city_log, city_record, key_span
from node_world import put_record, ready
from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.log.store import LogState
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify.note import Verifier
from shahrdad.node.city import KEY_NAME, Node, create_node
from shahrdad.node.commands import key as commands
from shahrdad.node.config import Config, TrustSection, load
from shahrdad.node.config_file import render
from shahrdad.node.console import Common
from shahrdad.node.demonstration.world import Place, configuration, free_ports
from shahrdad.node.peering import rotation
from shahrdad.node.peering.rotation import Step
from simulator import SimPeer

KILLED = """
import os, signal, sys
from pathlib import Path
from shahrdad.node.peering import rotation

def reached(step):
    if step.value == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)

rotation.finish(Path(sys.argv[1]), sys.argv[2], 7, reached=reached)
"""


def make_city(folder: Path) -> Config:
    """Make a node with its key and its log."""
    place = Place("kerman", folder / "kerman", *free_ports(2))
    place.folder.mkdir()
    place.file.write_text(render(configuration(place)), "utf-8")
    create_node(place.file)
    return load(place.file)


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what the last command printed as JSON."""
    return json.loads(capsys.readouterr().out)


def common_of(config: Config) -> Common:
    """Return the options of a node's commands."""
    return Common(config=config.folder / "shahrdad.toml", json=True, quiet=True)


def publish(config: Config, slug: str) -> LogState:
    """Publish a record, and return the log after it."""
    with Node(config) as node:
        ready(node)
        put_record(node, slug)
        log = node.own_log()
    assert log is not None
    return log


def signers(log: LogState, *vkeys: str) -> list[str]:
    """Return which keys signed a log's head."""
    note = log.checkpoint or b""
    found = []
    for vkey in vkeys:
        _, opened = checkpoints.open_checkpoint(note, list(map(Verifier.parse, vkeys)))
        key_id = Verifier.parse(vkey).key_id
        found += [vkey for line in opened.signatures if line.key_id == key_id]
    return found


def test_both_keys_sign_and_then_the_new_one_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no head that a mirror with either record could not check."""
    config = make_city(tmp_path)
    common = common_of(config)
    with Node(config) as node:
        old = node.vkey or ""
    commands.rotate(common=common)
    spans = told(capsys)["logs"][0]["keys"]
    new = spans[1]["vkey"]
    both = publish(config, "budget")
    commands.rotate(finish=True, common=common)
    retired = told(capsys)["logs"][0]["keys"]
    alone = publish(config, "projects")
    commands.show(common=common)
    shown = told(capsys)

    assert [old, new] == signers(both, old, new)
    assert [new] == signers(alone, old, new)
    assert [(old, both.head_size), (new, None)] == [
        (span["vkey"], span["until_size"]) for span in retired
    ]
    assert [("former", old), ("present", new)] == [
        (item["state"], item["vkey"]) for item in shown
    ]
    assert alone.head_size > both.head_size


def test_beginning_again_makes_no_further_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command may be repeated, for example to write the record again."""
    config = make_city(tmp_path)
    commands.rotate(common=common_of(config))
    first = told(capsys)
    commands.rotate(common=common_of(config))

    assert first == told(capsys)


def test_finishing_what_was_not_begun(tmp_path: Path) -> None:
    """It is said, with what to do."""
    config = make_city(tmp_path)
    with pytest.raises(RequestError) as caught:
        commands.rotate(finish=True, common=common_of(config))

    assert Reason.NO_ROTATION is caught.value.reason


def test_key_that_the_forum_did_not_approve_does_not_sign_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else every mirror would refuse the next head."""
    config = make_city(tmp_path)
    forum = Forum()
    origin = config.federation.origin
    with Node(config) as node:
        span = {"vkey": node.vkey, "from_size": 0, "until_size": None}
    log = city_log("kerman", origin=origin, keys=[span])
    forum.admit()
    forum.publish("city/kerman", city_record("kerman", logs=[log]))
    trust = TrustSection(
        forum.trust.forum, forum.trust.forum_vkey, forum.trust.approvers, 2
    )
    config.folder.joinpath("shahrdad.toml").write_text(
        render(changed(config, trust=trust)), "utf-8"
    )
    config = load(config.folder / "shahrdad.toml")
    take(config, forum)
    commands.rotate(common=common_of(config))
    fields = told(capsys)
    with pytest.raises(ConflictError) as caught:
        commands.rotate(finish=True, common=common_of(config))
    assert Reason.KEY_NOT_APPROVED is caught.value.reason
    forum.publish("city/kerman", fields)
    take(config, forum)
    with pytest.raises(ConflictError) as caught:
        commands.rotate(finish=True, common=common_of(config))
    assert Reason.KEY_NOT_SIGNING is caught.value.reason
    publish(config, "budget")
    commands.rotate(finish=True, common=common_of(config))

    assert 2 == len(told(capsys)["logs"][0]["keys"])
    assert key_span(forum.log.signer)["vkey"] == forum.trust.forum_vkey


def take(config: Config, forum: Forum) -> None:
    """Let a node read the member log."""
    with Node(config) as node:
        Ingest(node.logs, node.keys).pull(
            SimPeer("forum", [forum.log]), forum.log.origin
        )


@pytest.mark.parametrize("step", list(Step))
def test_kill_minus_nine_at_each_step_resumes(tmp_path: Path, step: Step) -> None:
    """Opened again, the node signs with one known key, and knows the former one."""
    config = make_city(tmp_path)
    origin = config.federation.origin
    with Node(config) as node:
        old = node.vkey or ""
    new = rotation.begin(config.data, origin)
    both = publish(config, "budget")
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(config.data), origin, step.value],
        capture_output=True,
        check=False,
        timeout=60,
        env=dict(os.environ),
    )
    assert -signal.SIGKILL == run.returncode, run.stderr.decode()
    after = publish(config, "projects")
    if step is Step.FORMER:
        assert [old, new] == signers(after, old, new)
        rotation.finish(config.data, origin, after.head_size)
        after = publish(config, "contracts")
    with Node(config) as node:
        assert new == node.vkey
        former = rotation.former(config.data, origin)

    assert [new] == signers(after, old, new)
    assert [old] == [key.vkey for key in former]
    assert both.head_size < after.head_size
    assert (config.data / KEY_NAME).exists()
    assert not (config.data / rotation.NEXT_VKEY_NAME).exists()
