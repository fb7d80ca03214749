"""Who installs the client alone gets no server with it."""

import re
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement

SERVER = {
    "ckanapi",
    "duckdb",
    "frictionless",
    "grpcio",
    "jinja2",
    "minio",
    "prometheus-client",
    "protobuf",
    "starlette",
    "structlog",
    "uvicorn",
}


def plain(name: str) -> str:
    """Return a distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pulled(name: str, extra: str = "") -> set[str]:
    """Return everything that a distribution needs, directly or not."""
    found: set[str] = set()
    open_: list[tuple[str, str]] = [(name, extra)]
    while open_:
        one, wanted = open_.pop()
        try:
            needed = distribution(one).requires or []
        except PackageNotFoundError:  # another system's, or an extra not installed
            continue
        for text in needed:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is not None and not marker.evaluate({"extra": wanted}):
                continue
            if plain(requirement.name) not in found:
                found.add(plain(requirement.name))
                open_ += [
                    (requirement.name, item) for item in ("", *requirement.extras)
                ]
    return found


def test_client_pulls_no_server() -> None:
    """`pip install shahrdad` has Arrow, an HTTP client and cryptography, no more."""
    found = pulled("shahrdad")

    assert {"cryptography", "httpx2", "pyarrow"} <= found
    assert set() == found & SERVER


def test_node_pulls_all_of_it() -> None:
    """The same look finds the server where it is wanted, so it can find it at all."""
    assert pulled("shahrdad", "node") >= SERVER
