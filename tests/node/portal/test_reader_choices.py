"""What a reader chooses: digits, a version to verify, a district, an address."""

import re
from xml.etree import ElementTree as ET

import pytest
from starlette.testclient import TestClient

from shahrdad.node.analysis.releases import Releases

ATOM = "{http://www.w3.org/2005/Atom}"


def test_latin_digits_reach_every_number(client: TestClient) -> None:
    """The choice is a cookie; Persian pages have no Persian digit then, and no face."""
    persian = client.get("/fa/budget").text
    answer = client.post("/preferences", data={"digits": "latin", "back": "/fa/budget"})
    latin = client.get("/fa/budget").text
    client.cookies.clear()

    assert (303, "/fa/budget") == (answer.status_code, answer.headers["location"])
    assert 'data-digits="latin"' in latin
    assert set("۰۱۲۳۴۵۶۷۸۹") & set(persian)
    assert not set("۰۱۲۳۴۵۶۷۸۹") & set(latin)
    assert 'value="persian"' in latin, "the way back"


def test_unknown_digits_are_refused(client: TestClient) -> None:
    """A choice that is none of ours is told."""
    assert 400 == client.post("/preferences", data={"digits": "roman"}).status_code


@pytest.mark.parametrize("asked", ["ref=kerman/projects", "ref=/d/kerman/projects&n=1"])
def test_version_is_verified_by_its_name(client: TestClient, asked: str) -> None:
    """Dataset and number are enough; without a number the newest is meant."""
    answer = client.get(f"/en/verify?{asked}")

    assert 200 == answer.status_code
    assert 'class="chain"' in answer.text


@pytest.mark.parametrize(("n", "status"), [("x", 400), ("0", 400), ("99", 404)])
def test_wrong_version_is_told(client: TestClient, n: str, status: int) -> None:
    """What is no number, and a version that is not there, are errors."""
    answer = client.get(f"/fa/verify?ref=kerman/projects&n={n}")

    assert status == answer.status_code


def test_district_has_a_feed_of_its_work_sites(client: TestClient) -> None:
    """The feed has what the list of the same filters has, and stable ids."""
    whole = ET.fromstring(client.get("/fa/work-sites.atom").content)
    part = ET.fromstring(
        client.get("/fa/work-sites.atom?city=kerman&district_no=2").content
    )
    summaries = [
        one.findtext(f"{ATOM}summary") or "" for one in part.iter(f"{ATOM}entry")
    ]
    ids = [one.findtext(f"{ATOM}id") or "" for one in whole.iter(f"{ATOM}entry")]
    page = client.get("/fa/work-sites?city=kerman&district_no=2").text

    assert summaries
    assert all("منطقهٔ ۲" in one for one in summaries)
    assert len(ids) == len(set(ids)) > len(summaries)
    assert "/fa/work-sites.atom?city=kerman" in page
    link = part.find(f"{ATOM}entry/{ATOM}link")
    assert link is not None
    path = link.attrib["href"].split("/fa/", 1)[1]
    assert 200 == client.get(f"/fa/{path}").status_code


def test_reference_has_every_address_of_the_definition(client: TestClient) -> None:
    """The page is OpenAPI for people: each operation once, with its parameters."""
    text = client.get("/fa/api/reference").text
    paths = client.get("/v1/openapi.json").json()["paths"]
    ids = [one["operationId"] for item in paths.values() for one in item.values()]

    assert all(text.count(f' id="{one}"') == 1 for one in ids)
    assert "updated_after" in text


@pytest.mark.parametrize("sort", ["-amount_rial", "amount_rial"])
def test_list_is_sorted_by_a_column(
    client: TestClient, releases: Releases, sort: str
) -> None:
    """The head of a column sorts, over all pages, and each row stands there once."""
    name = sort.removeprefix("-")
    rows = [
        row
        for one in releases.gather("contracts").releases
        for row in one.rows("subject_fa", name)
    ]
    rows.sort(key=lambda row: row[name], reverse=sort != name)
    address: str | None = f"/en/contracts?sort={sort}"
    seen: list[str] = []
    while address:
        text = client.get(address).text
        seen += re.findall(r'<th scope="row"><bdi>([^<]*)</bdi>', text)
        found = re.search(r'href="(\?[^"]*cursor=[^"]+)">Next', text)
        address = f"/en/contracts{found[1]}".replace("&amp;", "&") if found else None

    assert len(rows) == len(seen) > 60
    assert [rows[0]["subject_fa"], rows[-1]["subject_fa"]] == [seen[0], seen[-1]]


def test_unknown_order_is_refused(client: TestClient) -> None:
    """A column that the list does not show sorts nothing."""
    assert 400 == client.get("/en/contracts?sort=-supplier_id").status_code


def test_words_are_found_in_the_lines_of_a_budget(client: TestClient) -> None:
    """A budget is searched by the titles of its lines, however they are spelled."""
    arabic = "نگهداری".translate({ord("ی"): "\u064a"})
    text = client.get(
        "/en/budget/kerman/1404", params={"side": "use", "q": arabic}
    ).text
    total = re.search(r'role="status">(\d+) lines? found', text)
    table = text[text.index('id="table"') :].partition("</tbody>")[0]
    titles = re.findall(r'<th scope="row">.*?<bdi>([^<]+)</bdi>', table)

    assert total is not None
    assert int(total[1]) == len(titles) > 0
    assert all("نگهداری" in one for one in titles)
    assert "0 lines found" in client.get("/en/budget/kerman/1404?q=zzz").text
