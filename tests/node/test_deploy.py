"""What an operator copies: units that are shut in, files that their tools accept."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from shahrdad.node.config import Config
from shahrdad.node.serving import END_SECONDS
from tls_world import Authority

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
EXPOSURE_MAX = 1.5
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here"
)


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_unit_is_shut_in(unit: Path) -> None:
    """systemd's own judge rates the exposure at 1.5 or below."""
    run = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", unit],
        capture_output=True,
        text=True,
    )
    (level,) = re.findall(r"exposure level for \S+: ([0-9.]+)", run.stdout)

    assert float(level) <= EXPOSURE_MAX


def test_nobody_kills_a_node_that_ends_in_order() -> None:
    """The unit and the compose file wait for the drain and for all that comes after."""
    needed = Config().http.drain_seconds + END_SECONDS
    unit = (DEPLOY / "systemd" / "shahrdad.service").read_text("utf-8")
    compose = (DEPLOY / "container" / "compose.yaml").read_text("utf-8")
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)s$", unit, re.MULTILINE)
    (grace,) = re.findall(r"^    stop_grace_period: (\d+)s$", compose, re.MULTILINE)

    assert needed < int(stop) == int(grace)


def test_there_are_units() -> None:
    """An empty folder would pass every test above."""
    assert ["shahrdad-backup.service", "shahrdad.service"] == [u.name for u in UNITS]


def test_container_has_no_root_and_no_secret() -> None:
    """The image runs as a user of its own and is checked on /readyz."""
    text = (DEPLOY / "container" / "Containerfile").read_text("utf-8")

    assert "USER 10001:10001" in text
    assert "/readyz" in text
    assert "signing.key" not in text


def test_proxy_does_not_show_metrics() -> None:
    """What is for the machine's supervisor stays on the machine."""
    for name in ("nginx.conf", "Caddyfile"):
        text = (DEPLOY / "proxy" / name).read_text("utf-8")

        assert re.search(r"/metrics[ {\n]+(return )?404", text)


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not here")
def test_nginx_takes_its_file(tmp_path: Path) -> None:
    """`nginx -t` reads the proxy's file, with a certificate of the test's own."""
    text = (DEPLOY / "proxy" / "nginx.conf").read_text("utf-8")
    key, certificate = tmp_path / "key.pem", tmp_path / "fullchain.pem"
    shown, secret = Authority("test").issue("data.kerman.example")
    certificate.write_bytes(shown)
    key.write_bytes(secret)
    text = text.replace("/etc/ssl/data.kerman.example", str(tmp_path))
    file = tmp_path / "nginx.conf"
    file.write_text(
        f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{text}\n}}\n",
        "utf-8",
    )
    run = subprocess.run(
        ["nginx", "-t", "-q", "-c", file], capture_output=True, text=True
    )

    assert (0, "") == (run.returncode, run.stderr)
