"""The HTTP contract, `tests/node/http_contract.txt`, run line by line."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

CONTRACT = Path(__file__).parent.parent / "http_contract.txt"


@dataclass
class Clause:
    """One request and what its answer must be."""

    purpose: str
    method: str
    path: str
    sent: dict[str, str] = field(default_factory=dict)
    expected: list[str] = field(default_factory=list)


def clauses() -> Iterator[Clause]:
    """Yield the clauses of the contract."""
    purpose, found = "", None
    for line in CONTRACT.read_text("utf-8").splitlines():
        if line.startswith("#"):
            purpose = line.removeprefix("# ")
        elif line.startswith("> ") and found is not None:
            name, _, value = line.removeprefix("> ").partition(": ")
            found.sent[name] = value
        elif line.split(" ")[0] in {"GET", "HEAD", "POST", "DELETE"}:
            method, path = line.split(" ", 1)
            found = Clause(purpose, method, path)
        elif line and found is not None:
            found.expected.append(line)
        elif not line and found is not None:
            yield found
            found = None
    if found is not None:
        yield found


def holds(line: str, answer: Response) -> bool:
    """Tell whether an answer keeps to a line.

    Raises:
        ValueError: the line is none of the contract's language.
    """
    subject, _, rest = line.partition(" ")
    if subject == "status":
        return str(answer.status_code) == rest
    if subject == "body":
        return rest.removeprefix("has ").encode() in answer.content
    if subject != "header":
        raise ValueError(line)
    name, _, wanted = rest.partition(" ")
    value = answer.headers.get(name)
    if wanted == "absent":
        return value is None
    test, _, text = wanted.partition(" ")
    if test == "==":
        return text == value
    if test == "has":
        return value is not None and text in value
    raise ValueError(line)


@pytest.mark.parametrize("clause", list(clauses()), ids=lambda clause: clause.purpose)
def test_contract(client: TestClient, clause: Clause) -> None:
    """What the contract says, a client may rely on."""
    answer = client.request(clause.method, clause.path, headers=clause.sent)
    broken = [line for line in clause.expected if not holds(line, answer)]

    assert [] == broken, dict(answer.headers)


def test_contract_is_read_whole() -> None:
    """An empty or misread contract would hold without saying anything."""
    found = list(clauses())

    assert 14 == len(found)
    assert all(clause.expected for clause in found)
