"""Running systems deliver by themselves: they are read, and a person decides."""

import http.server
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from account_world import log_size, settle, strict_node
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.accounts import people
from shahrdad.node.accounts.moments import after, parse, present
from shahrdad.node.accounts.roles import MACHINE, Grant, Role
from shahrdad.node.city import Node
from shahrdad.node.config import DeliverySection
from shahrdad.node.desk import deliveries, drafts
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.incoming.profiles import FOLDER, Profiles

EXAMPLE = find_example("kerman", "org-units").path


def delivery(**values: object) -> DeliverySection:
    """Return a delivery of units."""
    section = DeliverySection(
        name="units", family="org_units", account="hr-system", profile="units"
    )
    return replace(section, **values)  # type: ignore[arg-type]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Return a node under four eyes, with a service account that may draft."""
    node = strict_node(tmp_path)
    settle(node, password=None)
    with node.database.transaction() as connection:
        people.add(
            connection,
            MACHINE,
            "hr-system",
            [Grant(Role.EDITOR, "org-units")],
            kind="service",
            at=present(),
        )
    profile = dict(handed(find_example("kerman", "org-units")).profile)
    Profiles(node.config.data / FOLDER).save(
        {**profile, "family": "org_units", "profile": "units"}
    )
    yield node
    node.close()


def state_of(node: Node, section: DeliverySection) -> str:
    """Run a delivery and return what became of it."""
    done = deliveries.run(node, section)
    return f"{done.state} {done.problem or ''}".strip()


def test_newest_file_of_a_folder_is_submitted_once(node: Node, tmp_path: Path) -> None:
    """The same bytes again are no new draft, and nothing is public without a person."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    section = delivery(folder=str(inbox))
    assert state_of(node, section).startswith("failed")
    (inbox / "units.csv").write_bytes(EXAMPLE.read_bytes())
    before = log_size(node)
    done = deliveries.run(node, section)
    assert ("submitted", None) == (done.state, done.problem)
    found = drafts.get(node.database.connect(), done.draft or "")
    assert "hr-system" == people.name_of(node.database.connect(), found.submitter)
    assert "same" == state_of(node, section)
    assert before == log_size(node)


def test_file_with_errors_waits_for_a_person(node: Node, tmp_path: Path) -> None:
    """A draft with its report; the next time the same file is not judged again."""
    (tmp_path / "bad.csv").write_bytes(EXAMPLE.read_bytes() + b"x,,,,,\r\n")
    section = delivery(folder=str(tmp_path))
    assert "errors" == state_of(node, section)
    assert "same" == state_of(node, section)


@contextmanager
def serving(content: bytes, status: int = 200) -> Iterator[str]:
    """Serve one file on this computer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/units.csv"
    server.shutdown()
    thread.join()
    server.server_close()


def test_address_is_fetched_through_the_dialler(node: Node) -> None:
    """This computer's own network is refused unless it is allowed; no redirect."""
    with serving(EXAMPLE.read_bytes()) as url:
        closed = replace(
            node.config, federation=replace(node.config.federation, allow_private=())
        )
        node.config, opened = closed, node.config
        for hostile in (
            url,
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            "https://user:secret@example.org/x.csv",
            "http://[::1]:80/x",
        ):
            assert state_of(node, delivery(url=hostile)).startswith("failed")
        allowed = replace(opened.federation, allow_private=("127.0.0.0/8",))
        node.config = replace(opened, federation=allowed)
        assert "submitted" == state_of(node, delivery(url=url))
    with serving(b"", 302) as url:
        assert "HTTP 302" in state_of(node, delivery(url=url))


def database_of_units(path: Path) -> str:
    """Make a database that holds the example's rows, and return its address."""
    head, *lines = EXAMPLE.read_text("utf-8-sig").splitlines()
    names = head.split(",")
    with sqlite3.connect(path) as connection:
        columns = ", ".join(f'"{name}" TEXT' for name in names)
        connection.execute(f"CREATE TABLE unit({columns})")
        marks = ",".join("?" * len(names))
        connection.executemany(
            f"INSERT INTO unit VALUES ({marks})", [line.split(",") for line in lines]
        )
    connection.close()
    return f"sqlite:///{path}"


def test_query_reads_a_database(node: Node, tmp_path: Path) -> None:
    """Its rows become the file; the address with its password stands in a file."""
    secret = tmp_path / "address"
    secret.write_text(database_of_units(tmp_path / "hr.db"), "utf-8")
    section = delivery(database_file=str(secret), query="SELECT * FROM unit;")

    assert "submitted" == state_of(node, section)


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM unit",
        "SELECT 1; DROP TABLE unit",
        "WITH x AS (SELECT 1) DELETE FROM unit",
        "PRAGMA query_only=OFF",
        "",
    ],
)
def test_query_never_writes(node: Node, tmp_path: Path, query: str) -> None:
    """One SELECT, in a transaction that the database itself keeps from writing."""
    address = database_of_units(tmp_path / "hr.db")
    assert state_of(node, delivery(database=address, query=query)).startswith("failed")
    with sqlite3.connect(tmp_path / "hr.db") as connection:
        (count,) = connection.execute("SELECT COUNT(*) FROM unit").fetchone()
    connection.close()

    assert count > 0


def test_delivery_is_due_by_its_interval(node: Node, tmp_path: Path) -> None:
    """After so many minutes, not before; an unknown name is an error."""
    (tmp_path / "units.csv").write_bytes(EXAMPLE.read_bytes())
    section = delivery(folder=str(tmp_path), interval_minutes=30)
    node.config = replace(node.config, deliveries=(section,))
    at = present()
    assert ["submitted"] == [one.state for one in deliveries.run_due(node, at)]
    assert [] == deliveries.run_due(node, at)
    later = after(at, seconds=31 * 60)
    assert ["same"] == [one.state for one in deliveries.run_due(node, parse(later))]
    with pytest.raises(RequestError) as caught:
        deliveries.find(node, "none")
    assert Reason.DELIVERY_UNKNOWN is caught.value.reason
