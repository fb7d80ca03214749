"""Many readers take a large file slowly: others are answered, memory stays flat."""

import asyncio
import os
import statistics
import time
from pathlib import Path

import pytest

from node_world import put_record, ready
from shahrdad.node.city import Node
from shahrdad.node.config import load
from shahrdad.node.demonstration.world import Place, make_world, running
from shahrdad.node.record import Attachment
from shahrdad.node.store.contract import Area, put_bytes

LONG = bool(os.environ.get("SHAHRDAD_LONG"))
READERS = 1_000
FILE_BYTES = 100_000_000
ASKED = 60  # by others, in each of the two states
PIECE = 2_048
PAUSE_SECONDS = 0.5
RECEIVE_BYTES = 4_096  # of a reader's own buffer
READER_BYTES_MAX = 150_000  # that a reader may cost the node …
THREADS_BYTES_MAX = 30_000_000  # … and the threads that read for them, together
TIMES_MAX = 2.0  # of the idle p95 …
JITTER_SECONDS = 0.010  # … and what two cores and their scheduler add


def publish_large(place: Place) -> str:
    """Publish a record with a large file; return the file's address."""
    content = os.urandom(FILE_BYTES)
    with ready(Node(load(place.file))) as node:
        digest = put_bytes(node.store, Area.OBJECT, content)
        report = Attachment(
            *("report", "report", digest, len(content)), "json", "application/json"
        )
        put_record(node, "large", attachments=[report])
    return f"/files/{digest.hex}/large--report.json"


async def read_slowly(port: int, path: str, begun: asyncio.Event) -> int:
    """Take a file in small pieces with pauses, until cancelled; return the status."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, limit=RECEIVE_BYTES
    )
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        status = int((await reader.readline()).split()[1])
        begun.set()
        while await reader.read(PIECE):  # noqa: ASYNC110 (slow on purpose)
            await asyncio.sleep(PAUSE_SECONDS)
        return status
    finally:
        writer.close()


async def ask(port: int) -> float:
    """Return how long a list takes on a connection of its own."""
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET /v1/datasets HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    return time.perf_counter() - started


async def p95(port: int) -> float:
    """Return the 95th percentile of a list's time."""
    times = [await ask(port) for _ in range(ASKED)]
    return statistics.quantiles(times, n=20)[-1]


def resident(process: int) -> int:
    """Return the resident bytes of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


async def measure(port: int, path: str, process: int) -> tuple[float, float, int]:
    """Return p95 when idle, p95 beside the readers, and what they cost in memory."""
    idle = await p95(port)
    before = resident(process)
    begun = [asyncio.Event() for _ in range(READERS)]
    readers = [asyncio.create_task(read_slowly(port, path, event)) for event in begun]
    await asyncio.wait_for(asyncio.gather(*(one.wait() for one in begun)), 120)
    beside = await p95(port)
    grown = resident(process) - before
    for one in readers:
        one.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    return idle, beside, grown


@pytest.mark.skipif(not LONG, reason="a thousand connections; SHAHRDAD_LONG=1")
def test_slow_readers_hold_nobody_up(tmp_path: Path) -> None:
    """A reader costs a buffer, not a thread and not the file."""
    (place,) = make_world(tmp_path, ("kerman",))
    text = place.file.read_text("utf-8")
    place.file.write_text(
        text.replace("[http]\n", "[http]\nrequests_per_minute = 0\n"), "utf-8"
    )
    path = publish_large(place)
    with running([place]) as processes:
        idle, beside, grown = asyncio.run(
            measure(place.http_port, path, processes["kerman"])
        )

    assert grown < THREADS_BYTES_MAX + READERS * READER_BYTES_MAX
    assert beside < TIMES_MAX * idle + JITTER_SECONDS
