"""What follows from a look: the completeness rule, the brake, names and digests."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.bridge import limits
from shahrdad.federation.bridge.decisions import (
    Brake,
    Decision,
    Word,
    brake,
    compare,
    is_complete,
    judge_missing,
    worth_asking,
)
from shahrdad.federation.bridge.listing import Cursor, advance, by_offset, is_doubtful
from shahrdad.federation.bridge.names import SLUG_LETTERS_MAX, dataset_slug
from shahrdad.federation.bridge.outward import steps
from shahrdad.federation.bridge.packages import change_digest, read
from shahrdad.federation.verify.digest import Digest

ONE, TWO = Digest.of(b"1"), Digest.of(b"2")


def test_comparison_sorts_every_dataset_into_one_place() -> None:
    """New, changed, unchanged and missing leave nothing out."""
    found = compare({"a": ONE, "b": ONE, "c": None, "d": ONE}, {"a": ONE, "b": TWO})

    assert ((), ("b",), ("a",), ("c", "d")) == (
        found.new,
        found.changed,
        found.unchanged,
        found.missing,
    )


@pytest.mark.parametrize(
    ("before", "after", "distinct", "ended", "complete"),
    [
        (5, 5, 5, True, True),
        (5, 5, 4, True, False),
        (5, 6, 5, True, False),
        (6, 5, 5, True, False),
        (5, 5, 5, False, False),
        (None, 5, 5, True, False),
        (5, None, 5, True, False),
        (0, 0, 0, True, True),
    ],
)
def test_complete_is_only_what_counts_agree_on(
    before: int | None, after: int | None, distinct: int, ended: bool, complete: bool
) -> None:
    """Counts before and after equal the datasets seen, and the end was reached."""
    assert complete is is_complete(before, after, distinct, ended=ended)


@pytest.mark.parametrize("word", Word)
@pytest.mark.parametrize("complete", [True, False])
def test_gone_needs_a_complete_look_and_the_portals_word(
    word: Word, complete: bool
) -> None:
    """Of six combinations, one withdraws."""
    gone = complete and word is Word.GONE

    assert (Decision.GONE if gone else Decision.KEPT) is judge_missing(complete, word)


@pytest.mark.parametrize(
    ("held", "seen", "gone", "changed", "found"),
    [
        (20, 15, 5, 0, None),
        (20, 14, 6, 0, Brake.GONE),
        (100, 90, 10, 0, None),
        (100, 89, 11, 0, Brake.GONE),
        (5, 0, 5, 0, Brake.EMPTY),
        (0, 0, 0, 0, None),
        (10, 10, 0, 5, None),
        (10, 10, 0, 6, Brake.CHANGED),
        (100, 100, 0, 50, None),
        (100, 100, 0, 51, Brake.CHANGED),
    ],
)
def test_brake_on_both_sides_of_each_bound(
    held: int, seen: int, gone: int, changed: int, found: Brake | None
) -> None:
    """Suspiciously much is looked at by a person, everyday life is not."""
    assert found is brake(held=held, seen=seen, gone=gone, changed=changed)


def test_drift_is_asked_about_up_to_a_bound() -> None:
    """Fifty, or a fifth."""
    assert (True, False) == (worth_asking(50, 10), worth_asking(51, 10))
    assert (True, False) == (worth_asking(200, 1_000), worth_asking(201, 1_000))


def test_digest_ignores_clocks_counters_and_order() -> None:
    """What portals touch without a change is no change."""
    one = {
        "id": "a",
        "name": "a",
        "num_tags": 2,
        "metadata_modified": "2026",
        "tags": [{"name": "x"}, {"name": "y"}],
        "resources": [{"url": "u", "metadata_modified": "1", "total_views": 3}],
    }
    two = {
        "resources": [{"metadata_modified": "2", "url": "u"}],
        "tags": [{"name": "y"}, {"name": "x"}],
        "tracking_summary": {"total": 5},
        "name": "a",
        "id": "a",
    }
    moved = {**one, "resources": [{"url": "v"}]}

    assert change_digest(one) == change_digest(two)
    assert change_digest(one) != change_digest(moved)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_digest_and_reading_take_whatever_json_holds(value: object) -> None:
    """No portal makes the bridge stumble over a value."""
    names = ("title", "tags", "resources", "extras", "private", "state", "type")
    raw = {"id": "a", "name": "a", "x": value} | dict.fromkeys(names, value)

    assert change_digest(raw) == change_digest(dict(reversed(raw.items())))
    assert "a" == read(raw).id


@pytest.mark.parametrize(
    "raw",
    [None, [], {}, {"id": 5, "name": "a"}, {"id": 'a"b', "name": "a"}, {"id": "a"}],
)
def test_dataset_without_identity_is_refused(raw: object) -> None:
    """Identity is what everything else hangs on."""
    with pytest.raises(PeerError) as caught:
        read(raw)
    assert Reason.MALFORMED is caught.value.reason


def test_name_at_the_limit_is_read_and_above_it_refused() -> None:
    """CKAN's own bound is ours."""
    name = "n" * limits.NAME_CHARACTERS_MAX
    assert name == read({"id": "a", "name": name}).name

    with pytest.raises(PeerError):
        read({"id": "a", "name": name + "n"})


def test_resources_above_the_limit_are_left_out() -> None:
    """A record has an end."""
    many = [{"url": "https://x.example/f.csv"}] * (limits.RESOURCES_MAX + 1)

    assert limits.RESOURCES_MAX == len(
        read({"id": "a", "name": "a", "resources": many}).resources
    )


@given(name=st.text(max_size=100), taken=st.booleans())
def test_slug_is_always_one(name: str, taken: bool) -> None:
    """Whatever a portal calls a dataset, its key here is sound and its own."""
    first = dataset_slug("s", name, "1", set())
    slug = dataset_slug("s", name, "2", {first} if taken else set())

    assert re.fullmatch(r"ckan-s(-[a-z0-9]+)*", slug)
    assert len(slug) <= SLUG_LETTERS_MAX
    assert slug != "ckan-s"
    assert not (taken and slug == first)


def read_all(ids: list[str], rows: int, *, honoured: bool, ordered: bool) -> Cursor:
    """Enumerate a list as a portal would give it; return the last cursor."""
    cursor, seen = Cursor(count=len(ids)), [set[str](), set[str]()]
    listed = sorted(ids) if ordered else ids
    for _ in range(200):
        if cursor.ended:
            break
        query = cursor.query("")
        beyond = query.fq.partition('"')[2].partition('"')[0] if honoured else ""
        page = [one for one in listed if one > beyond][query.start :][:rows]
        turn = seen[cursor.turn - 1]
        after = advance(cursor, page, new=len(set(page) - turn))
        if after.method != cursor.method:
            seen = [set(), set()]
        else:
            turn |= set(page)
        cursor = after
        if cursor.ended and is_doubtful(cursor, len(seen[0]), len(ids)):
            cursor, seen = by_offset(cursor), [set(), set()]
    assert set(ids) == seen[0]
    return cursor


@given(
    ids=st.lists(st.text("abcdef0123456789", min_size=1, max_size=4), unique=True),
    rows=st.integers(1, 7),
    honoured=st.booleans(),
    ordered=st.booleans(),
)
def test_every_page_size_and_portal_gives_everything(
    ids: list[str], rows: int, honoured: bool, ordered: bool
) -> None:
    """Keyset or offsets: a quiet portal is read whole, and the reading ends."""
    random.Random(len(ids)).shuffle(ids)

    cursor = read_all(ids, rows, honoured=honoured, ordered=ordered)

    assert (True, True) == (cursor.ended, cursor.sound)


def test_portal_that_repeats_its_page_is_not_sound() -> None:
    """An ignored `start` ends the reading, and never as complete."""
    cursor = by_offset(Cursor(count=3))
    cursor = advance(cursor, ["a", "b"], new=2)
    cursor = advance(cursor, ["a", "b"], new=0)

    assert (2, False) == (cursor.turn, cursor.sound)


def test_limited_source_keeps_its_limit_on_every_page() -> None:
    """The range is added to what the operator asked for."""
    query = Cursor(count=1, last="x").query("organization:kerman")

    assert '(organization:kerman) AND id:{"x" TO *]' == query.fq


def test_package_that_is_as_it_should_be_needs_no_call() -> None:
    """An idempotent push writes nothing the second time."""
    ours = {
        **dict.fromkeys(("title", "notes", "license_id", "url", "version"), "x"),
        **dict.fromkeys(("author", "maintainer"), "x"),
        "name": "kerman--x",
        "tags": [{"name": "b"}],
        "extras": [{"key": "shahrdad_ref", "value": "kerman/x"}],
        "resources": [
            {"name": "a.csv", "url": "u", "format": "CSV", "mimetype": "", "hash": ""}
            | {"description": ""}
        ],
    }
    theirs = {**ours, "id": "1", "num_tags": 1, "extras": [*ours["extras"], 5]}

    assert [] == steps(theirs, ours)
    assert ["package_patch"] == [
        one.action for one in steps({**theirs, "title": "y"}, ours)
    ]
