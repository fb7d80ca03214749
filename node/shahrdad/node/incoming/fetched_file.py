"""A file that a command names: on this computer, on the web, or in the object store.

The web is reached by the node's own dialler, so that an address never leads into the
local network unless the configuration allows it; size and time are bounded.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shahrdad.datasets.errors import Reason, RequestError

WEB = ("http://", "https://")
OBJECT = "sha256:"  # of an object in the store of the node that `--config` names
CHUNK_BYTES = 1 << 20


@contextmanager
def local_file(given: str, config: Path | None = None) -> Iterator[Path]:
    """Give a file as a path; a copy of what is elsewhere goes when it is done.

    Args:
        given: A path, an HTTP(S) address, or `sha256:` and the name of an object.
        config: The node's configuration: networks of its own, and its object store.

    Raises:
        RequestError: FILE_NOT_FOUND, ADDRESS_REFUSED, OBJECT_NOT_HELD.
        PeerError: SITE_ANSWER, TOO_LARGE.
        UnavailableError: TIMEOUT, PEER_UNREACHABLE, SITE_ANSWER.
    """
    if given.startswith(WEB):
        with tempfile.TemporaryDirectory(prefix="shahrdad-fetched-") as folder:
            yield _fetch(given, Path(folder), config)
        return
    if given.startswith(OBJECT):
        with tempfile.TemporaryDirectory(prefix="shahrdad-fetched-") as folder:
            yield _copy_object(given, Path(folder), config)
        return
    path = Path(given)
    if not path.is_file():
        raise RequestError(Reason.FILE_NOT_FOUND, path=given)
    yield path


def _fetch(url: str, folder: Path, config: Path | None) -> Path:
    """Fetch an address into a folder."""
    from shahrdad.federation.bridge.files import FileFetcher
    from shahrdad.federation.bridge.packages import Known
    from shahrdad.federation.dialler import Dialler
    from shahrdad.node.config import load
    from shahrdad.validators.limits import DEFAULT

    allowed = load(config).federation.allow_private if config is not None else ()
    name = unquote(urlsplit(url).path).rpartition("/")[2].strip(". ") or "file"
    target = folder / name[:100]
    fetcher = FileFetcher(
        Dialler(allowed),
        f"shahrdad/{version('shahrdad')}",
        bytes_max=DEFAULT.source_bytes_max,
    )
    try:
        fetcher.fetch(url, Known(), target)
    finally:
        fetcher.close()
    return target


def _copy_object(name: str, folder: Path, config: Path | None) -> Path:
    """Copy an object of the node's store into a folder; it is verified on the way."""
    from shahrdad.federation.verify.digest import Digest
    from shahrdad.node.config import load
    from shahrdad.node.configured_store import settings_of
    from shahrdad.node.store.contract import Area
    from shahrdad.node.store.opening import open_store

    if config is None:
        raise RequestError(Reason.FILE_NOT_FOUND, path=name)
    store = open_store(settings_of(load(config)))
    digest = Digest.parse(name.removeprefix(OBJECT))
    if store.stat(Area.OBJECT, digest) is None:
        raise RequestError(Reason.OBJECT_NOT_HELD, digest=digest.hex)
    target = folder / digest.hex
    with store.open(Area.OBJECT, digest) as stored, target.open("wb") as file:
        shutil.copyfileobj(stored, file, CHUNK_BYTES)
    return target


__all__ = ["local_file"]
