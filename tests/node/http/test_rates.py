"""Rate limits: buckets, costs, who is counted, headers, refusals."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from http_world import World
from shahrdad.node.http.app import create_app
from shahrdad.node.http.rates import Rates, caller_of, cost_of, networks


@pytest.fixture
def narrow(world: World) -> Iterator[TestClient]:
    """A node that lets a caller ask three times, and knows whom to tell of faults."""
    http = replace(
        world.config.http,
        requests_per_minute=60,
        requests_burst=3,
        security_contact="mailto:fava@kerman.example",
    )
    slow = replace(world, config=replace(world.config, http=http))
    with TestClient(create_app(slow), client=("203.0.113.5", 50_000)) as found:
        yield found


def test_caller_above_the_limit_is_told_when_to_come_again(narrow: TestClient) -> None:
    """429 with the time to wait, a sentence in both languages, and CORS as ever."""
    answers = [narrow.get("/v1/cities") for _ in range(4)]
    last = answers[-1]
    problem = last.json()

    assert [200, 200, 200, 429] == [answer.status_code for answer in answers]
    assert "urn:shahrdad:problem:rate-limited" == problem["type"]
    assert problem["messages"]["fa"] != problem["messages"]["en"]
    assert "1" == last.headers["retry-after"]
    assert "*" == last.headers["access-control-allow-origin"]


def test_every_counted_answer_says_what_is_left(narrow: TestClient) -> None:
    """Policy and remainder, as the draft of the IETF writes them."""
    headers = narrow.get("/v1/cities").headers

    assert '"anon";q=60;w=60' == headers["ratelimit-policy"]
    assert '"anon";r=2;t=0' == headers["ratelimit"]


def test_whole_files_are_free(narrow: TestClient) -> None:
    """What is immutable never slows a mirror."""
    found = narrow.get("/v1/datasets/kerman/budget-1404").json()["resources"][0]["url"]
    path = found.removeprefix("https://data.kerman.example")
    statuses = {narrow.get(path).status_code for _ in range(10)}

    assert {200} == statuses


def test_security_contact_is_published(narrow: TestClient, client: TestClient) -> None:
    """RFC 9116 where somebody is to be told; nothing where nobody is."""
    text = narrow.get("/.well-known/security.txt").text

    assert "Contact: mailto:fava@kerman.example\nExpires: 2" in text
    assert 404 == client.get("/.well-known/security.txt").status_code


@given(st.lists(st.tuples(st.integers(1, 20), st.floats(0, 10)), max_size=50))
def test_nobody_gets_more_than_the_bucket_holds(asked: list[tuple[int, float]]) -> None:
    """In any time, at most the burst and what has flowed in since is spent."""
    rates = Rates(per_minute=60, burst=30)
    present = spent = 0.0
    for cost, pause in asked:
        present += pause
        if rates.take("a", cost, at=present).allowed:
            spent += cost

    assert spent <= 30 + present + 1e-6


@pytest.mark.parametrize(
    ("path", "query", "cost"),
    [
        ("/v1/datasets", b"q=a", 1),
        ("/v1/datasets/a/b/rows/c", b"", 1),
        ("/v1/families/a/rows", b"_city__exact=x", 5),
        ("/v1/datasets/a/b/export/c.csv", b"", 20),
        ("/v1/families/a/export.csv", b"", 20),
        ("/v1/datasets/a/b/package.zip", b"", 20),
        ("/files/00/a.parquet", b"", 0),
        ("/readyz", b"", 0),
    ],
)
def test_costs(path: str, query: bytes, cost: int) -> None:
    """Work costs, whole files do not."""
    assert cost == cost_of(path, query)


@pytest.mark.parametrize(
    ("client", "forwarded", "caller"),
    [
        ("203.0.113.5", "", "203.0.113.5"),
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "nonsense", "unknown"),
        ("127.0.0.1", "198.51.100.1", ""),
        ("::1", "", ""),
        ("2001:db8:1:2:3::4", "", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.5", "", "203.0.113.5"),
    ],
)
def test_caller_is_named_by_trusted_proxies_alone(
    client: str, forwarded: str, caller: str
) -> None:
    """A header that a stranger set names nobody else."""
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    scope = {"type": "http", "client": (client, 1), "headers": headers}

    assert caller == caller_of(scope, networks(["10.0.0.0/8"]))
