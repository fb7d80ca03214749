"""The month's code and the signed report: no past entry can change unseen."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from http_world import World
from portal_world import make_portal_world
from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.federation.month_roots import LogRoot, MonthRoots
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.note import Kind, Signer, Verifier
from shahrdad.node.analysis import month_note, monthly
from shahrdad.node.analysis.checkpoints import Checkpoint, closed
from shahrdad.node.analysis.month import Month
from shahrdad.node.http.portal.standalone import standalone

NOW = datetime(2026, 1, 10, tzinfo=UTC)
AZAR = Month.parse("1404-09")
ORIGIN = "kerman.example/catalog"


@pytest.fixture(scope="module")
def signer() -> Signer:
    """A city's key."""
    return Signer.from_seed(ORIGIN, bytes(32), Kind.LOG)


@pytest.fixture(scope="module")
def content(world: World) -> bytes:
    """The report of Azar 1404."""
    return monthly.content(monthly.compute(world, AZAR, NOW))


def test_code_is_the_digest_of_the_forums_line() -> None:
    """What is read aloud is what `month close` publishes for the same logs (10.7)."""
    pinned = [Checkpoint("b.example/log", "b", 7, "bb" * 32),
              Checkpoint("a.example/log", "a", 3, "aa" * 32)]  # fmt: skip
    logs = (
        LogRoot("a.example/log", 3, "aa" * 32),
        LogRoot("b.example/log", 7, "bb" * 32),
    )
    ((_, line),) = MonthRoots("f.example/members", "1404-09", logs).bodies()
    code = month_note.code("f.example/members", "1404-09", pinned)

    assert Digest.of(line).hex == code
    assert code == "".join(month_note.grouped(code))
    assert [8] * 8 == [len(group) for group in month_note.grouped(code)]


def test_a_month_that_nobody_closed_is_pinned_by_the_node(world: World) -> None:
    """Without a forum, or before it closed the month, the node's own logs count."""
    assert closed(world, "", "1404-09") is None
    assert closed(world, "forum.example/members", "1404-09") is None


def test_a_changed_past_entry_fails(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A node whose log had another past cannot stand on the report's checkpoints."""
    other = make_portal_world(tmp_path_factory.mktemp("changed"), first_city="Other")
    with pytest.raises(RequestError) as caught:
        monthly.recompute(other, json.loads(content))

    assert Reason.CHECKPOINT_NOT_HELD == caught.value.reason
    assert "kerman.example/catalog" == caught.value.values["origin"]


def test_note_is_of_one_report_and_one_key(content: bytes, signer: Signer) -> None:
    """The note holds for these bytes; another report, month or key is refused."""
    keys = [Verifier.parse(signer.vkey)]
    note = month_note.sign(content, AZAR.text, signer)
    stranger = Signer.from_seed(ORIGIN, bytes([1] * 32), Kind.LOG)

    assert ORIGIN == month_note.check(note, content, AZAR.text, keys)
    for wrong in (
        (note, content + b" ", AZAR.text, keys),
        (note, content, "1404-08", keys),
        (note, content, AZAR.text, [Verifier.parse(stranger.vkey)]),
    ):
        with pytest.raises(PeerError):
            month_note.check(*wrong)


def test_note_is_no_head_of_a_log(content: bytes, signer: Signer) -> None:
    """Its first line is no origin, so it can never pass for a log's checkpoint."""
    from shahrdad.federation.verify import checkpoint

    note = month_note.sign(content, AZAR.text, signer)
    with pytest.raises(PeerError):
        checkpoint.peek(note)


@pytest.mark.parametrize("language", ["fa", "en"])
def test_report_stands_alone(world: World, content: bytes, language: str) -> None:
    """One file: styles and fonts inside, no script, every address absolute."""
    text = standalone(world, f"/{language}/report/{AZAR.text}").decode()

    assert "font/woff2;base64," in text
    assert "<script" not in text
    assert 'href="/' not in text
    assert 'rel="stylesheet"' not in text
    assert Digest.of(content).hex in text


def test_agenda_has_the_code(world: World, content: bytes, tmp_path: Path) -> None:
    """The agenda and the report show the code that the JSON has."""
    found = json.loads(content)
    for end in ("", "/agenda"):
        text = standalone(world, f"/fa/report/{AZAR.text}{end}").decode()
        for group in month_note.grouped(found["code"]):
            assert f"<span>{group}</span>" in text


def test_news_explain_the_counts(content: bytes) -> None:
    """The counts on top are the lengths of the list of changes below."""
    found = json.loads(content)
    for one in found["activity"]:
        for kind in ("published", "changed", "withdrawn"):
            listed = [
                change
                for change in found["changes"]
                if (change["city"], change["kind"]) == (one["city"], kind)
            ]
            assert one[kind] == len(listed)
    assert [("kerman/projects", 2)] == [
        (one["ref"], one["version"]) for one in found["changes"]
    ]


def test_quality_is_that_of_the_records(world: World, content: bytes) -> None:
    """Rows are those of the tables; a record that tells no warnings has no figure."""
    found = {one["city"]: one for one in json.loads(content)["quality"]}
    kerman = found["kerman"]
    rows = sum(world.catalog.get(one["ref"]).rows or 0 for one in kerman["inputs"])

    assert rows == kerman["rows"]
    assert (None, None) == (kerman["warnings"], kerman["previous"])
