"""What a node makes of a portal: the same datasets, whatever the portal does."""

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge_story import Story, filled
from ckan_simulator import URL, Portal, Reply, failure
from node_world import make_node
from shahrdad.datasets.errors import ConflictError, Reason, RequestError
from shahrdad.node.city import Node
from shahrdad.node.config import PublishSection
from shahrdad.node.publish import withdraw


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that publishes; each test reads a source of its own."""
    with make_node(tmp_path_factory.mktemp("city")) as made:
        yield made


def test_first_run_brings_everything_and_the_second_nothing(node: Node) -> None:
    """A run after a success appends no entry."""
    story = Story(node, filled(7))

    first, second = story.run(), story.run()

    assert (7, 0) == (first["entries"], second["entries"])
    assert story.equal()
    assert 7 == second["counts"]["unchanged"]


def test_record_says_where_it_came_from(node: Node) -> None:
    """Readers find the portal's page, its licence and its words."""
    story = Story(node)
    story.portal.put(
        "b1",
        name="Budget_1404",
        title="بودجه",
        tags=[{"name": "بودجه"}, {"name": "budget"}],
        license_id="cc-zero",
        extras=[{"key": "title_en", "value": "Budget"}],
    )

    story.run()
    body = story.held()["b1"]

    assert f"ckan-{story.name}-budget-1404" == body["name"]
    assert ("بودجه", "Budget") == (body["title"], body["title_en"])
    assert (["بودجه"], ["budget"]) == (body["keywords"], body["keywords_en"])
    assert "CC0-1.0" == body["licenses"][0]["name"]
    assert f"{URL}/dataset/Budget_1404" == body["sources"][0]["path"]


def test_clocks_are_not_believed(node: Node) -> None:
    """A portal that touches every date publishes nothing anew."""
    story = Story(node, filled(3))
    story.run()
    for number in list(story.portal.database):
        story.portal.put(number, metadata_modified="2030-01-01T00:00:00", num_tags=9)

    assert 0 == story.run()["entries"]


def test_edit_rename_delete_and_return(node: Node) -> None:
    """Each change at the portal is one entry here, under a key that never changes."""
    story = Story(node, filled(4))
    story.run()
    story.portal.put("a000", title="Edited")
    story.portal.put("a001", name="renamed")
    story.portal.delete("a002")

    changed = story.run()
    slug = story.held()["a001"]["name"]
    gone = story.equal()
    story.portal.put("a002", state="active")
    back = story.run()

    assert 3 == changed["entries"]
    assert gone
    assert f"ckan-{story.name}-dataset-a001" == slug
    assert (1, True) == (back["entries"], story.equal())


def test_purged_dataset_is_withdrawn(node: Node) -> None:
    """Not Found is the portal's word too."""
    story = Story(node, filled(3))
    story.run()
    story.portal.purge("a001")

    report = story.run()

    assert (1, True) == (report["counts"]["withdrawn"], story.equal())


def test_index_that_lost_a_dataset_withdraws_nothing(node: Node) -> None:
    """The search index drifts from the database; alone it never deletes."""
    story = Story(node, filled(5))
    story.run()
    del story.portal.index["a003"]
    story.portal.listing = False  # nor does the list help

    report = story.run()

    assert (0, 0) == (report["entries"], report["counts"]["withdrawn"])
    assert story.equal()


def test_index_that_never_had_a_dataset_hides_nothing(node: Node) -> None:
    """What the portal's list names and its index does not, is brought in."""
    story = Story(node, filled(5))
    del story.portal.index["a003"]

    story.run()

    assert story.equal()


def test_ghost_of_the_index_is_withdrawn(node: Node) -> None:
    """A deleted dataset that the index still shows is asked about, and goes."""
    story = Story(node, filled(5))
    story.run()
    story.portal.indexing = False
    story.portal.delete("a002")

    report = story.run()

    assert (1, True) == (report["counts"]["withdrawn"], story.equal())


@pytest.mark.parametrize("ranges", ["honoured", "refused", "ignored"])
@pytest.mark.parametrize("ordered", [True, False])
def test_pages_that_shift_while_read_lose_nothing(
    node: Node, ranges: str, ordered: bool
) -> None:
    """Whatever paging the portal allows, a complete look is complete."""
    portal = filled(23)
    portal.rows_max, portal.ranges, portal.sorted = 5, ranges, ordered
    story = Story(node, portal)
    story.run()
    turbulent = iter(range(1000))

    def meddle(search: int) -> None:
        if search % 3 == 0:
            portal.put(f"0{next(turbulent):03}")  # before everything read so far

    portal.meddle = meddle
    story.run()
    portal.meddle = lambda _: None
    story.run()

    assert story.equal()


def test_deletion_during_the_look_shifts_nobody_away(node: Node) -> None:
    """By offsets, a deletion hides a dataset from a page; it must not be withdrawn."""
    portal = filled(20)
    portal.rows_max, portal.ranges = 5, "refused"
    story = Story(node, portal)
    story.run()
    start = portal.searches

    def meddle(search: int) -> None:
        if search == start + 4:
            portal.delete("a000")

    portal.meddle = meddle
    shifted = story.run()
    portal.meddle = lambda _: None
    story.run()

    assert (False, 0) == (shifted["complete"], shifted["counts"]["withdrawn"])
    assert story.equal()


def test_failing_page_ends_the_run_incomplete(node: Node) -> None:
    """Four tries, then what was seen is applied, and nothing is deleted."""
    portal = filled(12)
    portal.rows_max = 5
    story = Story(node, portal)
    story.run()
    portal.put("a001", title="Edited")
    portal.delete("a002")

    tries = []

    def broken(action: str, values: dict[str, Any]) -> Reply | None:
        if "TO *]" not in values.get("fq", ""):
            return None
        tries.append(action)
        return Reply(503, b"busy")

    portal.broken = broken
    report = story.run()

    assert ("incomplete", "SITE_ANSWER") == (report["state"], report["fault"]["reason"])
    assert (1, 0) == (report["entries"], report["counts"]["withdrawn"])
    assert 4 == len(tries)


def test_dead_portal_deletes_nothing(node: Node) -> None:
    """A portal that answers nothing at all is an incomplete run."""
    story = Story(node, filled(6))
    story.run()
    story.portal.broken = lambda *_: Reply(0, b"")

    report = story.run()

    assert ("incomplete", "TIMEOUT", 0) == (
        report["state"],
        report["fault"]["reason"],
        report["entries"],
    )


@pytest.mark.parametrize(
    "answer",
    [
        b"[]",
        b"null",
        b'"text"',
        b"{",
        b"<html>",
        b'{"success":true}',
        b'{"success":true,"result":[]}',
        b'{"success":true,"result":{"count":"5","results":[]}}',
        b'{"success":true,"result":{"count":5,"results":{}}}',
        b'{"success":false,"error":"no"}',
        b"[" * 100_000,
    ],
)
def test_wrong_types_of_answers_do_no_harm(node: Node, answer: bytes) -> None:
    """Nonsense is the portal's fault, told as such, and changes nothing."""
    story = Story(node, filled(3))
    story.run()
    story.portal.broken = lambda *_: Reply(200, answer)

    report = story.run()

    assert ("incomplete", 0) == (report["state"], report["entries"])


def test_wrong_types_within_a_dataset_fail_it_alone(node: Node) -> None:
    """One spoilt dataset neither stops the others nor is withdrawn."""
    story = Story(node, filled(4))
    story.run()
    story.portal.put("a001", name=["not", "text"])
    story.portal.put("a002", resources="none", tags=5, extras=[1], title={"a": 1e400})
    story.portal.put("a003", title="Edited")

    report = story.run()

    assert ["MALFORMED"] == [item["reason"] for item in report["failed"]]
    assert {"a000", "a001", "a002", "a003"} == set(story.held())
    assert "Edited" == story.held()["a003"]["title"]


def test_single_failures_are_told_and_tried_again(node: Node) -> None:
    """A dataset whose page fails is in the report, and comes with the next run."""
    story = Story(node, filled(5))

    def broken(action: str, values: dict[str, Any]) -> Reply | None:
        return Reply(500, b"") if values.get("id") == "a002" else None

    story.portal.broken = broken
    first = story.run()
    story.portal.broken = lambda *_: None
    second = story.run()

    assert [f"{URL}/dataset/dataset-a002"] == [item["link"] for item in first["failed"]]
    assert (4, 1) == (first["entries"], second["entries"])
    assert story.equal()


def test_brake_holds_many_withdrawals_until_a_person_agrees(node: Node) -> None:
    """More than five and a tenth gone: nothing is applied before `approve`."""
    story = Story(node, filled(20))
    story.run()
    for number in range(6):
        story.portal.delete(f"a{number:03}")

    held = story.run()
    size = story.size
    story.portal.put("a000", state="active")  # back before the approval
    approved = story.bridge().approve(held["run"])
    story.check()

    assert ("held", "gone", 0) == (held["state"], held["brake"], held["entries"])
    assert 6 == len(held["gone"])
    assert (5, 5) == (approved["counts"]["withdrawn"], story.size - size)
    assert "a000" in story.held()


def test_five_withdrawals_pass_the_brake(node: Node) -> None:
    """Five of a small portal are everyday life."""
    story = Story(node, filled(20))
    story.run()
    for number in range(5):
        story.portal.delete(f"a{number:03}")

    assert 5 == story.run()["counts"]["withdrawn"]


def test_empty_catalog_is_held(node: Node) -> None:
    """A portal that lost everything is looked at by a person."""
    story = Story(node, filled(3))
    story.run()
    for number in list(story.portal.database):
        story.portal.delete(number)

    report = story.run()

    assert ("held", "empty", 0) == (report["state"], report["brake"], report["entries"])


def test_sudden_change_of_most_is_held(node: Node) -> None:
    """More than half changed looks like an accident of the portal."""
    story = Story(node, filled(12))
    story.run()
    for number in range(7):
        story.portal.put(f"a{number:03}", title="!")

    assert "changed" == story.run()["brake"]


def test_a_run_that_is_not_held_cannot_be_approved(node: Node) -> None:
    """Approving is for what waits."""
    story = Story(node, filled(2))
    done = story.run()

    with pytest.raises(ConflictError) as caught:
        story.bridge().approve(done["run"])
    assert Reason.RUN_NOT_HELD is caught.value.reason
    with pytest.raises(RequestError) as unknown:
        story.bridge().approve(2**70)
    assert Reason.RUN_UNKNOWN is unknown.value.reason


class Killed(BaseException):
    """What a process feels of SIGKILL: no handler of errors runs."""


@pytest.mark.parametrize("at", range(0, 24, 2))
def test_killed_run_goes_on_and_ends_equal(node: Node, at: int) -> None:
    """Whichever request a kill falls into, the next run finishes the same one."""
    portal = filled(8)
    portal.rows_max = 3
    story = Story(node, portal)
    calls = iter(range(1000))

    def broken(action: str, values: dict[str, Any]) -> Reply | None:
        if next(calls) == at:
            raise Killed
        return None

    portal.broken = broken
    size = story.size
    try:
        story.bridge().run()
    except Killed:
        portal.broken = lambda *_: None
        story.run()
    runs = story.ledger.runs(story.ledger.source(story.name).id)

    assert (8, True) == (story.size - size, story.equal())
    assert ["done"] == [run.state for run in runs]


def test_lost_ledger_is_adopted_from_the_records(node: Node) -> None:
    """The log is the truth: without the ledger nothing is published twice."""
    story = Story(node, filled(6))
    story.run()
    source = story.ledger.source(story.name).id
    node.database.connect().execute(
        "DELETE FROM bridge_object WHERE source=?", [source]
    )

    report = story.run()

    assert (0, True) == (report["entries"], story.equal())


def test_dataset_withdrawn_by_hand_stays_withdrawn(node: Node) -> None:
    """A person's decision outranks the portal, until the ledger is told otherwise."""
    story = Story(node, filled(3))
    story.run()
    withdraw(node, f"kerman/{story.held()['a001']['name']}")
    story.portal.put("a001", title="Edited")

    report = story.bridge().run()

    assert 0 == report["counts"]["published"]
    assert "a001" not in story.held()


def test_names_that_meet_get_slugs_of_their_own(node: Node) -> None:
    """`a_b` and `a-b` are two datasets here as they are there."""
    story = Story(node)
    story.portal.put("1", name="a_b")
    story.portal.put("2", name="a-b")
    story.portal.put("3", name="x" * 100)

    story.run()
    slugs = {body["name"] for body in story.held().values()}

    assert 3 == len(slugs)
    assert 60 == max(map(len, slugs))


def test_four_eyes_are_not_gone_around(tmp_path: Path) -> None:
    """A node that publishes with four eyes does not publish by the bridge alone."""
    with make_node(tmp_path) as node:
        node.config = replace(node.config, publish=PublishSection())
        story = Story(node, filled(1))

        with pytest.raises(RequestError) as caught:
            story.bridge().run()

    assert Reason.APPROVAL_NEEDED is caught.value.reason


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["put", "edit", "rename", "delete", "purge", "drift", "mend"]),
        st.integers(0, 11),
    ),
    max_size=10,
)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    rounds=st.lists(EDITS, min_size=1, max_size=2),
    ranges=st.sampled_from(["honoured", "refused", "ignored"]),
    rows_max=st.sampled_from([1, 3, 100]),
    seed=st.integers(0, 2**16),
)
def test_whatever_happens_the_end_is_the_portals(
    node: Node, rounds: list[Any], ranges: str, rows_max: int, seed: int
) -> None:
    """Edits between and during looks, failures, drift: equal in the end, no mistake."""
    portal = filled(5)
    portal.ranges, portal.rows_max = ranges, rows_max
    story = Story(node, portal)
    story.run()
    dice = random.Random(seed)
    for edits in rounds:
        pending = list(edits)
        for edit in pending[::2]:
            apply_edit(portal, edit)
        during = pending[1::2]

        def meddle(_: int, during: list[Any] = during) -> None:
            if during and dice.random() < 0.5:
                apply_edit(portal, during.pop())

        def broken(action: str, values: dict[str, Any]) -> Reply | None:
            if dice.random() < 0.1:
                return failure(500, "Internal Server Error", "dice")
            return None

        portal.meddle, portal.broken = meddle, broken
        story.run()
        portal.meddle, portal.broken = lambda _: None, lambda *_: None
    portal.indexing = True
    portal.reindex()
    settle(story)

    assert story.equal()
    assert 0 == story.run()["entries"]


def apply_edit(portal: Portal, edit: tuple[str, int]) -> None:
    """Do to the portal what its staff, or its index, might."""
    kind, place = edit
    number = f"a{place:03}"
    active = number in portal.active
    match kind:
        case "put" if number not in portal.database:
            portal.put(number)
        case "edit" if active:
            portal.put(number, title=f"Edition {len(portal.requests)}")
        case "rename" if active:
            portal.put(number, name=f"renamed-{number}-{len(portal.requests)}")
        case "delete" if active:
            portal.delete(number)
        case "purge" if number in portal.database:
            portal.purge(number)
        case "drift":
            portal.indexing = False
        case "mend":
            portal.indexing = True
            portal.reindex()
        case _:
            pass


def settle(story: Story) -> None:
    """Run until nothing is left to do; a held run is approved, as a person would."""
    for _ in range(3):
        report = story.run()
        if report["state"] == "held":
            story.bridge().approve(report["run"])
            story.check()


@pytest.mark.skipif("SHAHRDAD_LONG" not in os.environ, reason="SHAHRDAD_LONG is unset")
def test_thousand_datasets_end_equal(tmp_path: Path) -> None:
    """A portal of 1,000, edited, half failing and drifting, is followed to the end."""
    dice = random.Random(7)
    portal = filled(1_000)
    portal.rows_max = 100

    def broken(action: str, values: dict[str, Any]) -> Reply | None:
        return Reply(502, b"") if dice.random() < 0.05 else None

    def meddle(_: int) -> None:
        kind = dice.choice(
            ["put", "edit", "rename", "delete", "purge", "drift", "mend"]
        )
        apply_edit(portal, (kind, dice.randrange(1_100)))

    with make_node(tmp_path) as node:
        story = Story(node, portal)
        portal.broken = broken
        story.run()
        for _ in range(4):
            portal.meddle = meddle
            for edit in range(30):
                meddle(edit)
            story.run()
            portal.meddle = lambda _: None
        portal.broken, portal.indexing = lambda *_: None, True
        portal.reindex()
        settle(story)

        assert story.equal()
        assert 0 == story.run()["entries"]
