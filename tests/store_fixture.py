"""An empty object store for a test: a directory, or S3 with SHAHRDAD_STORE=s3.

`from store_fixture import make_store` in a module of tests makes the fixture known
there; `make_store(tmp_path / "objects")` returns a store of its own for every path.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.contract import ObjectStore
from shahrdad.node.store.opening import StoreSettings, open_store

StoreMaker = Callable[[Path], ObjectStore]


def store_settings(path: Path) -> StoreSettings:
    """Return settings of a store that belongs to a path, as the environment says."""
    if os.environ.get("SHAHRDAD_STORE", "local") != "s3":
        return StoreSettings(kind="local", path=path)
    from s3_server import running_server

    place = running_server().place(prefix=Digest.of(str(path).encode()).hex)
    return StoreSettings(
        kind="s3",
        endpoint=f"http://{place.endpoint}",
        bucket=place.bucket,
        prefix=place.prefix,
        access_key=place.access_key,
        secret_key=place.secret_key,
    )


def store_for(path: Path) -> ObjectStore:
    """Return the store that belongs to a path: the same path, the same store."""
    return open_store(store_settings(path))


@pytest.fixture
def make_store() -> StoreMaker:
    """Return a function from a path to its store."""
    return store_for
