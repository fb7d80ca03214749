"""The configuration: what is not set has a sensible default, what is wrong is named."""

from pathlib import Path
from typing import Any

import pytest

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.config import load, parse

NODE: dict[str, Any] = {"node": {"city": "kerman", "city_code": "1346"}}


def test_defaults_need_no_services() -> None:
    """A node of three lines stores in a folder and listens on loopback alone."""
    config = parse(NODE, environ={}, folder=Path("/srv/kerman"))

    assert "local" == config.store.kind
    assert Path("/srv/kerman/data/objects") == config.objects
    assert "127.0.0.1" == config.http.host == config.grpc.host
    assert "four-eyes" == config.publish.approval
    assert "http://127.0.0.1:8080" == config.public_url


def test_environment_wins_over_the_file() -> None:
    """`SHAHRDAD_SECTION__KEY` sets a key; numbers and lists come as text."""
    environ = {
        "SHAHRDAD_HTTP__PORT": "9000",
        "SHAHRDAD_MIRROR__CITIES": "shiraz,mashhad",
        "SHAHRDAD_STORE": "s3",  # has no section, so it is not ours
    }
    config = parse({**NODE, "http": {"port": 8000}}, environ=environ)

    assert 9000 == config.http.port
    assert ("shiraz", "mashhad") == config.mirror.cities
    assert "local" == config.store.kind


@pytest.mark.parametrize(
    ("tree", "reason", "named"),
    [
        ({"nod": {}}, Reason.CONFIG_KEY_UNKNOWN, "nod"),
        ({"http": {"prot": 1}}, Reason.CONFIG_KEY_UNKNOWN, "http.prot"),
        ({"http": {"port": "eighty"}}, Reason.CONFIG_VALUE, "http.port"),
        ({"http": {"port": True}}, Reason.CONFIG_VALUE, "http.port"),
        ({"http": 8080}, Reason.CONFIG_VALUE, "http."),
        ({"store": {"kind": "ftp"}}, Reason.CONFIG_VALUE, "store.kind"),
        ({"node": {"city": "Kerman City"}}, Reason.CONFIG_VALUE, "node.city"),
        (
            {"federation": {"peers": [{"nme": "x"}]}},
            Reason.CONFIG_KEY_UNKNOWN,
            "federation.peers[]nme",
        ),
    ],
)
def test_wrong_setting_is_named(
    tree: dict[str, Any], reason: Reason, named: str
) -> None:
    """The operator reads which key is wrong, and the nearest one that exists."""
    with pytest.raises(RequestError) as caught:
        parse(tree, environ={})

    assert reason is caught.value.reason
    assert named == caught.value.values["key"]


def test_misspelt_key_names_the_nearest() -> None:
    """`prot` is answered with `port`."""
    with pytest.raises(RequestError) as caught:
        parse({"http": {"prot": 1}}, environ={})

    assert "port" == caught.value.values["nearest"]


def test_file_is_found_by_folder_or_environment(tmp_path: Path) -> None:
    """A command finds the node by `--config` (file or folder) or `SHAHRDAD_CONFIG`."""
    file = tmp_path / "shahrdad.toml"
    file.write_text('[node]\ncity = "kerman"\ncity_code = "1346"\n')

    assert "kerman" == load(tmp_path, {}).node.city
    assert "kerman" == load(file, {}).node.city
    assert tmp_path == load(None, {"SHAHRDAD_CONFIG": str(tmp_path)}).folder


def test_missing_and_broken_files_say_so(tmp_path: Path) -> None:
    """What is not there, or is no TOML, is told apart."""
    with pytest.raises(RequestError) as missing:
        load(tmp_path / "nowhere.toml", {})
    broken = tmp_path / "shahrdad.toml"
    broken.write_text("[node\n")
    with pytest.raises(RequestError) as syntax:
        load(broken, {})

    assert Reason.CONFIG_NOT_FOUND is missing.value.reason
    assert Reason.CONFIG_SYNTAX is syntax.value.reason


def test_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    """`secret_key_file` keeps the secret out of the configuration."""
    (tmp_path / "secret").write_text("s3cret\n")
    tree = {**NODE, "store": {"kind": "s3", "secret_key_file": "secret"}}

    assert "s3cret" == parse(tree, environ={}, folder=tmp_path).store.secret_key
