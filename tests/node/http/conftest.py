"""One node for all tests that only read, and a client of its HTTP service."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from http_world import World, fill, make_world
from shahrdad.node.http.app import create_app


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A node with two cities' datasets; tests must not change it."""
    folder: Path = tmp_path_factory.mktemp("node")
    return fill(make_world(folder))


@pytest.fixture(scope="session")
def client(world: World) -> Iterator[TestClient]:
    """A client that follows no redirect."""
    app = create_app(world)
    with TestClient(app, follow_redirects=False) as found:
        yield found
