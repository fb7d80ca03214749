"""One node with three cities' data for all tests of figures and their pages."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from http_world import World
from portal_world import make_portal_world
from shahrdad.node.analysis.releases import Releases
from shahrdad.node.http.app import create_app


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A node that holds three cities; tests must not change it."""
    return make_portal_world(tmp_path_factory.mktemp("portal"))


@pytest.fixture(scope="session")
def releases(world: World) -> Releases:
    """Its newest releases."""
    return Releases(world)


@pytest.fixture(scope="session")
def client(world: World) -> Iterator[TestClient]:
    """A client that follows no redirect."""
    with TestClient(create_app(world), follow_redirects=False) as found:
        yield found
