"""Run tests on Ceph's S3 gateway: a monitor, one OSD in memory and radosgw, here.

    .venv/bin/python tests/radosgw_server.py tests/node/test_publish.py -q

The programs come with Debian's packages `radosgw`, `ceph-mon` and `ceph-osd`. The
cluster listens on the loopback alone, keeps everything in memory and in a folder that
is removed, and ends with the tests. Its buckets and keys are those of `s3_server`.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from s3_server import BUCKETS, admin_client, free_ports, ready, stop

PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
MEMORY_BYTES = 3 << 30
CALL_SECONDS_MAX = 120
SETTINGS = """\
[global]
fsid = {fsid}
mon host = [v1:127.0.0.1:{port}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
run dir = {folder}
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
pid file =
mon data = {folder}/mon
osd data = {folder}/osd
rgw data = {folder}/rgw
mon allow pool size one = true
osd objectstore = memstore
memstore device bytes = {memory}
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
"""


class Cluster:
    """A Ceph cluster of one monitor and one OSD, with its gateway.

    Args:
        folder: Holds its settings, its logs and the monitor's data.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._monitor, gateway = free_ports(2)
        self.endpoint = f"127.0.0.1:{gateway}"
        self._fsid = str(uuid4())
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start all parts, and wait until the gateway stores.

        Raises:
            RuntimeError: It does not.
        """
        for name in ("mon", "osd", "rgw"):
            (self._folder / name).mkdir()
        settings = SETTINGS.format(
            fsid=self._fsid,
            port=self._monitor,
            folder=self._folder,
            memory=MEMORY_BYTES,
        )
        (self._folder / "ceph.conf").write_text(settings, "utf-8")
        map_ = str(self._folder / "monmap")
        address = f"[v1:127.0.0.1:{self._monitor}]"
        self._call(
            "monmaptool", "--create", "--addv", "a", address, "--fsid", self._fsid, map_
        )
        self._call("ceph-mon", "-i", "a", "--mkfs", "--monmap", map_)
        self._run("ceph-mon", "-i", "a", "-f")
        osd = str(uuid4())
        self._call("ceph", "osd", "new", osd)
        self._call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._run("ceph-osd", "-i", "0", "-f")
        keys = ("--access-key=adminkey", "--secret=adminsecret")
        self._call(
            "radosgw-admin", "user", "create", "--uid=admin", "--display-name=x", *keys
        )
        frontend = f"beast endpoint={self.endpoint}"
        gateway = self._run(
            "radosgw", "-n", "client.admin", "-f", "--rgw-frontends", frontend
        )
        if not ready(self.endpoint, gateway):
            log = (self._folder / "radosgw.out").read_text("utf-8", "replace")
            raise RuntimeError(f"radosgw does not start:\n{log[-4000:]}")
        self._open_bucket()

    def stop(self) -> None:
        """End all parts, the gateway first."""
        for process in reversed(self._started):
            stop(process)

    def _open_bucket(self) -> None:
        """Let anybody read the open bucket, as the other server's settings do."""
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": ["*"]},
            "Action": ["s3:GetObject"],
            "Resource": [f"arn:aws:s3:::{BUCKETS[1]}/*"],
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        admin_client(self.endpoint).set_bucket_policy(BUCKETS[1], json.dumps(policy))

    def _command(self, program: str, *given: str) -> list[str]:
        return [program, "-c", str(self._folder / "ceph.conf"), *given]

    def _call(self, program: str, *given: str) -> None:
        plain = program == "monmaptool"
        command = [program, *given] if plain else self._command(program, *given)
        subprocess.run(
            command, check=True, capture_output=True, timeout=CALL_SECONDS_MAX
        )

    def _run(self, program: str, *given: str) -> "subprocess.Popen[bytes]":
        with (self._folder / f"{program}.out").open("wb") as log:
            process = subprocess.Popen(
                self._command(program, *given), stdout=log, stderr=subprocess.STDOUT
            )
        self._started.append(process)
        return process


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a cluster of its own."""
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        sys.exit(f"not installed: {', '.join(lacking)}")
    with tempfile.TemporaryDirectory(prefix="shahrdad-ceph-") as name:
        found = Cluster(Path(name))
        try:
            found.start()
            yield found
        finally:
            found.stop()


def main() -> int:
    """Run pytest with these arguments on a gateway, and return what it returns."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with cluster() as found:
        environment = {
            **os.environ,
            "SHAHRDAD_STORE": "s3",
            "SHAHRDAD_S3_ENDPOINT": found.endpoint,
        }
        command = [sys.executable, "-m", "pytest", *sys.argv[1:]]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
