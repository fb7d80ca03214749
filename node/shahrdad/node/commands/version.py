"""`shahrdad version`: what is installed."""

import platform
import sys
from importlib.metadata import version

from shahrdad.node.console import Common, print_json


def show_version(*, common: Common = Common()) -> None:  # noqa: B008
    """Print the version of the software, and with --json of what it rests on."""
    found = version("shahrdad")
    if common.json:
        names = ("pyarrow", "frictionless", "grpcio", "protobuf", "minio", "ckanapi")
        libraries = {name: version(name) for name in names}
        print_json({"version": found, "python": platform.python_version(), **libraries})
        return
    sys.stdout.write(f"{found}\n")
