"""The rows query: what is asked is answered, the same as DuckDB answers it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_fixture import ask, codes, everything, lines, pairs_of, reader, table
from shahrdad.datasets.alphabet import sort_key
from shahrdad.node.table import rows
from shahrdad.node.table.filters import fold_text
from shahrdad.node.table.grouping import answer
from shahrdad.node.table.parquet import TableInfo
from shahrdad.node.table.query import parse
from shahrdad.node.table.reading import TableReader
from table_fixture import KEY

__all__ = ["lines", "table"]


NUMBERS = st.integers(-60, 60).map(str)
ORDERS = st.sampled_from(["less", "greater", "strictly_less", "strictly_greater"])
SIGNS = {"less": "<=", "greater": ">=", "strictly_less": "<", "strictly_greater": ">"}
CODES = st.integers(0, 700).map("{:05d}".format)
DAYS = st.dates(date(2025, 1, 1), date(2026, 6, 1)).map(str)
EQUAL = st.sampled_from(["exact", "differs"])
CONDITIONS = st.one_of(
    st.tuples(st.just("count"), ORDERS, NUMBERS),
    st.tuples(st.just("amount"), ORDERS, st.decimals(0, 10, places=2).map(str)),
    st.tuples(st.just("day"), ORDERS, DAYS),
    st.tuples(st.just("code"), ORDERS, CODES),
    st.tuples(st.sampled_from(["count", "amount"]), EQUAL, NUMBERS),
    st.tuples(st.just("count"), st.sampled_from(["in", "notin"]), st.just("1,-3,49")),
    st.tuples(st.just("word"), EQUAL, st.sampled_from(["آب", "Kerman", ""])),
    st.tuples(st.just("code"), st.just("exact"), CODES),
    st.tuples(
        st.sampled_from(["open", "is_subtotal"]),
        st.just("exact"),
        st.sampled_from(["true", "false"]),
    ),
    st.tuples(
        st.sampled_from(["word", "count", "amount", "day", "at", "open", "tags"]),
        st.sampled_from(["isnull", "isnotnull"]),
        st.just(""),
    ),
)
Condition = tuple[str, str, str]


def sql(condition: Condition) -> tuple[str, list[Any]]:
    """Return a condition as DuckDB has it."""
    column, operator, value = condition
    if operator in ("isnull", "isnotnull"):
        return f'"{column}" IS {"NOT " if "not" in operator else ""}NULL', []
    if operator in ("in", "notin"):
        members = ", ".join("?" for _ in value.split(","))
        word = "IN" if operator == "in" else "NOT IN"
        return f"{column} {word} ({members})", [int(one) for one in value.split(",")]
    sign = {"exact": "=", "differs": "<>", **SIGNS}[operator]
    kinds = {
        "count": "BIGINT",
        "amount": "DECIMAL(12,2)",
        "day": "DATE",
        "open": "BOOLEAN",
    }
    kind = kinds.get(column, "BOOLEAN" if column == "is_subtotal" else "VARCHAR")
    return f"{column} {sign} CAST(? AS {kind})", [value]


@given(
    st.lists(CONDITIONS, max_size=4),
    st.lists(CONDITIONS.filter(lambda c: "," not in c[2]), max_size=3),
    st.sampled_from(
        [None, "count", "-amount", "-open,day", "code", "-is_subtotal,-count"]
    ),
)
@settings(max_examples=30, deadline=None)
def test_filters_and_sorts_are_those_of_duckdb(
    table: TableReader,
    conditions: list[Condition],
    either: list[Condition],
    sort: str | None,
) -> None:
    """Any filters, alternatives and order give the rows that an SQL engine gives."""
    pairs = [(f"{c}__{o}", v) for c, o, v in conditions]
    where, values = ["true"], []
    for condition in conditions:
        text, bound = sql(condition)
        where.append(text)
        values += bound
    if either:
        members = ",".join(f"{c}__{o}.{v}" for c, o, v in either)
        pairs.append(("or", f"({members})"))
        alternatives = [sql(condition) for condition in either]
        where.append(f"({' OR '.join(text for text, _ in alternatives)})")
        values += [value for _, bound in alternatives for value in bound]
    order = [
        f"{key.removeprefix('-')} {'DESC' if key[0] == '-' else 'ASC'} NULLS LAST"
        for key in (sort.split(",") if sort else [])
    ]
    if sort:
        pairs.append(("sort", sort))
    rows_of_table = everything(table)
    with duckdb.connect() as connection:
        connection.register("t", rows_of_table)
        expected = connection.execute(
            f"SELECT code FROM t WHERE {' AND '.join(where)}"
            f" ORDER BY {', '.join([*order, 'code'])}",
            values,
        ).fetchall()
    page = answer(table, parse([*pairs, ("limit", "1000")], table.schema))

    assert [code for (code,) in expected] == page.rows["code"].to_pylist()
    assert len(expected) == page.total


@given(
    st.sampled_from(
        ["", "sort=count", "sort=-word", "sort=word,-amount", "sort=-at,open"]
    ),
    st.sampled_from(["", "count__greater=0", "word__isnotnull"]),
    st.integers(20, 400),
)
@settings(max_examples=25, deadline=None)
def test_pages_repeat_and_hide_nothing(
    table: TableReader, sort: str, where: str, limit: int
) -> None:
    """The pages of a query, one after the other, are the whole answer once."""
    text = "&".join(part for part in (sort, where) if part)
    whole = codes(table, text)
    pairs = [*pairs_of(text), ("limit", str(limit))]
    found: list[str] = []
    totals = set()
    while True:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rows, "TOP_ROWS", 10)
            page = answer(table, parse(pairs, table.schema))
        found += page.rows["code"].to_pylist()
        totals.add(page.total)
        if page.next_cursor is None:
            break
        pairs = [("cursor", page.next_cursor)]

    assert whole == found
    assert {len(whole)} == totals


@pytest.mark.parametrize("subtotals", [False, True])
def test_aggregates_are_those_of_duckdb(table: TableReader, subtotals: bool) -> None:
    """Sums, averages, extremes and counts by group, with and without subtotals."""
    text = (
        "word__groupby&open__groupby&count__sum&amount__sum&degrees__count&day__min"
        "&day__max&count__avg&word__count&code__countdistinct&tags__count"
    )
    more = {"subtotals": "include"} if subtotals else {}
    found = ask(table, text, **more)
    rows_of_table = everything(table)
    with duckdb.connect() as connection:
        connection.register("t", rows_of_table)
        expected = connection.execute(
            "SELECT word, open, sum(count), count(count), sum(amount), count(amount),"
            " count(degrees), min(day), max(day), avg(count), count(word),"
            " count(DISTINCT code), count(tags) FROM t"
            f" WHERE {subtotals} OR NOT is_subtotal GROUP BY word, open"
        ).fetchall()
    names = [
        "word", "open", "count__sum", "count__count", "amount__sum", "amount__count",
        "degrees__count", "day__min", "day__max", "count__avg", "word__count",
        "code__countdistinct", "tags__count",
    ]  # fmt: skip
    order = [(row["word"] is None, sort_key(row["word"] or "")) for row in found]

    assert sorted(map(repr, (tuple(map(plain, row)) for row in expected))) == sorted(
        repr(tuple(plain(row[name]) for name in names)) for row in found
    )
    assert sorted(order) == order


def plain(value: Any) -> Any:
    """Return a number as it compares between two engines."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return f"{Decimal(value).normalize():f}"
    return round(value, 9) if isinstance(value, float) else value


def test_one_group_of_all(table: TableReader) -> None:
    """Without `groupby` an aggregate is one row; over nothing its sum is null."""
    (row,) = ask(table, "count__sum&subtotals=include")
    (empty,) = ask(table, "count__sum&code__exact=none&word__countdistinct&count__avg")
    every = [n for n in everything(table)["count"].to_pylist() if n is not None]

    assert {"count__sum": sum(every), "count__count": len(every)} == row
    assert (None, 0, 0, None) == (
        empty["count__sum"],
        empty["count__count"],
        empty["word__countdistinct"],
        empty["count__avg"],
    )


def test_sums_never_wrap(tmp_path: Path) -> None:
    """Ten sums of the largest int64 are ten times as much."""
    largest = 2**63 - 1
    table = pa.table(
        {"code": [f"{n:03d}" for n in range(100)], "rial": [largest] * 100}
    )
    opened = reader(table, str(tmp_path), TableInfo("", "", "", "", ("code",)))
    (row,) = ask(opened, "rial__sum&rial__max")

    assert 100 * largest == int(row["rial__sum"])
    assert largest == row["rial__max"]


def test_sorted_aggregates_have_pages(table: TableReader) -> None:
    """The largest sums come first, ten groups at a time."""
    text = "day__groupby&count__sum&sort=-count__sum"
    whole = ask(table, text)
    pairs = [("day__groupby", ""), ("count__sum", ""), ("sort", "-count__sum")]
    page = answer(table, parse([*pairs, ("limit", "10")], table.schema))
    assert page.next_cursor is not None
    second = answer(table, parse([("cursor", page.next_cursor)], table.schema))
    sums = [row["count__sum"] for row in whole if row["count__sum"] is not None]

    assert sorted(sums, reverse=True) == sums
    assert whole[:20] == [*page.rows.to_pylist(), *second.rows.to_pylist()]


def test_a_null_matches_only_isnull(table: TableReader) -> None:
    """Neither `differs` nor `notin` nor `notcontains` finds what is not there."""
    nulls = set(codes(table, "word__isnull"))
    every = set(codes(table, ""))

    assert nulls
    for text in ("word__differs=آب", "word__notin=آب,x", "word__notcontains=آب"):
        assert not nulls & set(codes(table, text))
    assert every - nulls == set(codes(table, "word__isnotnull"))


def test_text_is_compared_as_people_mean_it(table: TableReader) -> None:
    """Arabic letters find Persian ones, and `contains` folds what it compares."""
    words = {row["code"]: row["word"] for row in ask(table, "")}

    def found(text: str) -> set[str | None]:
        return {words[code] for code in codes(table, text)}

    assert {"\u0643رمان", "کرمان"} == found("word__exact=\u0643رمان")
    assert {"کرمان"} == found("word__exact=کرمان")
    assert {"\u0643رمان", "کرمان"} == found("word__contains=کرم")
    assert {"\u0643رمان", "کرمان"} == found("word__startswith=کر")
    assert {"خیابان‌ها"} == found("word__contains=خ\u064aابانها")
    assert {"Kerman"} == found("word__contains=KERM")
    assert {"a,b", "آب"} == found(r"word__in=a\,b,آب")
    assert "خیابان" in fold_text("خیابان‌ها")


def test_lists_are_asked_by_member(table: TableReader) -> None:
    """A row is found by one of its tags."""
    tags = {row["code"]: row["tags"] for row in ask(table, "")}
    assert all("برق" in tags[code] for code in codes(table, "tags__contains=برق"))
    assert {c for c, t in tags.items() if t and "برق" in t} == set(
        codes(table, "tags__contains=برق")
    )
    assert {c for c, t in tags.items() if t is not None and "برق" not in t} == set(
        codes(table, "tags__notcontains=برق")
    )


def test_text_sorts_by_the_persian_alphabet(table: TableReader) -> None:
    """Peh comes after beh and yeh last, not where their code points are."""
    words = [row["word"] for row in ask(table, "sort=word&word__isnotnull")]

    assert words == sorted(words, key=sort_key)
    assert words.index("پارک") < words.index("کرمان") < words.index("یزد")
    falling = [row["word"] for row in ask(table, "sort=-word")]
    assert [None] * 30 == falling[-30:]


@pytest.mark.parametrize(
    ("jalali", "gregorian"),
    [
        ("1404-06-31", "2025-09-22"),
        ("۱۴۰۴/۰۶/۳۱", "2025-09-22"),
        ("1404/7/1", "2025-09-23"),
    ],
)
def test_dates_of_both_calendars(
    table: TableReader, jalali: str, gregorian: str
) -> None:
    """A day may be typed as people write it."""
    expected = codes(table, f"day__exact={gregorian}")

    assert expected
    assert expected == codes(table, f"day__exact={jalali}")


def test_a_day_of_an_instant_is_the_day_in_tehran(table: TableReader) -> None:
    """`greater` begins at midnight in Tehran and `less` ends there."""
    begins = datetime(2025, 9, 21, 20, 30, tzinfo=UTC)
    found = [
        row["at"] for row in ask(table, "at__greater=1404-06-31&at__less=1404-06-31")
    ]

    assert 20 < len(found) <= 24
    assert all(begins <= at < begins + timedelta(days=1) for at in found)


def test_keys_choose_the_parts(lines: TableReader) -> None:
    """A query for one city and year opens the parts that can have it, and no others."""
    query = parse(
        [("city_code__exact", "1343"), ("fiscal_year__in", "1402,1403")], lines.schema
    )
    parts = rows.chosen_parts(lines, query)
    found = answer(lines, query)

    assert len(parts) < len(lines.parts) / 3
    assert found.total == sum(
        city == "1343" and year in (1402, 1403)
        for city, year in zip(
            everything(lines)["city_code"].to_pylist(),
            everything(lines)["fiscal_year"].to_pylist(),
            strict=True,
        )
    )


def test_fields_and_limits(lines: TableReader) -> None:
    """The answer has the columns that were asked for, and no more rows than asked."""
    page = answer(
        lines, parse([("fields", "title,line_code"), ("limit", "3")], lines.schema)
    )
    none = answer(lines, parse([("limit", "0")], lines.schema))

    assert ["title", "line_code"] == page.rows.column_names
    assert (3, 2_000) == (page.rows.num_rows, page.total)
    assert (0, 2_000, None) == (none.rows.num_rows, none.total, none.next_cursor)
    assert list(KEY) == list(everything(lines).column_names[:3])
