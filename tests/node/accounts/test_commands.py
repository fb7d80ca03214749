"""The commands of accounts, as people type them: from the first person to the entry."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from account_world import PASSWORD, Person
from node_world import make_config
from shahrdad.node.config import load
from shahrdad.node.config_file import render
from shahrdad.node.incoming.example_files import find_example


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a node under four eyes."""
    file = make_config(tmp_path)
    config = load(file)
    strict = replace(config, publish=replace(config.publish, approval="four-eyes"))
    file.write_text(render(strict), "utf-8")
    return file.parent


def run(
    folder: Path, *words: str, token: str = "", stdin: str = "", code: int = 0
) -> Any:
    """Run the command with --json, check its exit code, and return what it printed."""
    environment = {**os.environ, "SHAHRDAD_TOKEN": token} if token else {**os.environ}
    run = subprocess.run(
        [sys.executable, "-m", "shahrdad.node.cli", *words, "--json", "-c", folder],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert code == run.returncode, run.stderr
    return json.loads(run.stdout) if run.stdout else None


def holder(shown: Any) -> Person:
    """Return what a person keeps of a new account."""
    import base64
    from urllib.parse import parse_qs, urlsplit

    (secret,) = parse_qs(urlsplit(shown["otpauth"]).query)["secret"]
    seed = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return Person(shown["name"], 0, seed)


def test_two_people_publish_at_the_command_line(folder: Path) -> None:
    """Accounts, tokens, a draft, a refused self-approval, an approval, the audit."""
    example = find_example("kerman", "org-units")
    words = ("publish", str(example.path), "--example", "kerman/org-units")
    run(folder, *words, code=4)
    petra, paul = (
        holder(run(folder, "user", "add", name, "-r", "publisher", stdin=PASSWORD))
        for name in ("petra", "paul")
    )
    tokens = {
        person.name: run(
            folder,
            *("token", "create", "--user", person.name),
            *("-s", "draft:write", "-s", "submit", "-s", "approve"),
            stdin=f"{PASSWORD}\n{person.code()}",
        )["token"]
        for person in (petra, paul)
    }
    draft = run(folder, *words, token=tokens["petra"])
    approve = ("approve", draft["id"], "--offline", "--digest", draft["digest"])

    assert ("submitted", "petra") == (draft["state"], draft["submitter"])
    assert "FOUR_EYES" == run(folder, *approve, token=tokens["petra"], code=4)["reason"]
    assert [draft["id"]] == [item["id"] for item in run(folder, "drafts")]
    done = run(folder, *approve, token=tokens["paul"])
    assert ("published", 1, "paul") == (
        done["state"],
        done["version"],
        done["approver"],
    )
    assert 1 == run(folder, "audit", "verify")["records"]
    refused = [
        (row["actor_name"], row["action"], row["reason"])
        for row in run(folder, "audit", "list")
        if row["decision"] == "refused"
    ]
    assert [("petra", "draft.approve", "FOUR_EYES")] == refused
    shown = [token["shown"] for token in run(folder, "token", "list")]
    assert 2 == len(shown)
    assert run(folder, "token", "revoke", shown[0])["revoked"]
    again = run(folder, *words, token=tokens["petra"], code=4)
    assert "UNAUTHENTICATED" == again["reason"]


def test_init_makes_the_first_administrator(tmp_path: Path) -> None:
    """With a second factor; a weak password stops it before anything is made."""
    words = ("init", str(tmp_path / "kerman"), "--city", "kerman", "--no-input")
    weak = run(tmp_path, *words, "--owner", "adam", stdin="123456789012", code=2)
    assert "PASSWORD_WEAK" == weak["reason"]
    assert not (tmp_path / "kerman").exists()
    made = run(tmp_path, *words, "--owner", "adam", stdin=PASSWORD)

    assert (["admin"], True) == (made["owner"]["roles"], made["owner"]["second_factor"])
    seed = made["owner"]["otpauth"].partition("secret=")[2].partition("&")[0]
    assert seed == made["owner"]["setup_key"].replace(" ", "")
    (one,) = run(tmp_path / "kerman", "user", "list")
    assert "adam" == one["name"]


def test_person_of_the_service_is_linked(folder: Path) -> None:
    """Only where a service is configured; unlinking is always possible."""
    run(folder, "user", "add", "edna", "-r", "editor", stdin=PASSWORD)
    link = ("user", "link", "edna", "--subject", "4f1c")
    assert "CONFIG_VALUE" == run(folder, *link, code=2)["reason"]
    file = folder / "shahrdad.toml"
    more = '\n[oidc]\nissuer = "https://sso.kerman.ir"\nclient_id = "x"\n'
    file.write_text(file.read_text("utf-8") + more, "utf-8")
    run(folder, *link)
    run(folder, "user", "add", "paul", "-r", "editor", stdin=PASSWORD)
    taken = ("user", "link", "paul", "--subject", "4f1c")
    assert "IDENTITY_TAKEN" == run(folder, *taken, code=6)["reason"]
    run(folder, "user", "unlink", "edna")
    run(folder, *taken)


def test_token_needs_its_owners_password(folder: Path) -> None:
    """Whoever runs the command does not become somebody else by it."""
    run(folder, "user", "add", "edna", "-r", "editor", stdin=PASSWORD)
    words = ("token", "create", "--user", "edna", "-s", "submit")

    assert (
        "LOGIN_REFUSED" == run(folder, *words, stdin="another word", code=4)["reason"]
    )
    assert "PASSWORD_NEEDED" == run(folder, *words, code=4)["reason"]
    assert run(folder, *words, stdin=PASSWORD)["token"].startswith("shahrdad_")


def test_wrong_words_are_refused_with_their_reason(folder: Path) -> None:
    """Roles, scopes, names and weak passwords are named, and nothing is made."""
    table = [
        (("user", "add", "edna", "-r", "boss"), "ROLE_WRONG", PASSWORD),
        (("user", "add", "Edna", "-r", "editor"), "ACCOUNT_NAME", PASSWORD),
        (("user", "add", "edna", "-r", "editor"), "PASSWORD_WEAK", "123456789012"),
        (("token", "create", "-u", "edna", "-s", "all"), "SCOPE_WRONG", PASSWORD),
    ]
    for words, reason, stdin in table:
        assert reason == run(folder, *words, stdin=stdin, code=2)["reason"]
    assert [] == run(folder, "user", "list")
