"""`/v1/analyses`: equal to DuckDB over the published Parquet, and to the pages."""

import csv
import re
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from http_world import World
from portal_world import CITIES, parquet
from shahrdad.datasets.codelists import code_list
from shahrdad.node.analysis import tables
from shahrdad.node.analysis.releases import Input, inputs_digest
from shahrdad.node.analysis.tables import ANALYSES, Analysis
from shahrdad.node.http.portal.amounts import milliard

NAMES = [one.name for one in ANALYSES]


def query(text: str, *paths: str) -> list[tuple[Any, ...]]:
    """Return what DuckDB answers; `{0}` is the first file."""
    files = [f"read_parquet('{path}')" for path in paths]
    return duckdb.sql(text.format(*files)).fetchall()


def asked(client: TestClient, address: str) -> Any:
    """Return what an address answers."""
    answer = client.get(address)

    assert 200 == answer.status_code, answer.text
    return answer.json()


@pytest.mark.parametrize("name", NAMES)
def test_rows_have_the_declared_columns(client: TestClient, name: str) -> None:
    """Every row has each column in order; amounts in rial are text, with all digits."""
    found = asked(client, f"/v1/analyses/{name}?limit=1000")
    columns = [field["name"] for field in found["fields"]]
    rial = [one["name"] for one in found["fields"] if one["unit"] == "rial"]

    assert found["items"], name
    assert {tuple(columns)} == {tuple(row) for row in found["items"]}
    assert {str, type(None)} >= {
        type(row[one]) for row in found["items"] for one in rial
    }


@pytest.mark.parametrize("name", NAMES)
def test_files_hold_the_same_table(client: TestClient, name: str) -> None:
    """CSV and Parquet have the rows of the JSON; the workbook opens."""
    found = asked(client, f"/v1/analyses/{name}?limit=1000")
    text = client.get(f"/v1/analyses/{name}.csv").content.decode()
    rows = list(csv.DictReader(StringIO(text, newline="")))
    table = pq.read_table(BytesIO(client.get(f"/v1/analyses/{name}.parquet").content))
    sheet = client.get(f"/v1/analyses/{name}.xlsx").content

    assert found["total"] == len(rows) == table.num_rows
    assert [one["name"] for one in found["fields"]] == table.schema.names
    for field in found["fields"]:
        if field["type"] == "string":
            column = field["name"]
            assert [row[column] or "" for row in found["items"]] == [
                row[column] for row in rows
            ]
    assert b"PK" == sheet[:2]


def test_inputs_are_named_and_pinned(client: TestClient) -> None:
    """A table names each version that it rests on; the digest is of those names."""
    found = asked(client, "/v1/analyses/smart-share")
    families = {one["ref"].partition("/")[2] for one in found["inputs"]}

    assert {"budget-1404", "projects"} == families
    assert found["inputs_digest"] == inputs_digest(
        [Input(**one) for one in found["inputs"]]
    )


def test_a_city_without_data_is_missing_not_zero(client: TestClient) -> None:
    """Who published no permits has no row, and is named."""
    found = asked(client, "/v1/analyses/permit-speed?limit=1000")

    assert ["kerman", "mashhad"] == found["missing"]
    assert {"shiraz"} == {row["city"] for row in found["items"]}


def test_pages_of_a_table_lose_nothing(client: TestClient) -> None:
    """Small pages together are the whole; a cursor of another table is refused."""
    whole = asked(client, "/v1/analyses/delays?limit=1000")["items"]
    rows, cursor = [], ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        page = asked(client, f"/v1/analyses/delays?limit=37{more}")
        rows += page["items"]
        cursor = page["next_cursor"]
    other = asked(client, "/v1/analyses/systems?limit=1")["next_cursor"]

    assert whole == rows
    assert 410 == client.get(f"/v1/analyses/delays?cursor={other}").status_code


def test_a_city_chooses_rows_alone(client: TestClient) -> None:
    """The median of a product is over all cities, whichever city is asked for."""
    every = asked(client, "/v1/analyses/duplicates?limit=1000")
    one = asked(client, "/v1/analyses/duplicates?city=kerman&limit=1000")

    assert [row for row in every["items"] if row["city"] == "kerman"] == one["items"]
    assert every["inputs"] == one["inputs"]


@pytest.mark.parametrize("city", CITIES)
def test_budgets_are_duckdb_s(client: TestClient, world: World, city: str) -> None:
    """Approved, amended, actual and the capital share of a year, computed apart."""
    (expected,) = query(
        """
        with leaf as (select *, coalesce(amended_rial, approved_rial) as now from {0}
                      where side = 'use' and not coalesce(is_subtotal, false)
                        and budget_scope = 'municipality')
        select sum(approved_rial), sum(amended_rial), sum(now), sum(actual_rial),
               sum(now) filter (economic_class = 'capital_asset_acquisition')
        from leaf where report_period = (select max(report_period) from leaf)
        """,
        parquet(world, f"{city}/budget-1404"),
    )
    (row,) = asked(client, f"/v1/analyses/budgets?year=1404&city={city}")["items"]
    names = ("approved_rial", "amended_rial", "current_rial", "actual_rial")
    share = Decimal(100 * expected[4]) / Decimal(expected[2])

    assert [None if one is None else str(one) for one in expected[:4]] == [
        row[name] for name in names
    ]
    assert f"{share:.2f}" == row["capital_percent"]


def test_parts_add_up_to_their_budget(client: TestClient) -> None:
    """By class, mission, unit or line: the parts are the whole, and 100 per cent."""
    totals = {
        (row["city"], row["fiscal_year"]): row["approved_rial"]
        for row in asked(client, "/v1/analyses/budgets")["items"]
    }
    for by in ("class", "mission", "unit", "line"):
        rows = asked(client, f"/v1/analyses/budget-parts?by={by}&limit=1000")["items"]
        sums: dict[tuple[str, int], int] = {}
        for row in rows:
            key = (row["city"], row["fiscal_year"])
            sums[key] = sums.get(key, 0) + int(row["approved_rial"])

        assert totals == {key: str(value) for key, value in sums.items()}


def test_delays_are_duckdb_s(client: TestClient, world: World) -> None:
    """Days late of projects under way, by the rule, from the files alone."""
    expected: dict[tuple[str, str], int] = {}
    for city in CITIES:
        expected |= {
            (city, key): max(0, days)
            for key, days in query(
                """
                select project_id, date_diff('day', planned_end_date, as_of_date)
                from {0} where status in ('implementation', 'suspended')
                  and planned_end_date is not null
                """,
                parquet(world, f"{city}/projects"),
            )
        }
    rows = asked(client, "/v1/analyses/delays?limit=1000")["items"]
    judged = [row for row in rows if row["days_late"] is not None]

    assert expected == {(r["city"], r["project_id"]): r["days_late"] for r in judged}


def test_systems_are_duckdb_s(client: TestClient, world: World) -> None:
    """Running and offered systems of each cell of the matrix."""
    expected: dict[tuple[str, str], list[int]] = {}
    for city in CITIES:
        for area, *counts in query(
            """
            select business_area, count(*),
              count(*) filter (lifecycle_status in
                ('operational', 'phasing_in', 'phasing_out')),
              count(*) filter (coalesce(reuse_offer, 'none') <> 'none')
            from {0} group by business_area
            """,
            parquet(world, f"{city}/active-systems"),
        ):
            expected[city, area] = counts
    found: dict[tuple[str, str], list[int]] = {}
    for row in asked(client, "/v1/analyses/systems?limit=1000")["items"]:
        cell = found.setdefault((row["city"], row["business_area"]), [0, 0, 0])
        for place, counted in enumerate((True, row["is_running"], row["is_offered"])):
            cell[place] += counted

    assert expected == found


def cells_of(html: str, section: str) -> list[str]:
    """Return the exact numbers in the cells of a page's table."""
    table = html[html.index(section) :]
    table = table[: table.index("</table>")]
    return re.findall(r'<td class="num digits"[^>]*>(.*?)</td>', table)


@pytest.mark.parametrize("language", ["fa", "en"])
@pytest.mark.parametrize("city", CITIES)
def test_the_budget_s_page_has_the_numbers_of_the_table(
    client: TestClient, city: str, language: str
) -> None:
    """Every amount on the page is the analysis', in both languages."""
    address = f"/{language}/budget/{city}/1404?side=use&by=class"
    found = cells_of(client.get(address).text, 'id="table"')
    rows = asked(
        client, f"/v1/analyses/budget-parts?year=1404&city={city}&side=use&by=class"
    )["items"]
    names = ("current_rial", "approved_rial", "actual_rial")
    expected = [
        milliard(None if row[name] is None else int(row[name]))
        for row in rows
        for name in names
    ]

    assert expected == found[: len(expected)]


def test_pages_lead_to_their_tables(client: TestClient) -> None:
    """The links below a page of figures answer."""
    for path in (
        "/budget", "/budget/kerman/1404", "/compare?measure=smart", "/systems",
        "/projects", "/permits", "/resolutions", "/cities/kerman",
    ):  # fmt: skip
        page = client.get(f"/en{path}").text
        links = re.findall(r'href="(/v1/(?:analyses|families)/[^"]+)"', page)

        assert links, path
        for link in links:
            assert 200 == client.get(link.replace("&amp;", "&")).status_code, link


def test_wrong_questions_are_refused(client: TestClient) -> None:
    """A parameter of another analysis, a scope that is none, a name that is none."""
    for address, status in (
        ("/v1/analyses/delays?year=1404", 400),
        ("/v1/analyses/budgets?scope=galaxy", 400),
        ("/v1/analyses/nothing", 404),
    ):
        assert status == client.get(address).status_code, address


def test_the_list_names_every_table(client: TestClient) -> None:
    """Each with its title, fields, parameters and files."""
    found = asked(client, "/v1/analyses")["items"]

    assert NAMES == [one["name"] for one in found]
    assert {"year", "scope", "city"} == set(found[0]["parameters"])
    assert {"self", "csv", "excel.csv", "xlsx", "parquet", "pages"} == set(
        found[0]["links"]
    )


def test_the_table_of_duties_names_their_families() -> None:
    """A duty that is switched on is of a family whose versions the table names."""
    (listed,) = [one for one in ANALYSES if one.name == "duties"]
    duties = code_list("duties").rows
    enabled = {row["family"] for row in duties if row["enabled"] == "true"}

    assert enabled <= set(listed.families)


def test_columns_are_described_in_short() -> None:
    """A name alone is text; money and shares are known by their endings."""
    kinds = [(one.name, one.type, one.unit) for one in tables.columns(
        "city", "cost_rial", "share_percent", "days:integer:days"
    )]  # fmt: skip

    assert [
        ("city", "string", ""),
        ("cost_rial", "integer", "rial"),
        ("share_percent", "decimal", "percent"),
        ("days", "integer", "days"),
    ] == kinds
    assert all(isinstance(one, Analysis) for one in ANALYSES)
