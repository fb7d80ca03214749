"""The systems of the cities: matrix, duplicates, joint purchase (9.1, 9.2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from statistics import median

from shahrdad.datasets.codelists import code_list
from shahrdad.node.analysis.releases import Gathered, Input, Row
from shahrdad.node.analysis.share import per

RUNNING = frozenset({"operational", "phasing_in", "phasing_out"})
JOINT_CITIES_MIN = 3


@dataclass(frozen=True, slots=True)
class System:
    """One system of a city, as its row says."""

    city: str
    ref: str
    version: int
    row: Row

    @property
    def running(self) -> bool:
        """Whether it runs, comes or goes: planned and retired ones do not."""
        return self.row["lifecycle_status"] in RUNNING

    @property
    def name_only(self) -> bool:
        """Whether its city shows the name and no product or vendor."""
        return bool(self.row["disclosure"] == "name_only")

    @property
    def offered(self) -> bool:
        """Whether its city offers to share it."""
        return (self.row["reuse_offer"] or "none") != "none"

    @property
    def product(self) -> str | None:
        """What joins the same product of several cities; None where it is not told."""
        if self.name_only:
            return None
        if self.row["product_id"]:
            return str(self.row["product_id"])
        if not self.row["product_name"]:
            return None
        return product_key(self.row["product_name"], self.row["vendor_name"] or "")


@dataclass(frozen=True, slots=True)
class Matrix:
    """Report 9.1: what runs where.

    Attributes:
        areas: Codes of `business_area`, in the list's order; those of any system.
        cities: All cities; `published` are those with the family.
        cells: By area and city.
    """

    areas: tuple[str, ...]
    cities: tuple[str, ...]
    published: frozenset[str]
    cells: dict[tuple[str, str], tuple[System, ...]]
    inputs: tuple[Input, ...]

    @property
    def systems(self) -> list[System]:
        """All systems."""
        return [system for cell in self.cells.values() for system in cell]

    def running(self, area: str, city: str) -> int | None:
        """Return how many systems run; None where the city has not published."""
        if city not in self.published:
            return None
        return sum(system.running for system in self.cells.get((area, city), ()))


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Report 9.2: one product in several cities, with the costs of one year.

    Attributes:
        year: The newest fiscal year in which most cities give a cost; None without any.
        costs: Yearly cost in rial by city, of that year.
        spread: Largest over smallest, in hundredths; None below two costs.
    """

    product: str
    name: str
    vendor: str
    systems: tuple[System, ...]
    year: int | None
    costs: dict[str, int]
    median: int | None
    spread: Fraction | None

    @property
    def cities(self) -> tuple[str, ...]:
        """The cities that run it."""
        return tuple(sorted({system.city for system in self.systems}))

    def per_user(self, city: str) -> int | None:
        """Return the yearly cost for each internal user of a city, in rial."""
        users = sum(
            system.row["internal_users"] or 0
            for system in self.systems
            if system.city == city
        )
        return per(self.costs.get(city), users)


def product_key(product: str, vendor: str) -> str:
    """Return the key form of product and vendor: letters alone, folded."""
    from shahrdad.node.table.filters import fold_text

    return f"{fold_text(product)} {fold_text(vendor)}".strip().replace(" ", "-")


def systems(gathered: Gathered) -> list[System]:
    """Return the systems of all cities."""
    return [
        System(release.city, release.ref, release.version, row)
        for release in gathered.releases
        for row in release.rows()
    ]


def matrix(gathered: Gathered) -> Matrix:
    """Return business areas by cities."""
    cells: dict[tuple[str, str], list[System]] = {}
    for system in systems(gathered):
        cell = (str(system.row["business_area"]), system.city)
        cells.setdefault(cell, []).append(system)
    known = [row["value"] for row in code_list("business_area").rows]
    used = {area for area, _ in cells}
    areas = [area for area in known if area in used]
    areas += sorted(used - set(known))
    return Matrix(
        areas=tuple(areas),
        cities=gathered.cities,
        published=frozenset(release.city for release in gathered.releases),
        cells={key: tuple(sorted(cell, key=order)) for key, cell in cells.items()},
        inputs=gathered.inputs,
    )


def order(system: System) -> tuple[bool, str, str]:
    """Return the order in a cell: running ones first, then by name."""
    return (
        not system.running,
        str(system.row["name_fa"]),
        str(system.row["system_id"]),
    )


def duplicates(found: Iterable[System]) -> list[Duplicate]:
    """Return the products that at least two cities run, most cities first."""
    products: dict[str, list[System]] = {}
    for system in found:
        if system.product is not None and system.running:
            products.setdefault(system.product, []).append(system)
    result = [
        duplicate(product, listed)
        for product, listed in products.items()
        if len({system.city for system in listed}) > 1
    ]
    return sorted(result, key=lambda one: (-len(one.cities), one.name, one.product))


def duplicate(product: str, listed: list[System]) -> Duplicate:
    """Return what is known of one product."""
    years: dict[int, dict[str, int]] = {}
    for system in listed:
        year, cost = system.row["cost_fiscal_year"], system.row["yearly_cost_rial"]
        if year is not None and cost is not None:
            costs = years.setdefault(year, {})
            costs[system.city] = costs.get(system.city, 0) + cost
    year = max(years, key=lambda one: (len(years[one]), one), default=None)
    costs = years[year] if year is not None else {}
    values = sorted(costs.values())
    several = len(values) > 1 and values[0] > 0
    named = next((one for one in listed if one.row["product_name"]), listed[0])
    return Duplicate(
        product=product,
        name=str(named.row["product_name"] or named.row["name_fa"]),
        vendor=str(named.row["vendor_name"] or ""),
        systems=tuple(sorted(listed, key=lambda one: (one.city, order(one)))),
        year=year,
        costs=dict(sorted(costs.items())),
        median=round(Fraction(median(map(Fraction, values)))) if values else None,
        spread=Fraction(values[-1], values[0]) if several else None,
    )


def candidates(found: Matrix) -> list[tuple[str, tuple[str, ...]]]:
    """Return areas that three cities or more serve without sharing a product."""
    result = []
    for area in found.areas:
        running = [
            system
            for city in found.cities
            for system in found.cells.get((area, city), ())
            if system.running
        ]
        cities = sorted({system.city for system in running})
        products: dict[str, set[str]] = {}
        for system in running:
            if system.product is not None:
                products.setdefault(system.product, set()).add(system.city)
        shared = any(len(users) > 1 for users in products.values())
        if len(cities) >= JOINT_CITIES_MIN and not shared:
            result.append((area, tuple(cities)))
    return result
