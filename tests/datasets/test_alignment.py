"""The tables of alignment name what there is, here and in the other standards."""

import json
from typing import Any

import pytest

from shahrdad.datasets import alignment
from shahrdad.datasets.standards import families, load
from shared_data import SHARED, needs_shared


@pytest.mark.parametrize("table", alignment.ALIGNMENTS, ids=lambda t: t.standard)
def test_fields_and_codes_are_ours(table: alignment.Alignment) -> None:
    """An export that reads a column which is not there would leave a hole."""
    standard = load(table.family)
    sources = [row.source for row in table.rows if row.source is not None]
    mapped = [(row.source, row.target) for row in table.rows]

    assert set(sources) <= set(standard.field_names)
    assert len(sources) == len(set(sources))
    assert len(mapped) == len(set(mapped))
    assert all((row.source is None) != (row.constant is None) for row in table.rows)
    assert set(table.losses) <= set(standard.field_names)
    for name, codes in table.codes.items():
        ours = {category.value for category in standard.field(name).categories}
        assert set(codes) <= ours
        assert set(codes) == ours or name in table.losses, name


def test_every_family_has_theme_and_frequency() -> None:
    """DCAT-AP asks for both."""
    assert set(families()) == set(alignment.THEMES)
    cadences = {load(family).cadence for family in families()}
    assert cadences == set(alignment.FREQUENCIES)


def test_fiscal_columns_are_those_of_the_schema() -> None:
    """The columns carry their Fiscal Data Package type themselves."""
    typed = {f.name for f in load("budget_lines").fields if f.column_type is not None}
    mapped = {row.source for row in alignment.FISCAL_DATA_PACKAGE.rows if row.source}

    assert typed | set(alignment.FISCAL_AMOUNTS) == mapped
    assert "value" == alignment.target(alignment.FISCAL_DATA_PACKAGE, "approved_rial")
    assert alignment.target(alignment.FISCAL_DATA_PACKAGE, "notes") is None


@needs_shared
def test_oc4ids_paths_and_codes_are_theirs() -> None:
    """Each path begins with a property of a project, and codes are listed there."""
    path = SHARED / "data/schemas/oc4ids-project-schema.json"
    schema: dict[str, Any] = json.loads(path.read_text("utf-8"))
    properties = schema["properties"]

    for row in alignment.OC4IDS.rows:
        head = row.target.split("/")[0].split("[")[0]
        assert head in properties, row.target
    statuses = set(properties["status"]["enum"]) - {None}
    types = set(properties["type"]["enum"]) - {None}
    assert set(alignment.OC4IDS.codes["status"].values()) <= statuses
    assert set(alignment.OC4IDS.codes["project_type"].values()) <= types
