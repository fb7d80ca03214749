"""Uniqueness and foreign keys: hashes find candidates, values decide."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shahrdad.validators import Options, Ref, Report, validate
from shahrdad.validators import keys as key_module
from shahrdad.validators.foreign import IS_IN_MAX, ForeignKey
from shahrdad.validators.keys import KeySet, hash_texts, hash_values, previous_rows


def found(report: Report) -> list[tuple[str, int | None, tuple[int, ...]]]:
    """Return code, row and related rows of the findings."""
    return [(issue.code, issue.row, issue.related) for issue in report.issues]


def run(text: str, **schema: Any) -> Report:
    """Validate a table of text columns."""
    names = text.split("\n", 1)[0].split(",")
    types = schema.pop("types", ["string"] * len(names))
    fields = [{"name": n, "type": t} for n, t in zip(names, types, strict=True)]
    return validate(
        text.encode(),
        schema={"fields": fields, **schema},
        options=Options(delimiter=","),
    )


@given(texts=st.lists(st.text(max_size=20), min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_equal_texts_have_equal_hashes(texts: list[str]) -> None:
    """A text has one hash, whatever stands beside it in its column."""
    together = hash_texts(pa.array(texts, pa.string()), 7)

    alone = [hash_texts(pa.array([text], pa.string()), 7)[0] for text in texts]
    assert alone == together.tolist()
    assert len(set(texts)) == len(set(together.tolist()))


def test_hashes_depend_on_the_seed() -> None:
    """Nobody can prepare texts that collide in another run."""
    texts = pa.array(["a", "b"])

    assert hash_texts(texts, 1).tolist() != hash_texts(texts, 2).tolist()


def test_negative_zero_equals_zero() -> None:
    """Values that are equal have equal hashes."""
    first, second = hash_values(pa.array([0.0, -0.0]), 3)

    assert first == second


def test_previous_occurrence_is_named() -> None:
    """The note names the last row that had the value, not the first."""
    report = run("a,b\n1,x\n2,x\n1,x\n1,x\n", primaryKey="a")

    assert [("key-primary", 4, (2,)), ("key-primary", 5, (4,))] == found(report)


def test_typed_values_are_compared() -> None:
    """007 and 7 are one integer, two texts."""
    text = "a,b\n7,x\n007,x\n"

    assert [("key-primary", 3, (2,))] == found(
        run(text, primaryKey="a", types=["integer", "string"])
    )
    assert [] == found(run(text, primaryKey="a"))


def test_composite_keys_do_not_run_together() -> None:
    """("ab", "c") is not ("a", "bc")."""
    assert [] == found(run("a,b\nab,c\na,bc\n", primaryKey=["a", "b"]))


def test_every_part_of_the_primary_key_is_required() -> None:
    """Each missing part is named, and the row repeats nothing."""
    report = run("a,b\n1,\n1,\n,2\n", primaryKey=["a", "b"])

    assert [("key-null", 2, "b"), ("key-null", 3, "b"), ("key-null", 4, "a")] == [
        (issue.code, issue.row, issue.field) for issue in report.issues
    ]


def test_unique_keys_leave_out_empty_cells() -> None:
    """Two rows without a value do not repeat each other."""
    report = run("a,b\n1,\n1,\n1,2\n1,2\n", uniqueKeys=[["a", "b"]])

    assert [("key-unique", 5, (4,))] == found(report)


def test_colliding_hashes_change_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """When every hash is equal, values still decide."""
    monkeypatch.setattr(
        "shahrdad.validators.judging.hash_values",
        lambda values, seed: np.zeros(len(values), np.uint64),
    )

    assert [("key-primary", 4, (2,))] == found(
        run("a,b\n1,x\n2,x\n1,x\n", primaryKey="a")
    )


def test_spilled_keys_give_the_same_groups() -> None:
    """Keys beyond the memory bound go to files and come back."""
    rng = np.random.default_rng(5)
    hashes = rng.integers(0, 5_000, 20_000, dtype=np.uint64) * np.uint64(
        0x9E3779B97F4A7C15
    )
    rows = np.arange(20_000, dtype=np.int64)
    groups = []
    for bound in (10**6, 1_000):
        keys = KeySet(bound)
        for start in range(0, 20_000, 500):
            keys.add(hashes[start : start + 500], rows[start : start + 500])
        groups.append([group.tolist() for group in keys.candidates()])

    assert groups[0] == groups[1]


def test_spilled_report_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table whose keys spill has the report of one whose keys fit."""
    text = "a,b\n" + "".join(f"{n % 700},x\n" for n in range(1_000))
    kept = found(run(text, primaryKey="a"))
    monkeypatch.setattr(key_module.KeySet.__init__, "__defaults__", (100,))

    assert 300 == len(kept)
    assert kept == found(run(text, primaryKey="a"))


def test_previous_rows_skip_rows_without_a_key() -> None:
    """A row that was not read again takes no part."""
    groups = [np.array([1, 2, 3])]

    assert {3: 1} == previous_rows(groups, {1: "x", 3: "x"})


@pytest.mark.parametrize("count", [10, IS_IN_MAX + 1])
def test_foreign_keys_of_either_size(count: int) -> None:
    """Few reference values and many are looked up alike; empty keys are not."""
    key = ForeignKey(("a",), "t", [pa.array([f"k{n}" for n in range(count)])], 11)

    absent = key.absent({"a": pa.array(["k0", "k9", "no", None, ""])}, {})

    assert [False, False, True, False, True] == absent.tolist()


def test_composite_foreign_key(tmp_path: Any) -> None:
    """All parts empty is not looked up; some empty is."""
    path = tmp_path / "ref.csv"
    path.write_text("x,y\n1,a\n2,b\n", "utf-8")
    schema = {
        "fields": [{"name": "a", "type": "string"}, {"name": "b", "type": "string"}],
        "foreignKeys": [
            {"fields": ["a", "b"], "reference": {"resource": "r", "fields": ["x", "y"]}}
        ],
    }

    report = validate(
        b"a,b\n1,a\n1,b\n,\n1,\n2,b\n",
        schema=schema,
        refs={"r": Ref(path)},
        options=Options(delimiter=","),
    )

    assert [("key-foreign", 3), ("row-blank", 4), ("key-foreign", 5)] == [
        (issue.code, issue.row) for issue in report.issues
    ]


def test_self_reference() -> None:
    """A key into the table itself is a first pass over the same file."""
    schema = {
        "foreignKeys": [
            {"fields": ["b"], "reference": {"resource": "", "fields": ["a"]}}
        ]
    }

    assert [("key-foreign", 3, ())] == found(run("a,b\n1,2\n2,9\n3,\n", **schema))


def test_reference_that_is_not_given_is_said() -> None:
    """A key that cannot be looked up never passes silently."""
    schema = {
        "foreignKeys": [
            {"fields": ["b"], "reference": {"resource": "r", "fields": ["a"]}}
        ]
    }
    report = run("a,b\n1,2\n", **schema)

    assert report.valid
    assert ["schema-reference"] == [issue.code for issue in report.issues]
