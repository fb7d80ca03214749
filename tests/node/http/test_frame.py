"""What holds for every request: numbers, limits, conditions, codings, CORS."""

import pytest
from starlette.testclient import TestClient

from shahrdad.node.http import limits

BUDGET = "/v1/datasets/kerman/budget-1404"


def test_every_answer_has_a_number_of_ours(client: TestClient) -> None:
    """A caller's own number is not echoed as ours."""
    first = client.get("/healthz", headers={"X-Request-Id": "theirs"})
    second = client.get("/healthz")

    assert 26 == len(first.headers["x-request-id"])
    assert first.headers["x-request-id"] < second.headers["x-request-id"]


@pytest.mark.parametrize(
    "path", ["/v1", BUDGET, "/v1/datasets", "/fa/", "/en/datasets"]
)
def test_unchanged_answers_cost_nothing(client: TestClient, path: str) -> None:
    """If-None-Match gives 304 with the same tag, cache rule and Vary."""
    answer = client.get(path)
    again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})

    assert (304, b"") == (again.status_code, again.content)
    for name in ("etag", "cache-control", "vary"):
        assert answer.headers[name] == again.headers[name]


def test_gzip_only_when_asked(client: TestClient) -> None:
    """A coded answer is the same representation, weakly tagged, and no Repr-Digest."""
    coded = client.get(BUDGET, headers={"Accept-Encoding": "gzip"})
    plain = client.get(BUDGET, headers={"Accept-Encoding": "identity"})
    refused = client.get(BUDGET, headers={"Accept-Encoding": "gzip;q=0"})

    assert "gzip" == coded.headers["content-encoding"]
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in refused.headers
    assert coded.json() == plain.json()
    assert coded.headers["etag"] == plain.headers["etag"]
    assert coded.headers["etag"].startswith("W/")
    assert "repr-digest" not in coded.headers


@pytest.mark.parametrize(
    "path", ["/healthz", "/v1", BUDGET, "/fa/", f"{BUDGET}/descriptor"]
)
def test_head_has_the_headers_of_get(client: TestClient, path: str) -> None:
    """HEAD differs from GET in the body alone."""
    got = client.get(path)
    head = client.head(path)
    unlike = {"x-request-id", "date"}

    assert b"" == head.content
    assert {k: v for k, v in got.headers.items() if k not in unlike} == {
        k: v for k, v in head.headers.items() if k not in unlike
    }


@pytest.mark.parametrize(("extra", "status"), [(0, 400), (1, 414)])
def test_address_limit(client: TestClient, extra: int, status: int) -> None:
    """An address may have 8 KiB and not a byte more."""
    path = "/v1/datasets?"
    fill = limits.ADDRESS_BYTES_MAX - len(path) + 1 + extra

    assert status == client.get(path + "a" * fill).status_code


def test_header_limit(client: TestClient) -> None:
    """Headers may have 16 KiB together."""
    small = client.get("/healthz", headers={"X-A": "a" * 1_000})
    large = client.get("/healthz", headers={"X-A": "a" * limits.HEADERS_BYTES_MAX})

    assert (200, 431) == (small.status_code, large.status_code)


def test_browsers_of_other_hosts_may_read(client: TestClient) -> None:
    """Public data is readable by any page; a write says nothing to other hosts."""
    asked = {"Origin": "https://x.example", "Access-Control-Request-Method": "GET"}
    preflight = client.options(BUDGET, headers=asked)
    answer = client.get(BUDGET, headers={"Origin": "https://x.example"})
    write = client.post("/preferences", headers={"Origin": "https://x.example"})

    assert (204, "GET, HEAD") == (
        preflight.status_code,
        preflight.headers["access-control-allow-methods"],
    )
    assert "*" == answer.headers["access-control-allow-origin"]
    assert "Repr-Digest" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in write.headers


def test_host_header_never_enters_an_answer(client: TestClient) -> None:
    """Absolute addresses come from the configuration alone."""
    answer = client.get(BUDGET, headers={"Host": "evil.example"})
    page = client.get("/fa/", headers={"Host": "evil.example"})

    assert "evil" not in answer.text + page.text + str(answer.headers)


def test_health(client: TestClient) -> None:
    """Supervisors see that the process lives, that it can answer, and what it is."""
    ready = client.get("/readyz")

    assert {"status": "ok"} == client.get("/healthz").json()
    assert {"database": "ok", "store": "ok"} == ready.json()["parts"]
    assert "no-store" == ready.headers["cache-control"]
    assert "shahrdad" == client.get("/version").json()["software"]
