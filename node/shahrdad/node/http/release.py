"""What `/version` says: the software, the protocol, the state of the schema."""

from functools import cache
from importlib.metadata import version

PROTOCOL = "shahrdad.proto.v1"


@cache
def release() -> str:
    """Return the version of the installed software."""
    return version("shahrdad")
