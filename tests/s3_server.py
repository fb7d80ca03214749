"""A real S3 server for tests: SeaweedFS on the loopback, one for the whole run.

`from s3_server import s3_server` in a module of tests makes the fixture known there.
The server starts when it is first asked for, on ports that the system chose, and ends
with the run, by its process id.
"""

import atexit
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
import urllib3
from minio import Minio
from minio.error import MinioException

from shahrdad.node.store.s3 import S3Place

READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 15.0
STARTS_MAX = 3  # another process may take a port between choosing and using it
PORTS = (
    "s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port",
    "volume.port.grpc", "filer.port", "filer.port.grpc", "admin.port",
    "admin.port.grpc",
)  # fmt: skip
OFF = (
    "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
    "-master.telemetry=false",
)  # fmt: skip
ACTIONS = ["Admin", "Read", "Write", "List", "Tagging"]
IDENTITIES = {
    "identities": [
        {
            "name": "admin",
            "credentials": [{"accessKey": "adminkey", "secretKey": "adminsecret"}],
            "actions": ACTIONS,
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": "readkey", "secretKey": "readsecret"}],
            "actions": ["Read:closed", "List:closed"],
        },
        {"name": "anonymous", "actions": ["Read:open"]},
    ]
}
BUCKETS = ("closed", "open")  # `open` can be read by anybody


@dataclass(frozen=True)
class S3Server:
    """A running server.

    Attributes:
        endpoint: `127.0.0.1:<port>`.
        pid: Its process.
    """

    endpoint: str
    pid: int

    def place(self, prefix: str | None = None, bucket: str = "closed") -> S3Place:
        """Return a place of its own for one test."""
        place = S3Place(
            endpoint=self.endpoint,
            bucket=bucket,
            access_key="adminkey",
            secret_key="adminsecret",
            secure=False,
        )
        return replace(place, prefix=prefix or f"test-{secrets.token_hex(8)}")


@pytest.fixture(scope="session")
def s3_server() -> S3Server:
    """Return the server of this run; the first to ask starts it."""
    return running_server()


@cache
def running_server() -> S3Server:
    """Start the server, once a process, and end it with the process.

    `SHAHRDAD_S3_ENDPOINT` names a server that runs already: see `radosgw_server.py`.
    """
    running = os.environ.get("SHAHRDAD_S3_ENDPOINT")
    if running is not None:
        return S3Server(running, os.getpid())
    folder = Path(tempfile.mkdtemp(prefix="shahrdad-s3-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "s3.json").write_text(json.dumps(IDENTITIES), "utf-8")
    for number in range(STARTS_MAX):
        ports = free_ports(len(PORTS))
        process = start(folder, folder / f"data-{number}", ports)
        atexit.register(stop, process)
        endpoint = f"127.0.0.1:{ports[0]}"
        if ready(endpoint, process):
            return S3Server(endpoint, process.pid)
        stop(process)
    log = (folder / "weed.log").read_text("utf-8", "replace")
    raise RuntimeError(f"the S3 server does not start:\n{log[-4000:]}")


def free_ports(count: int) -> list[int]:
    """Return ports that are free now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def start(folder: Path, data: Path, ports: list[int]) -> subprocess.Popen[bytes]:
    """Start the server's process, listening on the loopback alone."""
    data.mkdir(exist_ok=True)  # kept when a server is started again
    weed = Path(sys.executable).parent / "weed"
    flags = [f"-{name}={port}" for name, port in zip(PORTS, ports, strict=True)]
    with (folder / "weed.log").open("wb") as log:
        return subprocess.Popen(
            [
                str(weed), "mini", f"-dir={data}", "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1", f"-s3.config={folder / 's3.json'}", *flags, *OFF,
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )  # fmt: skip


def ready(endpoint: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server stores; an open port does not mean that it does."""
    client = admin_client(endpoint)
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            for bucket in BUCKETS:
                if not client.bucket_exists(bucket):
                    client.make_bucket(bucket)
                client.put_object(bucket, "ready", BytesIO(b"yes"), 3)
        except (MinioException, urllib3.exceptions.HTTPError, OSError):
            time.sleep(0.1)
        else:
            return True
    return False


def admin_client(endpoint: str) -> Minio:
    """Return a client that may do everything."""
    return Minio(
        endpoint,
        access_key="adminkey",
        secret_key="adminsecret",
        secure=False,
        region="us-east-1",
        http_client=urllib3.PoolManager(timeout=5.0, retries=False),
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the server's process, gently first."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
