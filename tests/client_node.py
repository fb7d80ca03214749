"""A real node for the client's tests: published by its own parts, served over loopback.

Only validation is left out: the tables are made here, and go through the node's Parquet
writer, record, log, signer and catalog.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from shahrdad.federation.verify import strict_json
from shahrdad.node import record
from shahrdad.node.city import Node, create_node
from shahrdad.node.config import load
from shahrdad.node.record import Attachment, Description, Table, TablePart
from shahrdad.node.store.contract import Area, put_bytes
from shahrdad.node.table.parquet import TableInfo, write_table

START_SECONDS_MAX = 60
KEY = ("line_code",)
SCHEMA = {
    "fields": [
        {"name": "line_code", "type": "string"},
        {"name": "approved_rial", "type": "integer"},
        {"name": "title", "type": "string"},
        {"name": "approved_on", "type": "date"},
    ],
    "primaryKey": list(KEY),
}


def make_node(folder: Path) -> str:
    """Make a node that listens on free ports; returns its public key."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shahrdad.toml").write_text(
        "\n".join(
            [
                '[node]\ncity = "kerman"\ncity_code = "1346"\nname_fa = "کرمان"',
                'name_en = "Kerman"\npublic_url = "http://127.0.0.1:1"',
                "[http]\nport = 0\ndrain_seconds = 0\n[grpc]\nport = 0",
                '[publish]\napproval = "single"',
                '[federation]\norigin = "data.kerman.example/catalog"\n',
            ]
        ),
        "utf-8",
    )
    return create_node(folder / "shahrdad.toml")


def publish(
    folder: Path, slug: str, table: pa.Table, time: str, *, family: str = "budget_lines"
) -> None:
    """Publish a table as the next version of a dataset."""
    with Node(load(folder)) as node, node.database.exclusive("publish"):
        node.start_signing(offline=True)
        ref = f"kerman/{slug}"
        newest = node.newest(ref)
        written = write_table(
            table.to_batches(),
            table.schema,
            TableInfo(family, "1.0.0", ref, "budget", KEY),
            node.store,
            Area.OBJECT,
        )
        report = json.dumps({"valid": True, "rows": table.num_rows}).encode()
        digest = put_bytes(node.store, Area.OBJECT, report)
        body = record.build(
            slug=slug,
            city="kerman",
            city_code="1346",
            publisher_fa="شهرداری کرمان",
            publisher_en="Kerman municipality",
            family=family,
            standard={"id": family, "version": "1.0.0", "sha256": "0" * 64},
            description=Description("بودجهٔ ۱۴۰۴", "Budget 1404", fiscal_year=1404),
            tables=[
                Table(
                    "budget",
                    SCHEMA,
                    written.rows,
                    tuple(
                        TablePart(part.digest, part.bytes, part.rows, part.first)
                        for part in written.parts
                    ),
                    written.m,
                )
            ],
            attachments=[
                Attachment(
                    "report", "report", digest, len(report), "json", "application/json"
                )
            ],
            provenance={"approval": "single"},
            version=newest.version.n + 1 if newest else 1,
            time=time,
        )
        node.append_put(f"ds/{slug}", strict_json.canonical(body))
        node.projection.follow()


def withdraw(folder: Path, slug: str) -> None:
    """Take a dataset back."""
    with Node(load(folder)) as node, node.database.exclusive("publish"):
        node.start_signing(offline=True)
        node.append_delete(f"ds/{slug}", "error")
        node.projection.follow()


def start(folder: Path, **options: int) -> "tuple[subprocess.Popen[bytes], str]":
    """Start a node in a process of its own; gives that and its address."""
    command = Path(sys.executable).parent / "shahrdad"
    environ = {f"SHAHRDAD_HTTP__{key.upper()}": str(options[key]) for key in options}
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [command, "serve", "--config", folder, "--lang", "en"],
            stderr=log,
            env={**os.environ, **environ},
        )
    return process, _address(folder / "serve.log", process)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a node in a process of its own; gives its address, and ends it in order."""
    process, address = start(folder)
    try:
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(30)


def _address(log: Path, process: "subprocess.Popen[bytes]") -> str:
    """Return where a node says that it serves, as soon as it does."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text("utf-8").splitlines():
            said: Any = json.loads(line) if line.startswith("{") else {}
            if said.get("event") == "serving":
                return str(said["http"])
        time.sleep(0.02)
    raise AssertionError(log.read_text("utf-8"))
