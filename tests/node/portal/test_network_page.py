"""The page of the network: alarms first, keys to compare by eye and by telephone."""

import re
from collections.abc import Iterator
from hashlib import sha256

import pytest
import segno
from starlette.testclient import TestClient

from http_world import World
from shahrdad.node.http.app import create_app
from shahrdad.node.http.portal import network
from shahrdad.node.http.portal.limits import CODE_BYTES_MAX

VKEY = "kerman.example/catalog+a1b2c3d4+" + "Ab1/" * 12


def test_a_code_is_drawn_module_by_module() -> None:
    """Filled, the strokes of the path are the dark modules, and no others."""
    drawn = network.drawn(VKEY)
    assert drawn is not None
    size, path = drawn
    strokes = re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", path)
    dark = {
        (int(x) + along, int(y)) for x, y, run in strokes for along in range(int(run))
    }
    matrix = segno.make_qr(VKEY, error="m").matrix

    assert path == "".join(f"M{x} {y}h{run}v1h-{run}z" for x, y, run in strokes)
    assert (size, size) == (len(matrix), len(matrix[0]))
    assert dark == {(x, y) for y in range(size) for x in range(size) if matrix[y][x]}


def test_a_line_too_long_for_a_telephone_has_no_code() -> None:
    """At the bound it is drawn; one byte above, its line and digits have to do."""
    assert network.drawn("k" * CODE_BYTES_MAX) is not None
    assert network.drawn("k" * (CODE_BYTES_MAX + 1)) is None


@pytest.fixture
def alarmed(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A node that knows keys, a log in quarantine, and a peer that does not answer.

    The application is new: another one may remember what it was told a moment ago.
    """
    logs = [dict(log) for log in world.status["logs"]]
    for log in logs:
        log |= {"vkeys": [VKEY], "cosignatures": 2, "missing_bodies": 3}
    logs[-1]["state"] = "quarantined"
    peer = {
        "name": "shiraz",
        "address": "shiraz.example:443",
        "error": {"fa": "ب", "en": "b"},
    }
    monkeypatch.setattr(world, "status", {"logs": logs, "peers": [peer], "quorum": 2})
    with TestClient(create_app(world)) as found:
        yield found


@pytest.mark.parametrize("language", ["fa", "en"])
def test_network_page_has_alarms_and_keys(alarmed: TestClient, language: str) -> None:
    """Alarms stand above the table; each key's fingerprint is its line's SHA-256."""
    text = alarmed.get(f"/{language}/federation").text
    groups = re.findall(r"<span>([0-9a-f]{4})</span>", text)

    assert text.index('class="seal bad"') < text.index("<table>")
    assert sha256(VKEY.encode()).hexdigest() == "".join(groups[:16])
    assert 1 == text.count('class="qr"'), "the node's own; others are on their cities'"
    assert "shiraz.example:443" in text


def test_city_page_has_its_key(alarmed: TestClient) -> None:
    """A city's page has fingerprint, code and line of its key."""
    text = alarmed.get("/en/cities/shiraz").text

    assert 'id="keys"' in text
    assert 1 == text.count('class="qr"')
    assert VKEY in text
