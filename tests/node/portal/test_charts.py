"""Charts of a table: what they draw is what DuckDB counts in the published file."""

import re
from collections import Counter
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from http_world import World
from portal_world import parquet
from shahrdad.datasets.jalali import from_gregorian
from shahrdad.node.http.portal import charts
from shahrdad.node.http.portal.amounts import milliard
from shahrdad.node.http.portal.shapes import LINE_WIDTH, line
from shahrdad.node.table.query import parse
from shahrdad.node.table.query_pool import QueryPool

PAGE = "/en/d/kerman/projects/charts"


def table_of(text: str) -> list[list[str]]:
    """Return the cells of the table below a chart, without marks."""
    body = text[text.index("<tbody>") : text.index("</tbody>")]
    return [
        [re.sub(r"<[^>]+>", "", one).strip() for one in re.split(r"</t[hd]>", row)[:-1]]
        for row in body.split("</tr>")[:-1]
    ]


def of(world: World, sql: str) -> list[tuple[Any, ...]]:
    """Return what DuckDB answers about the projects of Kerman."""
    path = parquet(world, "kerman/projects")
    return duckdb.sql(sql.format(f"read_parquet('{path}')")).fetchall()


def test_bars_are_duckdb_s_sums(client: TestClient, world: World) -> None:
    """Each category has its sum and its values; the last row is the sum of all."""
    text = client.get(f"{PAGE}?by=status&of=budget_rial").text
    expected = of(
        world,
        "select sum(budget_rial)::BIGINT, count(budget_rial) from {} group by status"
        " order by 1 desc",
    )
    rows = table_of(text)

    assert [(milliard(total), str(count)) for total, count in expected] == [
        (row[1], row[3]) for row in rows[:-1]
    ]
    assert milliard(sum(total for total, _ in expected)) == rows[-1][1]
    assert len(expected) == text.count('class="bar flip"')


def test_a_line_is_duckdb_s_counts(client: TestClient, world: World) -> None:
    """Days are gathered in Jalali months; a month without rows is nought."""
    text = client.get(f"{PAGE}?by=start_date&step=month").text
    days = of(world, "select start_date, count(*) from {} group by 1")
    months: Counter[str] = Counter()
    for day, count in days:
        if day is not None:
            year, month, _ = from_gregorian(day)
            months[f"{year}/{month:02}"] += count
    rows = table_of(text)

    assert months == Counter({row[0]: int(row[1]) for row in rows if "/" in row[0]})
    assert sum(count for _, count in days) == int(rows[-1][1])
    assert {"0"} == {row[1] for row in rows[:-1] if not row[-1]}
    assert '<path class="trace"' in text


def test_every_bar_leads_to_its_rows(client: TestClient) -> None:
    """The link beside a figure opens as many rows as the figure says."""
    text = client.get(f"{PAGE}?by=status&of=").text
    row = table_of(text)[0]
    link = re.search(r'<td><a href="([^"]+/rows\?[^"]+)"', text)
    assert link is not None
    rows = client.get(link[1].replace("&amp;", "&")).text

    assert f'role="status">{row[1]} rows' in rows


def test_the_address_holds_the_chart(client: TestClient) -> None:
    """Filters come from the rows' page, stand in the form, and can be taken away."""
    text = client.get(f"{PAGE}?by=status&of=&lat__isnotnull").text
    every = client.get(f"{PAGE}?by=status&of=").text
    chosen = client.get("/en/d/kerman/projects/rows?lat__isnotnull=&sort=lat").text

    assert 'name="lat__isnotnull"' in text
    assert table_of(text) != table_of(every)
    assert re.search(r'href="\?by=status&amp;of="', text)
    assert "/v/2/charts?lat__isnotnull=" in chosen


def test_a_budget_is_not_summed_over_both_sides(
    client: TestClient, world: World
) -> None:
    """Without a choice the uses of the municipality are drawn, and it is said."""
    text = client.get("/en/d/kerman/budget-1404/charts").text
    path = parquet(world, "kerman/budget-1404")
    ((total,),) = duckdb.sql(
        f"select sum(approved_rial)::BIGINT from read_parquet('{path}') where"
        " side = 'use' and budget_scope = 'municipality' and not is_subtotal"
    ).fetchall()

    assert milliard(total) == table_of(text)[-1][1]
    assert "Approved by Economic class" in text

    assert 'name="side__exact" value="use"' in text
    assert 'name="budget_scope__exact" value="municipality"' in text


def test_what_is_not_drawn_is_told(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the bars is one row; earlier periods are counted."""
    whole = table_of(client.get(f"{PAGE}?by=sector&of=").text)
    monkeypatch.setattr(charts, "BARS_MAX", 2)
    monkeypatch.setattr(charts, "POINTS_MAX", 2)
    bars = client.get(f"{PAGE}?by=sector&of=&step=year").text
    points = client.get(f"{PAGE}?by=start_date&of=&step=year").text
    rows = table_of(bars)

    assert [f"{len(whole) - 3} others", whole[-1][1]] == [rows[2][0], rows[3][1]]
    assert int(rows[-1][1]) == sum(int(row[1]) for row in rows[:-1])
    assert "smaller categories are not drawn" in bars
    assert "earlier periods are not drawn" in points


def test_a_large_table_is_asked_in_a_process(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same groups come from the pool; more days than a page are not drawn."""
    from shahrdad.node.table.grouping import answer

    small = client.get(f"{PAGE}?by=status&of=budget_rial&step=year").text
    asked: list[int] = []

    def answered(_: QueryPool, table: Any, pairs: Any) -> Any:
        asked.append(len(pairs))
        return answer(table, parse(pairs, table.schema))

    monkeypatch.setattr(QueryPool, "answer", answered)
    monkeypatch.setattr(charts, "TABLE_ROWS_MAX", 71)
    large = client.get(f"{PAGE}?of=budget_rial&by=status&step=year").text
    monkeypatch.setattr(charts, "DAYS_MAX", 3)
    days = client.get(f"{PAGE}?by=start_date&step=year").text

    assert 3 == len(asked)
    assert table_of(small) == table_of(large)
    assert "different days" in days
    assert '<svg class="drawing' not in days


@pytest.mark.parametrize("query", ["by=evil", "of=status", "step=week", "by=lat"])
def test_only_what_is_offered_is_drawn(client: TestClient, query: str) -> None:
    """Another column or step is refused with what there is."""
    assert 400 == client.get(f"{PAGE}?{query}").status_code


def test_a_table_without_a_standard_is_drawn_by_its_types() -> None:
    """Texts are categories, days are time, whole numbers are added."""
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("kind", pa.string()),
            ("note_fa", pa.string()),
            ("day", pa.date32()),
            ("amount", pa.int64()),
            ("share", pa.float64()),
            ("tags", pa.list_(pa.string())),
        ]
    )
    found = charts.choice(schema, {}, ("id",))

    assert charts.Choice(("kind",), ("day",), ("amount",), ("share",)) == found
    nothing = charts.choice(pa.schema([("id", pa.string())]), {}, ("id",))
    assert "" == charts.read([], nothing, [], family=None).by


def test_a_line_is_broken_where_nothing_is_known() -> None:
    """Values on both sides of nought keep their zero line; Persian runs leftwards."""
    values = [Decimal(4), Decimal(-4), None, Decimal(0), Decimal(2)]
    english, persian = line(values, "en"), line(values, "fa")

    assert 2 == len(english.paths)
    assert [0, 1, 3, 4] == [mark.place for mark in english.marks]
    assert english.marks[2].y == english.zero
    assert english.marks[0].y < english.zero < english.marks[1].y
    assert [LINE_WIDTH - one.x for one in english.marks] == [
        one.x for one in persian.marks
    ]
    assert (1, ()) == (len(line([Decimal(1)], "fa").marks), line([None], "fa").marks)
    many = line([Decimal(1)] * 60, "en")
    assert (12, 2) == (len(many.names), sum(one.is_told for one in many.marks))
