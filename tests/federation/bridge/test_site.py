"""Asking a portal over a real connection: limits, tries, and what answers mean."""

import json
from typing import Any

import pytest

from ckan_simulator import Portal, PortalDialler, Reply, failure, serve, success
from shahrdad.datasets.errors import (
    PeerError,
    Reason,
    RequestError,
    ShahrdadError,
    UnavailableError,
)
from shahrdad.federation.bridge import limits
from shahrdad.federation.bridge.decisions import Word
from shahrdad.federation.bridge.files import FileFetcher
from shahrdad.federation.bridge.listing import Query
from shahrdad.federation.bridge.packages import Known
from shahrdad.federation.bridge.site import CkanSite, check_address
from shahrdad.federation.dialler import Dialler

LOOPBACK = Dialler(("127.0.0.0/8",))
AGENT = "shahrdad/1 (+https://data.kerman.example)"


def site_of(portal: Portal, **more: Any) -> CkanSite:
    """Return a client of a portal without a network."""
    dialler: Any = PortalDialler(portal)
    return CkanSite("https://portal.example", dialler, AGENT, wait_seconds=0, **more)


def test_portal_is_read_over_a_real_connection() -> None:
    """ckanapi, the dialler and a server agree with each other."""
    portal = Portal()
    portal.put("a1", title="بودجه")
    with serve(portal) as url:
        site = CkanSite(url, LOOPBACK, AGENT)
        found = site.search(Query("", 0))
        shown = site.show("a1")
        names = site.names()
        site.close()

    assert (1, "بودجه") == (found.count, found.packages[0]["title"])
    assert (Word.HERE, ["dataset-a1"]) == (shown.word, [*names])


def test_private_address_is_refused() -> None:
    """A portal cannot lead the node into its own network."""
    with serve(Portal()) as url:
        site = CkanSite(url, Dialler(), AGENT)
        with pytest.raises(RequestError) as caught:
            site.search(Query("", 0))
        word = site.show("a1").word
        site.close()

    assert Reason.ADDRESS_REFUSED is caught.value.reason
    assert Word.UNKNOWN is word


def test_redirect_into_the_network_is_refused() -> None:
    """Each address of a redirect is judged, not the first alone."""
    portal = Portal()
    with serve(portal) as url:
        fetcher = FileFetcher(Dialler(), AGENT)
        with pytest.raises(RequestError) as caught:
            fetcher.fetch(f"{url}/x", Known(), None)  # type: ignore[arg-type]
        fetcher.close()

    assert Reason.ADDRESS_REFUSED is caught.value.reason


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (failure(404, "Not Found Error", "Not found"), Word.GONE),
        (failure(403, "Authorization Error", "Access denied"), Word.GONE),
        (success({"id": "a1", "name": "a1", "state": "deleted"}), Word.GONE),
        (success({"id": "a1", "name": "a1", "private": True}), Word.GONE),
        (success({"id": "a1", "name": "a1", "state": "active"}), Word.HERE),
        (success({"id": "a2", "name": "a2", "state": "deleted"}), Word.UNKNOWN),
        (success(None), Word.UNKNOWN),
        (success([]), Word.UNKNOWN),
        (Reply(404, b"<html>no such page</html>"), Word.UNKNOWN),
        (Reply(403, b"blocked by the firewall"), Word.UNKNOWN),
        (Reply(200, b"<html>log in first</html>"), Word.UNKNOWN),
        (Reply(301, b"", {"location": "https://elsewhere.example/"}), Word.UNKNOWN),
        (Reply(429, b""), Word.UNKNOWN),
        (Reply(500, b""), Word.UNKNOWN),
        (Reply(0, b""), Word.UNKNOWN),
    ],
)
def test_only_the_portals_own_word_means_gone(reply: Reply, word: Word) -> None:
    """A firewall, a login page or an outage never withdraws a dataset."""
    portal = Portal(broken=lambda *_: reply)

    assert word is site_of(portal).show("a1").word


@pytest.mark.parametrize(("status", "tries"), [(503, 4), (0, 4), (400, 1), (404, 1)])
def test_only_passing_faults_are_tried_again(status: int, tries: int) -> None:
    """Four tries for a 5xx and for silence; a refusal is believed at once."""
    portal = Portal(broken=lambda *_: Reply(status, b"{}"))

    with pytest.raises(ShahrdadError):
        site_of(portal).search(Query("", 0))
    assert tries == len(portal.requests)


def test_third_try_may_succeed() -> None:
    """A portal that stumbles is read all the same."""
    portal = Portal()
    portal.put("a1")
    portal.broken = lambda *_: Reply(502, b"") if len(portal.requests) < 3 else None

    assert 1 == site_of(portal).search(Query("", 0)).count


def test_answer_at_the_limit_is_read_and_above_it_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A portal cannot fill the node's memory."""
    body = json.dumps({"success": True, "result": {"count": 0, "results": []}}).encode()
    portal = Portal(broken=lambda *_: Reply(200, body))
    monkeypatch.setattr(limits, "ANSWER_BYTES_MAX", len(body))
    assert 0 == site_of(portal).search(Query("", 0)).count

    monkeypatch.setattr(limits, "ANSWER_BYTES_MAX", len(body) - 1)
    with pytest.raises(PeerError) as caught:
        site_of(portal).search(Query("", 0))
    assert Reason.TOO_LARGE is caught.value.reason


def test_slow_portal_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that never ends is a time-out, however lively it is."""
    with pytest.raises(UnavailableError) as caught:
        site_of(Portal(), seconds=-1).search(Query("", 0))

    assert Reason.TIMEOUT is caught.value.reason


def test_portal_learns_who_asks() -> None:
    """Its operator can find a contact in the log."""
    seen = []

    class Listening(Portal):
        def answer(self, *request: Any) -> Reply:
            seen.append(request[2]["user-agent"])
            return super().answer(*request)

    site_of(Listening()).names()

    assert [AGENT] == seen


def test_token_goes_to_the_portal_alone() -> None:
    """A token is sent where it belongs, and no file server ever sees it."""
    seen: list[tuple[str, bool]] = []

    class Listening(Portal):
        def answer(self, *request: Any) -> Reply:
            seen.append((request[0], "authorization" in request[2]))
            return super().answer(*request)

    site_of(Listening(), key="let me in").names()
    site_of(Listening()).names()

    assert [("GET", True), ("GET", False)] == seen


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://data.example.ir/", "https://data.example.ir"),
        (" https://data.example.ir/ckan ", "https://data.example.ir/ckan"),
        ("data.example.ir", ""),
        ("ftp://data.example.ir", ""),
        ("https://data.example.ir/?x=1", ""),
        ("https://" + "a" * 2_000, ""),
    ],
)
def test_address_of_a_portal(url: str, found: str) -> None:
    """What is noted can be extended by a path."""
    assert found == check_address(url)
