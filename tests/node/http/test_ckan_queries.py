"""The facade's queries find by SQL what reading every dictionary finds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from http_world import World, fill, make_world
from shahrdad.node.http.app import create_app
from shahrdad.node.http.ckan import query as language
from shahrdad.node.http.ckan.query import Query, QuerySyntaxError, parse
from shahrdad.validators.normalise.search_key import words

WORDS = [
    "بودجه",
    "سامانه ها",
    "\u0643رمان",
    "فعال",
    "budget",
    "systems",
    "1404",
    "نیست",
]
FIELDS = {
    "organization": ["kerman", "rasht", "qom", "ker*"],
    "groups": ["budget_lines", "active_systems", "projects", "*"],
    "name": ["kerman--active-systems", "kerman--*", "x"],
    "state": ["active", "deleted"],
    "type": ["dataset", "harvest"],
    "private": ["false", "true"],
    "license_id": ["cc-by-4.0", "CC-BY-4.0", "odbl"],
    "tags": ["budget", "بودجه", "bud*", "*"],
    "res_format": ["CSV", "csv", "pdf"],
    "num_tags": ["2", "[2 TO *]", "[* TO 1]", "{2 TO *]"],
    "num_resources": ["3", "[3 TO 9]", "[a TO b]"],
    "title": ["بودجه", "سامانه", "*"],
    "metadata_modified": ["[2025-11-15T00:00:00Z TO *]", "{* TO 2025-11-15}", "2025*"],
    "metadata_created": ["[* TO NOW]", "[NOW TO *]"],
    "extras_shahrdad_version": ["2", "1", "[2 TO *]"],
    "extras_shahrdad_ref": ["kerman/budget-1404", "rasht/*"],
    "temporal_start": ["2025-03-21", "[2026 TO *]", "*"],
    "frequency": ["*", "yearly"],
    "spatial": ["کرمان", "*"],
    "issued": ["2025-10-01T08:30:00Z", "[2025-11 TO *]"],
    "modified": ["[2025-11 TO *]"],
    "title_en": ["Old projects", "old*"],
    "language": ["fa", "en"],
    "harvest_source_title": ["*", "x"],
}
SORTS = {
    "id asc": ("id", False),
    "id desc": ("id", True),
    "name desc": ("name", True),
    "metadata_modified desc, id asc": ("metadata_modified", True),
    "metadata_created asc": ("metadata_created", False),
}
BASES = {"own": "", "all": "/all", "harvest": "/harvest"}

clauses = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(['"بودجه 1404"', '"شهرداری کرمان"', "بود*", "*:*"]),
    *(
        st.builds(f"{name}:{{}}".format, st.sampled_from(values))
        for name, values in FIELDS.items()
    ),
)
queries = st.recursive(
    clauses,
    lambda inner: st.one_of(
        st.builds("-{}".format, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("({} AND {})".format, inner, inner),
        st.builds("{} {}".format, inner, inner),
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def own_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A node with two cities' datasets."""
    return fill(make_world(tmp_path_factory.mktemp("queries")))


@pytest.fixture(scope="module")
def asking(own_world: World) -> Iterator[TestClient]:
    """A client of it."""
    with TestClient(create_app(own_world)) as found:
        yield found


class Dictionaries(dict[str, list[dict[str, Any]]]):
    """Every dictionary of each base; too long to be shown."""

    def __repr__(self) -> str:
        """Return how many there are."""
        return f"{sum(map(len, self.values()))} dictionaries"


@pytest.fixture(scope="module")
def packages(asking: TestClient) -> Dictionaries:
    """Every dictionary of each base."""
    found = {base: search(asking, base, rows=100)["results"] for base in BASES}
    return Dictionaries(found)


def search(client: TestClient, base: str, **values: Any) -> Any:
    """Return the result of a search, or None where it is refused as unreadable."""
    path = f"{BASES[base]}/api/3/action/package_search?{urlencode(values, True)}"
    answer = client.get(path)
    if answer.status_code == 400:
        assert "Search Query Error" == answer.json()["error"]["__type"]
        return None
    assert 200 == answer.status_code, answer.text
    return answer.json()["result"]


def holds(query: Query, one: dict[str, Any]) -> bool:
    """Tell whether a query finds a dictionary, by reading it."""
    match query:
        case language.Every(parts):
            return all(holds(part, one) for part in parts)
        case language.Some(parts):
            return any(holds(part, one) for part in parts)
        case language.Not(part):
            return not holds(part, one)
        case language.Words():
            return has_words(query, one)
    name = query.field.removeprefix("extras_")
    values = values_of(one).get(name, [])
    match query:
        case language.Present():
            return bool(values)
        case language.Equal(_, text, beginning):
            folded = [value.casefold() for value in values]
            if beginning:
                return any(value.startswith(text.casefold()) for value in folded)
            return text.casefold() in folded
        case _:
            return any(within(query, value) for value in values)


def within(span: language.Span, value: str) -> bool:
    """Tell whether a value lies between bounds; numbers are below all texts."""

    def order(text: str) -> tuple[int, float, str]:
        is_number = value.isdigit() and text.isdigit()
        return (0, float(text), "") if is_number else (1, 0.0, text)

    plain = (0, float(value), "") if value.isdigit() else (1, 0.0, value)
    low = span.low is None or order(span.low) < plain
    low = low or (not span.above and span.low == value)
    high = span.high is None or plain < order(span.high)
    return low and (high or (not span.below and span.high == value))


def has_words(query: language.Words, one: dict[str, Any]) -> bool:
    """Tell whether a dictionary's texts have words."""
    extras = {extra["key"]: extra["value"] for extra in one["extras"]}
    title = [*words(one["title"]), *words(extras["title_en"])]
    title += words(one["name"].partition("--")[2].replace("-", " "))
    notes = [*words(one["notes"] or "")]
    tags = [key for tag in one["tags"] for key in words(tag["name"])]
    names = [words(one["organization"]["title"])]
    names += [words(group["title"]) for group in one["groups"]]
    texts = {"title": [title], "notes": [notes]}.get(
        query.field or "", [title, notes, tags, *names]
    )
    if query.together:
        wanted = f" {' '.join(query.keys)} "
        return any(wanted in f" {' '.join(text)} " for text in texts)
    known = {key for text in texts for key in text}
    if query.beginning:
        return all(any(one.startswith(key) for one in known) for key in query.keys)
    return all(key in known for key in query.keys)


def values_of(one: dict[str, Any]) -> dict[str, list[str]]:
    """Return the values of a dictionary's fields, as texts."""
    found = {
        name: [str(one[name]).lower() if name == "private" else str(one[name])]
        for name in (
            *("id", "name", "state", "type", "private", "metadata_modified"),
            *("metadata_created", "num_tags", "num_resources", "license_id"),
        )
        if one[name] is not None
    }
    found["organization"] = [one["organization"]["name"]]
    found["groups"] = [group["name"] for group in one["groups"]]
    found["tags"] = [tag["name"] for tag in one["tags"]]
    found["res_format"] = [resource["format"] for resource in one["resources"]]
    found["title"] = [one["title"]]
    for extra in one["extras"]:
        found.setdefault(extra["key"], [extra["value"]])
    return found


@settings(deadline=None, max_examples=150)
@given(
    asked=st.lists(queries, max_size=2),
    sort=st.sampled_from(sorted(SORTS)),
    start=st.integers(0, 4),
    base=st.sampled_from(sorted(BASES)),
)
def test_queries_find_what_reading_all_finds(
    asking: TestClient,
    packages: Dictionaries,
    asked: list[str],
    sort: str,
    start: int,
    base: str,
) -> None:
    """Any query of any base: the same datasets, the same count, the same order."""
    found = search(
        asking, base, fq_list=json.dumps(asked), sort=sort, start=start, rows=2
    )
    try:
        tests = [parse(text) for text in asked]
    except QuerySyntaxError:
        assert found is None
        return
    expected = [one for one in packages[base] if all(holds(t, one) for t in tests)]
    field, reverse = SORTS[sort]
    expected.sort(key=lambda one: str(one["id"]))
    expected.sort(key=lambda one: str(one[field]), reverse=reverse)

    assert found["count"] == len(expected)
    assert [one["name"] for one in found["results"]] == [
        one["name"] for one in expected[start : start + 2]
    ]


@settings(deadline=None, max_examples=40)
@given(asked=queries, base=st.sampled_from(sorted(BASES)))
def test_facets_count_what_was_found(
    asking: TestClient,
    packages: Dictionaries,
    asked: str,
    base: str,
) -> None:
    """A facet says how many of the datasets found have each value."""
    names = ["organization", "groups", "tags", "res_format", "license_id", "none"]
    values = {"fq": asked, "facet.field": json.dumps(names), "facet.limit": 0}
    found = search(asking, base, **values)
    try:
        test = parse(asked)
    except QuerySyntaxError:
        return
    having = [one for one in packages[base] if holds(test, one)]

    for name in names:
        expected: dict[str, int] = {}
        for one in having:
            for value in set(values_of(one).get(name, [])):
                expected[value] = expected.get(value, 0) + 1
        assert expected == found["facets"][name], name


@settings(deadline=None, max_examples=50)
@given(
    action=st.sampled_from(["package_search", "package_autocomplete", "tag_list"]),
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
def test_any_text_is_answered_or_refused(
    asking: TestClient, action: str, text: str
) -> None:
    """Whatever is typed as a query, a limit or an order, nothing breaks."""
    for name in ("q", "fq", "sort", "rows", "start", "facet.field", "query", "limit"):
        answer = asking.get(f"/api/3/action/{action}?{urlencode({name: text})}")

        assert answer.status_code < 500, (name, answer.text)


def test_long_queries_are_refused_and_not_read(asking: TestClient) -> None:
    """A thousand clauses, or parentheses without end, are no work for the database."""
    many = " OR ".join(["organization:kerman"] * 300)
    for query in (many, "(" * 50 + "a" + ")" * 50, "NOT " * 100 + "a"):
        answer = asking.post("/api/3/action/package_search", json={"q": query})

        assert 400 == answer.status_code
        assert "Search Query Error" == answer.json()["error"]["__type"]


def test_an_unchanged_catalog_answers_304(own_world: World, tmp_path: Path) -> None:
    """A harvester that has the page reads nothing, until something is published."""
    world = fill(make_world(tmp_path))
    path = "/api/3/action/package_search?rows=100"
    with TestClient(create_app(world)) as client:
        etag = client.get(path).headers["etag"]
        again = client.get(path, headers={"If-None-Match": etag})
        world.withdraw("kerman", "active-systems", time="2025-11-21T06:00:00Z")
        changed = client.get(path, headers={"If-None-Match": etag})

    assert (304, 200) == (again.status_code, changed.status_code)
    assert 1 == changed.json()["result"]["count"]
