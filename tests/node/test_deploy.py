"""What an operator copies: units that are shut in, files that their tools accept."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

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
