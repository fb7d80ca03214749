"""The page of the network: alarms first, keys to compare by eye and by telephone."""

import re
from collections.abc import Iterator
from hashlib import sha256

import pytest
from starlette.testclient import TestClient

from http_world import World
from shahrdad.node.http.app import create_app
from shahrdad.node.http.portal import qr

# "kerman.example" at level M under mask 3, row by row, as another encoder draws it.
KNOWN = (
    "1fd27f 105441 17485d 17505d 174e5d 104441 1fd57f 001400 16e64b 1d18bd 0ed0e3"
    " 1d2409 09c6d9 001f18 1fde94 105dbd 174e3e 17538e 175f8c 1040e1 1fd3d4"
)
VKEY = "kerman.example/catalog+a1b2c3d4+" + "Ab1/" * 12


def bits_of(data: bytes) -> list[bool]:
    """Return the bits of bytes, the highest first."""
    return [byte >> place & 1 == 1 for byte in data for place in range(7, -1, -1)]


def read_code(grid: qr.Grid) -> str:
    """Return the text of a code as a reader finds it: format, mask, blocks, checks."""
    size = len(grid)
    version = (size - 17) // 4
    found = b""
    mask = next(
        mask
        for mask in range(8)
        if all(
            grid[y][x] == dark for (y, x), dark in qr.format_marks(size, mask).items()
        )
    )
    fixed = qr.frame(version, mask)
    bits = [grid[y][x] != qr.MASKS[mask](y, x) for y, x in qr.free_places(size, fixed)]
    stream = [
        sum(bit << 7 - place for place, bit in enumerate(bits[at : at + 8]))
        for at in range(0, len(bits) // 8 * 8, 8)
    ]
    each, blocks = qr.VERSIONS[version - 1]
    parts: list[list[int]] = [[] for _ in blocks]
    data = iter(stream[: sum(blocks)])
    for place in range(max(blocks)):
        for part, length in zip(parts, blocks, strict=True):
            if place < length:
                part.append(next(data))
    checks = stream[sum(blocks) : sum(blocks) + each * len(blocks)]
    for number, part in enumerate(parts):
        assert qr.remainder(bytes(part), each) == checks[number :: len(blocks)]
        found += bytes(part)
    whole = int.from_bytes(found, "big")
    length = whole >> 8 * len(found) - 12 & 0xFF
    text = whole >> 8 * len(found) - 12 - 8 * length
    return (text & (1 << 8 * length) - 1).to_bytes(length, "big").decode()


def test_code_is_that_of_another_encoder() -> None:
    """The same text, level and mask give the same modules."""
    bits = bits_of(qr.codewords(b"kerman.example", 1))
    rows = [
        f"{sum(dark << 20 - x for x, dark in enumerate(row)):06x}"
        for row in qr.drawn(1, bits, 3)
    ]

    assert KNOWN.split() == rows


@pytest.mark.parametrize("letters", [1, 26, 27, 62, 90, 123, qr.LETTERS_MAX])
def test_code_reads_back(letters: int) -> None:
    """Every version's code holds its text, with correction bytes that fit."""
    text = (VKEY * 3)[:letters]

    assert text == read_code(qr.modules(text))


def test_text_longer_than_a_code_is_refused() -> None:
    """One byte above the largest version is no code at all."""
    with pytest.raises(ValueError, match=str(qr.LETTERS_MAX)):
        qr.modules("k" * (qr.LETTERS_MAX + 1))


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
