"""Suppliers over cities: one name, each contract once, persons and void ones apart."""

import re

from starlette.testclient import TestClient

from http_world import World
from portal_world import parquet
from shahrdad.node.analysis import suppliers
from shahrdad.node.analysis.releases import Releases
from shahrdad.node.http.portal import amounts

NAME = "شرکت نمونه رایانه شهر"
KEY = "شرکت-نمونه-رایانه-شهر"


def test_spellings_of_a_name_are_one_key() -> None:
    """Arabic letters, joiners, brackets and spaces do not part a supplier."""
    arabic = NAME.translate({ord("ک"): "\u0643", ord("ی"): "\u064a"})
    spellings = (NAME, arabic, NAME.replace(" ", "  "), f"({NAME})")

    assert {KEY} == {suppliers.supplier_key(one) for one in spellings}
    assert suppliers.supplier_key("الف/ب") == "الف-ب", "no slash: it is in an address"


def test_totals_are_those_of_the_published_file(
    world: World, releases: Releases
) -> None:
    """Number, amount and SETAD share equal a query over the published Parquet."""
    import duckdb

    found = suppliers.totals(
        [
            one
            for one in suppliers.contracts(releases.gather("contracts"))
            if one.city == "kerman"
        ]
    )
    newest = (
        "SELECT * FROM read_parquet(?) QUALIFY row_number() OVER"
        " (PARTITION BY contract_id ORDER BY amendment_no DESC NULLS LAST) = 1"
    )
    number, amount, setad = duckdb.execute(
        "SELECT count(*), sum(amount_rial), count(*) FILTER (registered_setad)"
        f" FROM ({newest}) WHERE status <> 'cancelled'",
        [parquet(world, "kerman/contracts")],
    ).fetchone() or (0, 0, 0)

    assert (number, amount) == (found.number, found.amount)
    assert (setad, number) == (found.setad.numerator, found.setad.denominator)
    for listed in found.breakdowns.values():
        assert amount == sum(one.amount for one in listed)


def test_supplier_joins_contracts_and_systems_of_cities(releases: Releases) -> None:
    """One page has what every city buys; nobody who is a person has one."""
    found = suppliers.suppliers(
        releases.gather("contracts"), releases.gather("active_systems")
    )
    one = found[KEY]

    assert NAME == one.name
    assert ["kerman", "mashhad", "shiraz"] == one.cities
    assert one.contracts
    assert one.systems
    assert one.amount == sum(one.of(city)[1] for city in one.cities)
    assert all(
        contract.row["supplier_type"] != suppliers.PERSON
        for supplier in found.values()
        for contract in supplier.contracts
    )


def test_page_shows_the_figures_of_the_table(
    client: TestClient, releases: Releases
) -> None:
    """Page and `/v1/analyses/suppliers` give the same amounts."""
    rows = client.get("/v1/analyses/suppliers?limit=1000").json()["items"]
    ours = [row for row in rows if row["supplier"] == KEY]
    text = client.get(f"/en/suppliers/{KEY}").text
    amount = sum(int(row["amount_rial"]) for row in ours)

    assert amounts.exact(amount, "en") in text
    assert sum(int(row["contracts"]) for row in ours) == text.count(
        "contract_id__exact"
    )
    assert "contract-totals" in client.get("/en/contracts").text


def test_contracts_lead_to_their_supplier(client: TestClient) -> None:
    """A contract's other side is a link, and that page is there."""
    text = client.get("/fa/contracts?city=kerman").text
    (link, *_) = re.findall(r'href="(/fa/suppliers/[^"]+)"', text)

    assert 200 == client.get(link).status_code


def test_unknown_supplier_is_told(client: TestClient) -> None:
    """An address of nobody says where to look."""
    answer = client.get("/en/suppliers/nobody")

    assert 404 == answer.status_code
    assert "list of suppliers" in answer.text


def test_totals_follow_the_filters(client: TestClient) -> None:
    """A filter of the list counts in the sums above it, too."""
    whole = client.get("/en/contracts?city=kerman").text
    part = client.get("/en/contracts?city=kerman&method=direct").text
    counts = [
        int(re.search(r"([\d,]+) contracts?</dd>", text)[1].replace(",", ""))  # type: ignore[index]
        for text in (whole, part)
    ]

    assert counts[0] > counts[1] > 0
