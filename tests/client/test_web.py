"""A host over HTTP: patience, bounds, and its refusals in our own words."""

import httpx2
import pytest

from client_city import City, Transport, problem, reader, sent
from shahrdad.client import ApiError, NetworkError, VerificationError, Withdrawn, limits
from shahrdad.client.web import Web
from shahrdad.datasets.errors import Reason, RequestError

ADDRESS = "https://a.example.ir"


def web(transport: httpx2.BaseTransport, naps: list[float] | None = None) -> Web:
    """Return a host that sleeps into a list."""
    slept = [] if naps is None else naps
    return Web(ADDRESS, sleep=slept.append, transport=transport)


def answering(*answers: httpx2.Response | Exception) -> Transport:
    """Return a host that gives these answers first, and 404 afterwards."""
    transport = Transport(City())
    transport.failures = list(answers)
    return transport


def test_lost_connection_is_tried_again() -> None:
    """A hiccup is not an error; the waits grow and are not all alike."""
    lost = httpx2.ConnectError("reset")
    transport = answering(lost, httpx2.ReadTimeout("slow"), problem(503, "not-ready"))
    transport.failures.append(sent(200, b"x"))
    naps: list[float] = []

    assert b"x" == web(transport, naps).get("/a", 10)
    assert limits.TRIES_MAX == len(transport.asked)
    assert 0.125 <= naps[0] <= 0.375 < 0.5 <= naps[2] <= 1.5


def test_patience_ends_after_four_tries() -> None:
    """What stays away is reported, as a time-out or as a refused connection."""
    slow = answering(*[httpx2.ReadTimeout("slow")] * 9)
    gone = answering(*[httpx2.ConnectError("refused")] * 9)

    with pytest.raises(NetworkError) as timeout:
        web(slow).get("/a", 10)
    with pytest.raises(NetworkError) as refused:
        web(gone).get("/a", 10)
    assert (Reason.TIMEOUT, Reason.PEER_UNREACHABLE) == (
        timeout.value.reason,
        refused.value.reason,
    )
    assert limits.TRIES_MAX == len(slow.asked)


def test_host_says_how_long_to_wait() -> None:
    """`Retry-After` is obeyed, in seconds or as a date."""
    naps: list[float] = []
    limited = problem(429, "rate-limited")
    limited.headers["Retry-After"] = "7"
    past = problem(503, "overloaded")
    past.headers["Retry-After"] = "Wed, 21 Oct 2015 07:28:00 GMT"
    web(answering(limited, past, sent(200, b"")), naps).get("/a", 10)

    assert 7 == naps[0]
    assert naps[1] < 1


@pytest.mark.parametrize(("asked", "tries"), [(60, 4), (61, 1)])
def test_longest_wait_that_is_obeyed(asked: int, tries: int) -> None:
    """A host that wants an hour is reported instead of waited for."""
    answers = [problem(503, "not-ready") for _ in range(9)]
    for answer in answers:
        answer.headers["Retry-After"] = str(asked)
    transport = answering(*answers)

    with pytest.raises(NetworkError):
        web(transport).get("/a", 10)
    assert tries == len(transport.asked)


def test_refusals_are_not_repeated() -> None:
    """Asking the same wrong thing four times is no help to anybody."""
    transport = answering()

    with pytest.raises(ApiError):
        web(transport).get("/nothing", 10)
    assert 1 == len(transport.asked)


@pytest.mark.parametrize("length", [True, False])
def test_answer_at_the_limit_and_above(length: bool) -> None:
    """One byte too many is refused, whether the host announces it or not."""
    headers = {} if length else {"Content-Length": "0"}

    assert b"12345" == web(answering(sent(200, b"12345"))).get("/a", 5)
    with pytest.raises(VerificationError) as caught:
        web(answering(sent(200, b"123456", headers))).get("/a", 5)
    assert Reason.TOO_LARGE is caught.value.reason


@pytest.mark.parametrize(
    "answer",
    [
        sent(200, b"0123456789"),  # the whole file
        sent(206, b"23", {"Content-Range": "bytes 2-3/10"}),
        sent(206, b"012", {"Content-Range": "bytes 1-4/10"}),
    ],
)
def test_range_is_exact_or_refused(answer: httpx2.Response) -> None:
    """A host that cannot give ranges is not read as if it could."""
    with pytest.raises(VerificationError):
        web(answering(answer)).range("/a", 1, 4)


def test_compressed_answer_is_refused() -> None:
    """Compression that was not asked for could hide any number of bytes."""
    answer = sent(200, b"x", {"Content-Encoding": "gzip"})

    with pytest.raises(VerificationError):
        web(answering(answer)).get("/a", 10)


@pytest.mark.parametrize("answer", [b"[1]", b"{", b"[" * 100_000])
def test_no_json_object_is_refused(answer: bytes) -> None:
    """A page of another service ends in a sentence, not in a trace."""
    with pytest.raises(VerificationError) as caught:
        web(answering(sent(200, answer))).json("/v1")
    assert Reason.NODE_ANSWER is caught.value.reason


def test_own_reason_of_a_node_is_kept() -> None:
    """A reason that both sides know is the same on both sides, with its values."""
    error = {"reason": "CITY_UNKNOWN", "city": "qom"}
    answer = problem(404, "not-found", errors=[error])

    with pytest.raises(RequestError) as caught:
        web(answering(answer)).get("/v1/cities/qom", 10)
    assert (Reason.CITY_UNKNOWN, "qom") == (
        caught.value.reason,
        caught.value.values["city"],
    )


def test_unknown_problem_keeps_its_sentences() -> None:
    """A refusal that this version does not know is shown as the node put it."""
    said = {"fa": "نه", "en": "no"}
    answer = problem(403, "forbidden", messages=said)

    with pytest.raises(ApiError) as caught:
        web(answering(answer)).get("/a", 10)
    assert Reason.NODE_PROBLEM is caught.value.reason
    assert ("forbidden", 403) == (
        caught.value.values["problem"],
        caught.value.values["status"],
    )
    assert "نه / no" in caught.value.text("fa")


def test_withdrawal_is_its_own_error() -> None:
    """410 is not 404: somebody took it back, at a time, for a reason."""
    gone = {"time": "2026-02-10T12:00:00Z", "reason": "error", "by": None}
    answer = problem(410, "withdrawn", ref="kerman/trees", withdrawn=gone)

    with pytest.raises(Withdrawn) as caught:
        web(answering(answer)).get("/a", 10)
    assert "2026-02-10T12:00:00Z" == caught.value.values["time"]


def test_progress_is_told() -> None:
    """A large download says how far it is."""
    told: list[tuple[str, int, int]] = []
    transport = answering(sent(200, bytes(600_000)))
    host = Web(
        ADDRESS,
        progress=lambda *step: told.append(step),
        transport=transport,
    )
    host.get("/a", 600_000)

    assert ("/a", 600_000, 600_000) == told[-1]
    assert 2 < len(told)


@pytest.mark.parametrize("wrong", [b"{}", b'{"version":{"number":"2"}}', b"[]"])
def test_wrong_dataset_object_is_the_node_s_fault(wrong: bytes) -> None:
    """An answer that is not what the interface says is refused by name."""
    city = City()
    city.publish()
    transport = Transport(city)
    transport.tamper["/v1/datasets/kerman/budget-1404"] = lambda _: wrong

    with pytest.raises(VerificationError) as caught:
        reader(transport, policy=city.policy()).dataset("kerman/budget-1404")
    assert Reason.NODE_ANSWER is caught.value.reason


def test_cursor_that_comes_twice_ends_the_list() -> None:
    """A node cannot keep a reader in a circle."""
    transport = Transport(City())
    transport.tamper["/v1/datasets"] = lambda _: b'{"items":[],"next_cursor":"1"}'

    with pytest.raises(VerificationError):
        list(reader(transport).datasets())
