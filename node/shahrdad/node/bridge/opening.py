"""A portal, opened for a node: through its dialler, saying who asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from shahrdad.federation.bridge.files import FileFetcher
from shahrdad.federation.bridge.limits import FILE_BYTES_MAX
from shahrdad.federation.bridge.site import CkanSite
from shahrdad.federation.dialler import Dialler
from shahrdad.node.bridge.inward import InwardBridge
from shahrdad.node.bridge.outward import OutwardBridge
from shahrdad.node.bridge.rows import Source

if TYPE_CHECKING:
    from shahrdad.node.accounts.roles import Actor
    from shahrdad.node.city import Node


@contextmanager
def open_inward(
    node: "Node", source: Source, by: "Actor | None" = None
) -> Iterator[InwardBridge]:
    """Open a portal for reading, and close its connections afterwards.

    Args:
        node: The node.
        source: The portal.
        by: Who hands in, under four eyes.
    """
    dialler = Dialler(node.config.federation.allow_private)
    site = CkanSite(source.url, dialler, user_agent(node))
    size = source.settings.file_bytes_max or FILE_BYTES_MAX
    fetcher = FileFetcher(dialler, user_agent(node), bytes_max=size)
    try:
        yield InwardBridge(node, source, site, fetcher, by)
    finally:
        site.close()
        fetcher.close()


@contextmanager
def open_outward(node: "Node", source: Source) -> Iterator[OutwardBridge]:
    """Open a portal for writing, with the token in the source's key file."""
    key = None
    if source.settings.key_file:
        file = node.config.folder / source.settings.key_file
        key = file.read_text("utf-8").strip()
    dialler = Dialler(node.config.federation.allow_private)
    site = CkanSite(source.url, dialler, user_agent(node), key=key)
    try:
        yield OutwardBridge(node, source, site)
    finally:
        site.close()


def user_agent(node: "Node") -> str:
    """Return who asks, and where to complain."""
    return f"shahrdad/{version('shahrdad')} (+{node.config.public_url})"
