"""A node under a real browser; without pytest-playwright these tests are not collected.

`make test-browser` installs it. The browser is the system's Chromium; `CHROMIUM` names
another one.
"""

import os
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
import uvicorn

from http_world import World
from portal_world import make_portal_world
from shahrdad.node.http.app import create_app
from shahrdad.node.serving import bind

if find_spec("pytest_playwright") is None:
    collect_ignore_glob = ["test_*.py"]

ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
START_SECONDS_MAX = 20


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any],
) -> dict[str, Any]:
    """Launch the system's Chromium, which speaks to nobody by itself."""
    path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    return {**browser_type_launch_args, "executable_path": path, "args": ARGS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """Read as a person in Iran does, without motion."""
    return {
        **browser_context_args,
        "locale": "fa-IR",
        "timezone_id": "Asia/Tehran",
        "reduced_motion": "reduce",
    }


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A node that holds three cities."""
    return make_portal_world(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="session")
def node_url(world: World) -> Iterator[str]:
    """The address of that node, served on a free port of this computer."""
    listener = bind("127.0.0.1", 0)
    config = uvicorn.Config(create_app(world), log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    deadline = time.monotonic() + START_SECONDS_MAX
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
