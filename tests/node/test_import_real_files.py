"""Real files through a node: those that can be valid are published, others refused.

A refused file is mended as its report says, and published then; which cells were
changed stands here.
"""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from node_world import make_node
from shahrdad.node.incoming.handing import handed_of
from shahrdad.node.publish import publish, published_parts
from shahrdad.node.table.reading import open_table
from shared_data import ROOT, SHARED, needs_shared

PROFILES = ROOT / "tests" / "profiles"
WAIVED = {"B1": "منابع و مصارف در دو فایل جدا منتشر شده است"}
# Profile: city, a column, rows.
PUBLISHED = {
    "ir-revenues-1396": ("kerman", "approved_rial", 226),
    "ir-revenues-1400": ("kerman", "approved_rial", 291),
    "albania-treasury": ("kerman", "amount_rial", 40),
    "berlin-lichtenberg": ("kerman", "approved_rial", 1198),
    "bonn-plan": ("kerman", "approved_rial", 2000),
    "madrid-eliminaciones-gastos": ("kerman", "actual_rial", 31),
    "sb272-san-francisco": ("kerman", "function_fa", 10),
    "sb272-santa-rosa": ("kerman", "function_fa", 10),
    "sill-fr": ("kerman", "function_fa", 238),
    "mashhad-u4ssc-waste": ("mashhad", "value", 6),
}
REFUSED = {
    "madrid-gastos": {"B3": 2, "key-primary": 574},
    "madrid-indicadores": {"value-required": 110},
    "madrid-ingresos": {"B3": 1},
    "madrid-projects": {"P1": 56, "value-required": 3},
    "philadelphia-contracts": {"key-primary": 65, "value-enum": 1},
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


def madrid_with_its_cents(content: bytes) -> bytes:
    """Write the final budget of line 238 in full: two cells lack their last digit."""
    return content.replace(b"125915906,8;", b"125915906,84;")


def south_africa_without_its_empty_line(content: bytes) -> bytes:
    """Leave out record 1722, the one without an amount."""
    lines = content.split(b"\n")
    return b"\n".join(lines[:1721] + lines[1722:])


def san_diego_with_types(content: bytes) -> bytes:
    """Leave out the three lines of which nobody says whether they are revenue."""
    table = pq.read_table(pa.BufferReader(content))
    out = pa.BufferOutputStream()
    pq.write_table(table.filter(pc.is_valid(table["account_type"])), out)
    return bytes(out.getvalue())


# Profile: what mends the file, a column, rows.
MENDED: dict[str, tuple[Callable[[bytes], bytes], str, int]] = {
    "madrid-ingresos": (madrid_with_its_cents, "amended_rial", 278),
    "san-diego-budget": (san_diego_with_types, "actual_rial", 5106),
    "south-africa-capital": (
        south_africa_without_its_empty_line,
        "approved_rial",
        3980,
    ),
}


def test_a_dozen_real_files_are_published() -> None:
    """At least twelve files, of at least four families, and mended ones among them."""
    names = {*PUBLISHED, *MENDED}
    families = Counter(profile_of(name)["family"] for name in names)

    assert 12 <= len(names)
    assert {"budget_lines", "active_systems", "contracts", "kpi_values"} <= set(
        families
    )
    assert set(MENDED) <= set(REFUSED)


@pytest.mark.parametrize("name", sorted(MENDED))
def test_mended_and_published(name: str, tmp_path: Path) -> None:
    """What the report found is mended in the file; the same profile publishes it."""
    mend, column, rows = MENDED[name]
    source = file_of(name)
    mended = tmp_path / source.name
    mended.write_bytes(mend(source.read_bytes()))

    assert rows == published(name, mended, "kerman", column, tmp_path)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published(name: str, tmp_path: Path) -> None:
    """The file is published; what is stored has all of its rows, typed."""
    city, column, rows = PUBLISHED[name]

    assert rows == published(name, file_of(name), city, column, tmp_path)


def published(name: str, file: Path, city: str, column: str, folder: Path) -> int:
    """Publish a file by its profile; return its rows, of which none is empty."""
    profile = profile_of(name)
    with make_node(folder, city) as node:
        handed = handed_of(
            node.config,
            file,
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

    assert ("published", len(cells)) == (outcome.state, outcome.rows)
    assert None not in cells
    assert profile["profile"] == newest.body["shahrdad"]["profile"]["profile"]
    return len(cells)


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
