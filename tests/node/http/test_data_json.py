"""`/data.json`: the catalog as DCAT-US 1.1, agreeing with every other door."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from shahrdad.node.http.metadata import data_json

PROFILE = "https://project-open-data.cio.gov/v1.1/schema"
NEEDED = {
    "title", "description", "keyword", "modified", "publisher", "contactPoint",
    "identifier", "accessLevel",
}  # fmt: skip


def document(client: TestClient, base: str = "") -> Any:
    """Return the catalog."""
    answer = client.get(f"{base}/data.json")

    assert (200, "application/json") == (
        answer.status_code,
        answer.headers["content-type"],
    )
    return answer.json()


def listed(client: TestClient, city: str = "") -> list[dict[str, Any]]:
    """Return the dataset objects of a city, or of all."""
    found: list[dict[str, Any]] = client.get(f"/v1/datasets{city}").json()["items"]
    return found


def test_head_names_the_profile(client: TestClient) -> None:
    """Harvesters refuse a catalog whose profile they do not know."""
    found = document(client)

    assert (PROFILE, "dcat:Catalog") == (found["conformsTo"], found["@type"])
    assert "https://data.kerman.example/data.json" == found["@id"]


@pytest.mark.parametrize(("base", "city"), [("", "?city=kerman"), ("/all", "")])
def test_datasets_are_those_of_every_door(
    client: TestClient, base: str, city: str
) -> None:
    """Live datasets by their identifiers, with title, time, licence and files."""
    found = {one["identifier"]: one for one in document(client, base)["dataset"]}
    objects = listed(client, city)

    assert {one["uid"] for one in objects} == set(found)
    for one in objects:
        told = found[one["uid"]]
        files = {
            item["downloadURL"]
            for item in told["distribution"]
            if "downloadURL" in item
        }

        assert NEEDED <= {name for name, value in told.items() if value}
        assert one["title"]["fa"] == told["title"]
        assert one["version"]["time"] == told["modified"]
        assert one["license"]["url"] == told["license"]
        assert one["links"]["html"]["fa"] == told["landingPage"]
        assert files == {
            table["formats"][ext]["url"]
            for table in one["resources"]
            for ext in data_json.DISTRIBUTED
        }


def test_addresses_of_rows_and_of_columns_answer(client: TestClient) -> None:
    """The address of a table's rows, of its columns and of the receipt are real."""
    (budget,) = [one for one in document(client)["dataset"] if "temporal" in one]
    (rows,) = [one for one in budget["distribution"] if one["format"] == "API"]
    addresses = [rows["accessURL"], rows["describedBy"], *budget["references"]]

    assert "2025-03-21/2026-03-20" == budget["temporal"]
    for one in [*addresses, budget["conformsTo"]]:
        assert (
            200
            == client.get(one.removeprefix("https://data.kerman.example")).status_code
        )


def test_pages_of_cards_make_one_document(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many cards are read at once, the document is the same."""
    whole = document(client, "/all")
    monkeypatch.setattr(data_json, "PAGE_DATASETS", 1)

    assert whole == document(client, "/all")


def test_unchanged_catalog_is_not_sent_twice(client: TestClient) -> None:
    """A harvester that has it is told so; the two bases have tags of their own."""
    plain = {"Accept-Encoding": "identity"}
    first = client.get("/data.json", headers=plain)
    held = {"If-None-Match": first.headers["etag"]}

    assert "content-encoding" not in first.headers
    assert "gzip" == client.get("/data.json").headers["content-encoding"]
    assert first.content == client.get("/data.json").content
    assert 304 == client.get("/data.json", headers=held).status_code
    assert 200 == client.get("/all/data.json", headers=held).status_code
    assert b"" == client.head("/data.json").content


def test_what_a_dataset_lacks_is_left_out_or_told_by_another_name() -> None:
    """Without standard, year, keywords or publisher the needed members are there."""
    bare: dict[str, Any] = {
        "uid": "u",
        "title": {"fa": "عنوان", "en": "Title"},
        "description": {"fa": "", "en": ""},
        "keywords": {"fa": [], "en": []},
        "publisher": {"fa": "", "en": ""},
        "city": {"name": {"fa": "کرمان", "en": "Kerman"}},
        "family": None,
        "period": None,
        "license": {"url": None},
        "links": {"self": "https://x.example/v1", "html": {"fa": "https://x.example"}},
        "version": {"time": "2025-11-20T08:30:00Z"},
        "first_published": "2025-11-20T08:30:00Z",
        "resources": [{"name": "t", "sha256": None, "parts": []}],
    }
    found = data_json.dataset(bare, "https://x.example")

    assert NEEDED <= {name for name, value in found.items() if value}
    assert ("کرمان", "عنوان", []) == (
        found["publisher"]["name"],
        found["description"],
        found["distribution"],
    )
    assert not {"license", "temporal", "conformsTo", "accrualPeriodicity"} & set(found)
