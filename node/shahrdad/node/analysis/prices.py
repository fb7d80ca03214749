"""Real terms: amounts of several years at the prices of one, by a published index.

No index is built in, and none is fetched. A node names one that a city or the forum
published as an indicator (`kpi_values`), so the index has a source, a version and a
receipt like every other figure. Of each year counts the value of the whole Jalali year;
a year without one has no real amount.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

from shahrdad.datasets.jalali import from_gregorian, month_days
from shahrdad.node.analysis.budget import Year
from shahrdad.node.analysis.releases import Input, Releases


@dataclass(frozen=True, slots=True)
class PriceIndex:
    """A price index that somebody published.

    Attributes:
        unit: What 100 stands for, in the publisher's words.
        source: Where the publisher says that it comes from.
        levels: By Jalali year, above 0.
    """

    title: str
    unit: str
    source: str
    levels: Mapping[int, Fraction]
    input: Input

    def real(self, rial: int | None, year: int, base: int) -> int | None:
        """Return an amount of a year at the prices of another, in whole rial."""
        if rial is None or year not in self.levels or base not in self.levels:
            return None
        return round(rial * self.levels[base] / self.levels[year])


def price_index(releases: Releases, ref: str, code: str) -> PriceIndex | None:
    """Return the index that a node names; None where it is not held.

    Args:
        releases: What is published.
        ref: A dataset of `kpi_values`.
        code: Its `indicator_code`.
    """
    gathered = releases.gather("kpi_values")
    release = next((one for one in gathered.releases if one.ref == ref), None)
    if release is None:
        return None
    rows = [row for row in release.rows() if row["indicator_code"] == code]
    levels: dict[int, set[Fraction]] = {}
    for row in rows:
        year = whole_year(row["period_start"], row["period_end"])
        if year is not None and row["value"] > 0:
            levels.setdefault(year, set()).add(Fraction(str(row["value"])))
    if not levels:
        return None
    newest = max(rows, key=lambda row: row["period_end"])
    return PriceIndex(
        str(newest["title_fa"]),
        str(newest["unit"]),
        str(newest["source"] or ""),
        # Two frameworks that disagree on a year leave it unknown.
        {year: next(iter(found)) for year, found in levels.items() if len(found) == 1},
        release.input,
    )


def whole_year(first: date, last: date) -> int | None:
    """Return the Jalali year that a period is, from its first to its last day."""
    year, *start = from_gregorian(first)
    end = (year, 12, month_days(year, 12))
    return year if start == [1, 1] and from_gregorian(last) == end else None


def at_prices(index: PriceIndex, years: list[Year], base: int) -> list[Year]:
    """Return years in real terms; those that the index does not know are left out."""
    found = []
    for one in years:
        approved = index.real(one.approved, one.year, base)
        if approved is not None:
            actual = index.real(one.actual, one.year, base)
            found.append(replace(one, approved=approved, actual=actual))
    return found
