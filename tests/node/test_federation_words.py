"""sync --report, peers, prune, full disks: what a person reads, in both languages."""

import errno
import json
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from federated_nodes import listening, make_cities, opened
from node_world import put_record
from shahrdad.datasets.errors import Language, Reason, UnavailableError
from shahrdad.node.commands import federation as commands
from shahrdad.node.config import Config
from shahrdad.node.config_file import render
from shahrdad.node.console import Common
from shahrdad.node.database import full_disk_said
from shahrdad.node.exit_codes import ExitCode

LANGUAGES: tuple[Language, ...] = ("fa", "en")
YEARS_LATER = 4 * 366 * 86_400


def spoken(config: Config, language: Language) -> Common:
    """Return the options of a command that speaks a language."""
    file = config.folder / "shahrdad.toml"
    file.write_text(render(config), "utf-8")
    return Common(config=file, lang=language)


def test_report_says_what_came_and_who_is_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What happened, with whom, why, and what to do; days as people here write them."""
    configs = make_cities(tmp_path)
    said = {}
    with opened(*configs.values()) as (_, shiraz, _):
        for number, language in enumerate(LANGUAGES, 1):
            put_record(shiraz, f"budget-140{number}", "بودجه")
            with listening(shiraz), pytest.raises(SystemExit) as ended:
                commands.sync(report=True, common=spoken(configs["kerman"], language))
            said[language] = capsys.readouterr().out

            assert ExitCode.PARTLY == ended.value.code
            assert "shiraz (shiraz.example/catalog)" in said[language]
            assert f"+ ds/budget-140{number}" in said[language]
            assert "mashhad" in said[language]
            assert "shahrdad peers" in said[language]
            assert "T" not in said[language].splitlines()[0].replace("Tir", "")
    assert "پاسخ نداد" in said["fa"]
    assert "did not answer" in said["en"]


def test_peers_say_in_each_language_why_one_is_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reason is remembered as a sentence of either language."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    with opened(*configs.values()):
        common = spoken(configs["kerman"], "fa")
        with pytest.raises(SystemExit) as ended:
            commands.sync(common=common)
        capsys.readouterr()
        said = {}
        for language in LANGUAGES:
            commands.peers(common=replace(common, lang=language))
            said[language] = capsys.readouterr().out.splitlines()
        commands.peers(common=replace(common, json=True))
        facts = json.loads(capsys.readouterr().out)

    error = facts["peers"][0]["error"]
    assert ExitCode.NETWORK == ended.value.code
    assert "failing" == facts["peers"][0]["state"]
    assert error["fa"] != error["en"]
    for language in LANGUAGES:
        assert any(error[language] in line for line in said[language])


def test_prune_counts_first_and_says_what_it_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old versions of another city go after their time; the newest stays, proven."""
    configs = make_cities(tmp_path, ("kerman", "shiraz"))
    with opened(*configs.values()) as (kerman, shiraz):
        for n in (1, 2):
            put_record(shiraz, "noise-1404", "صدا", n, family="noise")
        with listening(shiraz):
            commands.sync(common=spoken(configs["kerman"], "en"))
        capsys.readouterr()
        later = time.time() + YEARS_LATER
        monkeypatch.setattr(
            "shahrdad.node.commands.federation.time.time", lambda: later
        )
        said = {}
        for language in LANGUAGES:
            common = spoken(configs["kerman"], language)
            commands.prune(dry_run=True, common=common)
            said[language] = capsys.readouterr()
        commands.prune(common=replace(common, json=True))
        told = json.loads(capsys.readouterr().out)
        commands.prune(common=replace(common, json=True))
        again = json.loads(capsys.readouterr().out)
        digests = {
            node.logs.state_digest("shiraz.example/catalog")
            for node in (kerman, shiraz)
        }

    assert all("shiraz.example/catalog" in one.out + one.err for one in said.values())
    assert (1, 1) == (told["due"]["shiraz.example/catalog"], told["dropped"])
    assert 0 == again["dropped"]
    assert 1 == len(digests)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
    ],
)
def test_full_disk_is_a_sentence(error: OSError) -> None:
    """Nobody reads a traceback because a disk is full."""
    with pytest.raises(UnavailableError) as caught, full_disk_said():
        raise error

    assert Reason.DISK_FULL is caught.value.reason
    assert caught.value.text("fa") != caught.value.text("en")


def test_full_database_is_the_same_sentence(tmp_path: Path) -> None:
    """SQLite's own limit stands for a disk; other errors of it stay what they are."""
    connection = sqlite3.connect(tmp_path / "small.db", isolation_level=None)
    connection.execute("CREATE TABLE one(content BLOB)")
    connection.execute("PRAGMA max_page_count=2")
    with pytest.raises(UnavailableError), full_disk_said():
        connection.execute("INSERT INTO one VALUES(zeroblob(100000))")
    with pytest.raises(sqlite3.OperationalError), full_disk_said():
        connection.execute("SELECT * FROM nothing")
    with pytest.raises(FileNotFoundError), full_disk_said():
        (tmp_path / "absent").read_bytes()
    connection.close()
