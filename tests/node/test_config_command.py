"""`shahrdad config`: an operator sees what holds, who said so, and what is wrong."""

import json
from pathlib import Path

import pytest

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.commands import configuration
from shahrdad.node.config import load
from shahrdad.node.console import Common

SOUND = """
[node]
city = "kerman"
[store]
kind = "s3"
secret_key = "hush"
[[federation.peers]]
name = "shiraz"
grpc = "shiraz.example:443"
"""
WRONG = """
[node]
city = "Kerman!"
langauge = "fa"
[http]
port = "eighty"
[stoer]
kind = "s3"
"""


def written(folder: Path, text: str) -> Common:
    """Return options that name a configuration with this text."""
    file = folder / "shahrdad.toml"
    file.write_text(text, "utf-8")
    return Common(config=file, json=True, lang="en")


def test_path_is_the_file_that_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder stands for the file in it."""
    written(tmp_path, SOUND)

    configuration.path(common=Common(config=tmp_path))

    assert f"{tmp_path / 'shahrdad.toml'}\n" == capsys.readouterr().out


def test_show_says_who_set_an_option_and_hides_secrets(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The environment wins over the file, and the file over the default."""
    monkeypatch.setenv("SHAHRDAD_HTTP__PORT", "8090")

    configuration.show(common=written(tmp_path, SOUND))
    text = capsys.readouterr().out
    shown = {one["option"]: (one["value"], one["source"]) for one in json.loads(text)}

    assert ("kerman", "file") == shown["node.city"]
    assert (8090, "environment") == shown["http.port"]
    assert ("127.0.0.1", "default") == shown["http.host"]
    assert ("shiraz", "file") == shown["federation.peers.0.name"]
    assert ("•••", "file") == shown["store.secret_key"]
    assert "hush" not in text


def test_check_says_everything_that_is_wrong_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four faults, each with the nearest name or what is expected."""
    with pytest.raises(SystemExit) as ended:
        configuration.check(common=written(tmp_path, WRONG))
    faults = json.loads(capsys.readouterr().out)["faults"]

    assert 2 == ended.value.code
    assert 4 == len(faults)
    assert "language" in json.dumps(faults)
    assert "store" in json.dumps(faults)


def test_check_of_a_sound_file_is_quiet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with 0."""
    configuration.check(common=written(tmp_path, SOUND))

    assert [] == json.loads(capsys.readouterr().out)["faults"]


def test_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The option and the file are said, as for any wrong value."""
    common = written(tmp_path, '[mail]\npassword_file = "no-such-file"\n')

    with pytest.raises(RequestError) as refused:
        load(common.config)

    assert Reason.CONFIG_VALUE is refused.value.reason
    assert "mail.password_file" == refused.value.values["key"]
