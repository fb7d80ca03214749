"""Real files through a node: those that can be valid are published, others refused."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from node_world import make_node
from shahrdad.node.handing import handed_of
from shahrdad.node.publish import publish, published_parts
from shahrdad.node.table.reading import open_table
from shared_data import ROOT, SHARED, needs_shared

PROFILES = ROOT / "tests" / "profiles"
WAIVED = {"B1": "منابع و مصارف در دو فایل جدا منتشر شده است"}
# Profile: city, a column, rows.
PUBLISHED = {
    "ir-revenues-1396": ("kerman", "approved_rial", 226),
    "ir-revenues-1400": ("kerman", "approved_rial", 291),
    "berlin-lichtenberg": ("kerman", "approved_rial", 1198),
    "mashhad-u4ssc-waste": ("mashhad", "value", 6),
}
REFUSED = {
    "madrid-gastos": {"B3": 2, "key-primary": 574},
    "madrid-ingresos": {"B3": 1},
    "madrid-projects": {"P1": 56, "value-required": 3},
    "philadelphia-contracts": {"key-primary": 65, "value-enum": 1},
    "sb272-santa-rosa": {"value-min-length": 5},
    "sb272-san-francisco": {"value-min-length": 2},
    "sill-fr": {"value-min-length": 45},
    "san-diego-budget": {"value-required": 12},
    "south-africa-capital": {"B12": 1, "value-required": 1},
    "nyc-capital-projects": {"value-minimum": 179, "value-pattern": 10},
    "ir-expenses-1396": {"B2": 3},
    "ir-expenses-1400": {"B2": 2},
    "ir-revenues-1398": {"B2": 3, "key-primary": 2},
}

pytestmark = needs_shared


def file_of(name: str) -> Path:
    """Return the file that a profile is of, as its account says."""
    account = json.loads((PROFILES / "accounts" / f"{name}.json").read_text("utf-8"))
    return SHARED / "data" / str(account["file"])


def profile_of(name: str) -> dict[str, Any]:
    """Read a profile."""
    found: dict[str, Any] = json.loads((PROFILES / f"{name}.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published(name: str, tmp_path: Path) -> None:
    """The file is published; what is stored has all of its rows, typed."""
    city, column, rows = PUBLISHED[name]
    profile = profile_of(name)
    with make_node(tmp_path, city) as node:
        handed = handed_of(
            node.config,
            file_of(name),
            family=profile["family"],
            slug=name,
            profile=profile,
            waived=WAIVED if profile["family"] == "budget_lines" else None,
        )
        outcome, report = publish(node, handed)
        newest = node.newest(outcome.ref)
        assert newest is not None, report.to_text("en")
        stored = open_table(node.store, published_parts(newest.body))
        cells = [cell for b in stored.batches() for cell in b[column].to_pylist()]

    assert ("published", rows) == (outcome.state, outcome.rows)
    assert rows == len(cells)
    assert None not in cells


def test_refused_with_exactly_these_findings(tmp_path: Path) -> None:
    """Files with real errors publish nothing, and the report has these errors alone."""
    found = {}
    with make_node(tmp_path) as node:
        for name in REFUSED:
            profile = profile_of(name)
            handed = handed_of(
                node.config,
                file_of(name),
                family=profile["family"],
                slug=name,
                profile=profile,
                waived=WAIVED if profile["family"] == "budget_lines" else None,
            )
            outcome, report = publish(node, handed)
            errors = Counter(
                issue.code.removeprefix("rule:")
                for issue in report.issues
                if issue.severity == "error"
            )
            errors.pop("B1", None)
            found[name] = dict(errors)

            assert "refused" == outcome.state
            assert node.newest(outcome.ref) is None

    assert REFUSED == found
