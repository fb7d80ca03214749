"""`shahrdad remote`: from the city unit's own computer, with a token, no node there."""

import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from account_world import actor, settle, strict_node, token_of
from page_server import served
from shahrdad.datasets.errors import (
    ConflictError,
    PeerError,
    Reason,
    RequestError,
    UnavailableError,
)
from shahrdad.node.accounts.moments import present
from shahrdad.node.city import Node
from shahrdad.node.cli import main
from shahrdad.node.desk import drafts, remote_desk
from shahrdad.node.desk.draft_view import page_of
from shahrdad.node.desk.remote_desk import Answer, RemoteDesk, checked_address, refusal
from shahrdad.node.http.app import create_app
from shahrdad.node.http.write import drafts_api
from shahrdad.node.incoming.example_files import find_example
from shahrdad.node.incoming.handing import handed_of
from shahrdad.node.publish import Handed

EXAMPLE = find_example("kerman", "org-units")
Ran = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node under four eyes with its people."""
    with strict_node(tmp_path_factory.mktemp("remote")) as found:
        settle(found, password=None)
        yield found


@pytest.fixture(scope="module")
def url(node: Node) -> Iterator[str]:
    """Its address; the log of its requests would mix with what the commands print."""
    quiet = structlog.testing.capture_logs()
    with quiet, served(create_app(node)) as found:
        yield found


@pytest.fixture(autouse=True)
def _in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge files in this process: how they are kept apart is tested elsewhere."""

    def quick(*given: Any, options: dict[str, Any], **more: Any) -> Handed:
        return handed_of(*given, options={**options, "isolate": False}, **more)

    monkeypatch.setattr(drafts_api, "handed_of", quick)


@pytest.fixture(scope="module")
def tokens(node: Node, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file with the token of an editor, and of two publishers."""
    folder = tmp_path_factory.mktemp("tokens")
    scopes = {
        "edna": ("draft:write", "submit"),
        "petra": ("draft:write", "submit", "approve"),
        "paul": ("approve",),
    }
    found = {name: folder / name for name in scopes}
    for name, file in found.items():
        file.write_text(token_of(node, name, *scopes[name]) + "\n", "utf-8")
    return found


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """The mapping of the example's columns."""
    path = tmp_path / "profile.json"
    path.write_text(
        json.dumps(dict(EXAMPLE.profile or {}), ensure_ascii=False), "utf-8"
    )
    return path


@pytest.fixture
def ran(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Ran:
    """Return the exit code and both outputs of a command at the node."""
    monkeypatch.setenv("SHAHRDAD_NODE", url)

    def run(*words: object) -> tuple[int, str, str]:
        said = ["shahrdad", "remote", *map(str, words), "--lang", "en"]
        monkeypatch.setattr(sys, "argv", said)
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def test_a_file_goes_public_from_another_computer(
    ran: Ran, tokens: dict[str, Path], profile: Path, node: Node
) -> None:
    """Rehearsed, handed in, seen, approved; a withdrawal is asked for and returned."""
    said = (EXAMPLE.path, "-s", "org_units", "--profile", profile)
    edna = ("--token-file", tokens["edna"])
    paul = ("--token-file", tokens["paul"])

    code, _, told = ran("publish", *said, *edna, "--dry-run")
    assert (0, True) == (code, "would get version 1, 18 rows" in told)
    assert "[]" == ran("drafts", *edna, "--json")[1].strip()

    code, out, _ = ran("publish", *said, *edna, "--title", "واحدها", "--json")
    draft = json.loads(out)
    assert (0, "submitted") == (code, draft["state"])
    assert draft["id"] in ran("drafts", *paul)[1]
    words = (draft["id"], "--digest", draft["digest"])
    code, _, told = ran("approve", *words, *paul)
    assert (0, True) == (code, "Published: kerman/org-units" in told)
    assert node.catalog.get("kerman/org-units").version == 1

    petra = ("--token-file", tokens["petra"])
    code, out, _ = ran("withdraw", "kerman/org-units", *petra, "--json")
    wish = json.loads(out)
    assert (0, "submitted") == (code, wish.get("state")), wish
    # Another computer is no other person: nobody approves the own wish.
    words = (wish["id"], "--digest", wish["digest"])
    code, out, _ = ran("approve", *words, *petra, "--json")
    assert (4, "FOUR_EYES") == (code, json.loads(out)["reason"])
    code, out, _ = ran("return", wish["id"], "--reason", "no", *paul, "--json")
    wish = json.loads(out)
    assert (0, "returned", "no") == (code, wish["state"], wish["reason"])


def test_a_long_list_of_drafts_comes_in_pages(
    ran: Ran,
    tokens: dict[str, Path],
    node: Node,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every draft once, by the node's cursor; a list without an end is refused."""
    by, numbers = actor(node, "edna"), [f"LISTED{n}" for n in range(4)]
    with node.database.transaction() as connection:
        for number in numbers:
            revision = drafts.Revision("publish", "org-units", "{}", "errors")
            drafts.create(connection, number, by, revision, present())
    edna = ("--token-file", tokens["edna"], "--json")
    monkeypatch.setattr(remote_desk, "DRAFTS_AT_ONCE", 2)
    # As many pages as the drafts need, and one fewer.
    states: list[drafts.State] = ["draft", "submitted", "returned", "approved"]
    everything, _ = page_of(node, by, states, limit=100)
    pages = math.ceil(len(everything) / 2)
    monkeypatch.setattr(remote_desk, "REMOTE_PAGES_MAX", pages)
    code, out, _ = ran("drafts", *edna)
    monkeypatch.setattr(remote_desk, "REMOTE_PAGES_MAX", pages - 1)
    refused, told, _ = ran("drafts", *edna)
    with node.database.transaction() as connection:
        for number in numbers:
            drafts.discard(connection, drafts.get(connection, number), by, present())
    listed = [one["id"] for one in json.loads(out)]

    assert (0, 7) == (code, refused)
    assert [one.id for one in everything] == listed
    assert "NODE_ANSWER" == json.loads(told)["reason"]


def test_a_wrong_file_comes_back_marked(
    ran: Ran, tokens: dict[str, Path], tmp_path: Path
) -> None:
    """Code 3, the errors with their cells, and the own table coloured there."""
    wrong = find_example("kerman", "projects-bad")
    profile = tmp_path / "profile.json"
    profile.write_text(
        json.dumps(dict(wrong.profile or {}), ensure_ascii=False), "utf-8"
    )
    marked = tmp_path / "marked.xlsx"
    said = (wrong.path, "-s", "projects", "--profile", profile)

    code, out, told = ran(
        "publish", *said, "--token-file", tokens["edna"], "--marked", marked
    )

    assert 3 == code
    assert "has errors" in told
    assert out.startswith("P3\tRow 3,")
    assert marked.read_bytes().startswith(b"PK")


def test_the_nodes_refusal_is_an_error_of_ours(
    ran: Ran, tokens: dict[str, Path], profile: Path
) -> None:
    """The same reason, sentences and exit code as on the node's own machine."""
    said = (EXAMPLE.path, "-s", "org_units", "--profile", profile)
    paul = ("--token-file", tokens["paul"])

    assert 4 == ran("publish", *said, *paul)[0]  # SCOPE_MISSING
    code, out, told = ran("approve", "unknown", "--digest", "0" * 64, *paul, "--json")
    assert (5, "DRAFT_UNKNOWN") == (code, json.loads(out)["reason"])
    assert "(DRAFT_UNKNOWN)" in told
    assert 5 == ran("publish", "absent.csv", *said[1:], *paul)[0]


@pytest.mark.parametrize(
    "address",
    ["http://data.kerman.ir", "data.kerman.ir", "ftp://127.0.0.1", "https://", ""],
)
def test_a_token_goes_over_https_alone(address: str) -> None:
    """Else whoever stands on the way has it; the own computer is no way."""
    with pytest.raises(RequestError) as caught:
        checked_address(address)

    assert Reason.PARAMETER_VALUE == caught.value.reason
    assert "http://127.0.0.1:8080" == checked_address("http://127.0.0.1:8080/")


def test_a_node_that_is_away_is_said() -> None:
    """Code 7, which a script tries again later."""
    with (
        RemoteDesk("http://127.0.0.1:9", "token") as desk,
        pytest.raises(UnavailableError) as caught,
    ):
        desk.drafts()

    assert Reason.PEER_UNREACHABLE == caught.value.reason


def test_no_answer_is_without_bound(
    url: str, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer of the bound is read; one byte more is not."""
    with RemoteDesk(url, token_of(node, "paul", "approve")) as desk:
        size = len(desk._answer("GET", "/v1").content)
        monkeypatch.setattr(remote_desk, "REMOTE_ANSWER_BYTES_MAX", size)
        assert desk.city == "kerman"
        monkeypatch.setattr(remote_desk, "REMOTE_ANSWER_BYTES_MAX", size - 1)
        with pytest.raises(PeerError) as caught:
            assert desk.city

    assert Reason.TOO_LARGE == caught.value.reason


@pytest.mark.parametrize(
    ("status", "content", "kind", "reason"),
    [
        (409, {"errors": [{"reason": "LATER_REASON"}]}, ConflictError, "NODE_PROBLEM"),
        (502, None, UnavailableError, "NODE_PROBLEM"),
        (404, {"errors": []}, RequestError, "NODE_PROBLEM"),
        (
            503,
            {"type": "urn:x:not-ready", "errors": [{"reason": "NOT_READY"}]},
            UnavailableError,
            "NODE_PROBLEM",
        ),  # without the values that the sentence names
    ],
)
def test_what_another_release_says_is_told_in_its_words(
    status: int, content: object, kind: type[Exception], reason: str
) -> None:
    """Neither a proxy's page nor a reason unknown here is a traceback."""
    text = b"<html>" if content is None else json.dumps(content).encode()
    found = refusal("https://data.kerman.ir", Answer(status, "", text))

    assert type(found) is kind
    assert reason == found.reason
    assert found.text("fa")
