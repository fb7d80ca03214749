"""A layout that was answered for once is read by the saved profile at every door."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from account_world import settle, strict_node, token_of
from shahrdad.node.city import Node
from shahrdad.node.http.app import create_app
from shahrdad.node.incoming.profiles import FOLDER, Profiles

TEXT = (
    "شناسه واحد,نام واحد,گونه,فاوا\n"
    "shahrdari,شهرداری,شهرداری مرکزی,خیر\n"
    "fava,سازمان فاوا,سازمان,بله\n"
)
SAVED: dict[str, Any] = {
    "profile": "org-units-1",
    "version": 2,
    "family": "org_units",
    "standard": "1.0.0",
    "signature": ["شناسه واحد", "نام واحد", "گونه", "فاوا"],
    "columns": [
        {"to": "org_unit_id", "from": "شناسه واحد"},
        {"to": "name_fa", "from": "نام واحد"},
        {
            "to": "unit_type",
            "from": "گونه",
            "values": {"شهرداری مرکزی": "municipality"},
        },
        {"to": "ict_org", "from": "فاوا"},
    ],
    "keep": [],
    "ignore": [],
    "stated": [],
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node under four eyes that knows the layout."""
    with strict_node(tmp_path_factory.mktemp("known")) as made:
        settle(made)
        Profiles(made.config.data / FOLDER).save(SAVED)
        yield made


@pytest.fixture(scope="module")
def client(node: Node) -> Iterator[TestClient]:
    """A client of it."""
    with TestClient(create_app(node), base_url="https://testserver") as one:
        yield one


def asked(client: TestClient, node: Node, text: str = TEXT) -> dict[str, Any]:
    """Upload a file; return the body that makes a draft of it, and how to ask."""
    headers = {"Authorization": f"Bearer {token_of(node, 'edna', 'draft:write')}"}
    answer = client.put(
        "/v1/uploads?filename=units.csv", content=text.encode(), headers=headers
    )
    assert 201 == answer.status_code, answer.text
    return {
        "json": {
            "upload": answer.json()["id"],
            "ref": "kerman/org-units",
            "family": "org_units",
        },
        "headers": headers,
    }


def test_draft_is_read_by_the_saved_profile(client: TestClient, node: Node) -> None:
    """Nothing is said of the columns, and the table is valid; the record says how."""
    options = asked(client, node)
    made = client.post("/v1/drafts", **options)
    draft = made.json()
    path = f"/v1/drafts/{draft['id']}/record"
    record = client.get(path, headers=options["headers"]).json()

    assert 201 == made.status_code, made.text
    assert "valid" == draft["verdict"]
    assert ("org-units-1", 2) == (
        record["shahrdad"]["profile"]["profile"],
        record["shahrdad"]["profile"]["version"],
    )


def test_a_rehearsal_is_read_the_same_way(client: TestClient, node: Node) -> None:
    """What the script hears beforehand is what the draft will say."""
    path = "/v1/datasets/kerman/org-units/publish?dry_run=true"
    answer = client.post(path, **asked(client, node)).json()

    assert answer["valid"], answer


def test_another_layout_is_not_read_by_it(client: TestClient, node: Node) -> None:
    """With another header the profile is not used; the report says what is open."""
    text = TEXT.replace("گونه", "دسته")
    draft = client.post("/v1/drafts", **asked(client, node, text)).json()

    assert "errors" == draft["verdict"]


def test_a_mapping_of_the_request_goes_first(client: TestClient, node: Node) -> None:
    """Who sends a mapping is taken at their word, even where it is worse."""
    options = asked(client, node)
    columns = [{**rule, "values": {}} for rule in SAVED["columns"]]
    options["json"]["mapping"] = {**SAVED, "columns": columns}
    draft = client.post("/v1/drafts", **options).json()

    assert "errors" == draft["verdict"]
