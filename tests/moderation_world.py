"""A node under four eyes whose readers hand something in, and a browser that writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from account_world import PASSWORD, Person, actor, settle, strict_node
from shahrdad.node.accounts import passwords
from shahrdad.node.city import Node
from shahrdad.node.desk import drafting
from shahrdad.node.http.app import create_app
from shahrdad.node.incoming.example_files import find_example, handed
from shahrdad.node.moderation import Table

SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
Settled: TypeAlias = tuple[Node, dict[str, Person], dict[str, str]]


@dataclass
class Place:
    """The node, its people, and a browser that may write to it."""

    node: Node
    people: dict[str, Person]
    client: TestClient
    cookies: dict[str, str]

    def become(self, name: str) -> None:
        """Go on as a person of the city, who signs in once for all tests."""
        if name not in self.cookies:
            known = {
                "account": name,
                "password": PASSWORD,
                "code": self.people[name].code(),
            }
            sign_in = "/en/publish/sign-in"
            answer = self.client.post(sign_in, data=known, headers=SAME_SITE)
            self.cookies[name] = answer.headers["set-cookie"].partition(";")[0]
        self.client.cookies.clear()
        self.client.headers["Cookie"] = self.cookies[name]

    def decide_at(self, queue: str, **said: str) -> Any:
        """Decide on the first that was handed in."""
        data = {"number": "1", **said}
        return self.client.post(queue, data=data, headers=SAME_SITE)


@contextmanager
def settled_node(folder: Path) -> Iterator[Settled]:
    """Give a node of Kerman with one dataset, published by two, and its people."""
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "hasher", lambda: cheap)
        node = strict_node(folder)
        people = settle(node)
        edna, paul = actor(node, "edna"), actor(node, "paul")
        example = handed(find_example("kerman", "org-units"))
        found = drafting.draft_file(node, example, edna)
        sent = drafting.submit(node, found.draft.id, edna)
        assert sent.digest is not None
        drafting.approve(node, sent.id, sent.digest, paul)
        yield node, people, {}
    node.close()


@contextmanager
def browsing(settled: Settled, table: Table) -> Iterator[tuple[Node, TestClient]]:
    """Give that node with an empty table, and a stranger's browser."""
    node, _, _ = settled
    with node.database.transaction() as connection:
        connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM sqlite_sequence WHERE name=?", (table,))
    app = create_app(node)
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as one:
        yield node, one
    app.state.jobs.stop(5)
