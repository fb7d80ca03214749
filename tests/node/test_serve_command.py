"""`shahrdad serve`: no sign-in in the open by oversight, and an end in order."""

import asyncio
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from client_node import make_node, start
from node_world import make_config
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.commands.serve import left_behind, require_https
from shahrdad.node.config import Config, load
from shahrdad.node.serving import _unfinished


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A node on the desk: it answers its own computer, without https."""
    return load(make_config(tmp_path_factory.mktemp("node")))


def at(config: Config, host: str, public_url: str) -> Config:
    """Return the configuration with another address."""
    return replace(
        config,
        http=replace(config.http, host=host),
        node=replace(config.node, public_url=public_url),
    )


@pytest.mark.parametrize(
    ("host", "public_url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("::1", "http://[::1]:8080"),
        ("localhost", ""),
        ("0.0.0.0", "https://data.kerman.ir"),
    ],
)
def test_the_own_computer_and_https_are_served(
    host: str, public_url: str, config: Config
) -> None:
    """A node is tried out without a certificate, and stands behind one in earnest."""
    require_https(at(config, host, public_url))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "data.kerman.ir"])
@pytest.mark.parametrize("public_url", ["", "http://data.kerman.ir"])
def test_other_computers_are_not_answered_in_the_open(
    host: str, public_url: str, config: Config
) -> None:
    """The error names the way out, and `--insecure` for a trial."""
    with pytest.raises(RequestError) as caught:
        require_https(at(config, host, public_url))

    assert Reason.PUBLIC_ADDRESS_PLAIN == caught.value.reason
    assert "--insecure" in caught.value.text("fa")


def test_what_does_not_end_in_time_is_named() -> None:
    """The process then ends over it, in time for its supervisor."""
    release = threading.Event()
    ended = threading.Thread(target=int, name="house")
    running = threading.Thread(target=release.wait, name="rounds")
    for thread in (ended, running):
        thread.start()
    ended.join()
    app = Starlette()
    app.state.jobs = None
    try:
        late = time.monotonic()
        unfinished = asyncio.run(_unfinished(app, [ended, running], late))
    finally:
        release.set()
        running.join()

    assert ["rounds"] == unfinished


def test_a_node_that_stops_says_so_and_still_answers(tmp_path: Path) -> None:
    """Balancers see it at once; new connections are served; a second signal ends it.

    That one signal is followed by exit code 0 is seen wherever a test serves a node.
    """
    make_node(tmp_path)
    process, address = start(tmp_path, drain_seconds=600)
    try:
        ready = httpx2.get(f"{address}/readyz")
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        stopping = ready
        while stopping.status_code == 200 and time.monotonic() < deadline:
            stopping = httpx2.get(f"{address}/readyz")
        alive = httpx2.get(f"{address}/healthz")
        datasets = httpx2.get(f"{address}/v1/datasets")
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    finally:
        process.kill()
        process.wait()

    assert (200, "ready") == (ready.status_code, ready.json()["status"])
    assert (503, "stopping") == (stopping.status_code, stopping.json()["status"])
    assert "5" == stopping.headers["retry-after"]
    assert (200, 200) == (alive.status_code, datasets.status_code)
    assert -signal.SIGINT == code


def test_a_thread_that_was_left_behind_is_found() -> None:
    """A request that was cut goes on in its thread, for which Python would wait."""
    released = threading.Event()
    stuck = threading.Thread(target=released.wait, name="stuck")
    helping = threading.Thread(target=released.wait, daemon=True)
    stuck.start()
    helping.start()

    found = left_behind(time.monotonic() + 0.01)
    released.set()
    stuck.join()
    helping.join()

    assert stuck in found
    assert helping not in found
    assert stuck not in left_behind(time.monotonic())
