"""Suppliers over cities: the contracts and the systems of one name (KER-3, RAS-7).

Cities write names, seldom ids, so the same name is one supplier: its letters folded.
Persons are left out: a contract with one is in the list of contracts, nowhere else.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from shahrdad.node.analysis.releases import Gathered, Input, Release, Row
from shahrdad.node.analysis.share import Share
from shahrdad.node.analysis.systems import System, systems

PERSON = "natural_person"
VOID = "cancelled"  # a contract that pays nothing
BREAKDOWNS = ("method", "contract_type", "size_class")


@dataclass(frozen=True, slots=True)
class Contract:
    """One contract of a city, as its newest amendment says.

    Attributes:
        amendments: How many rows it has, this one among them.
    """

    city: str
    source: Input
    row: Row
    amendments: int

    @property
    def amount(self) -> int:
        """What it is worth, in rial; 0 where it was cancelled or is not told."""
        return 0 if self.row["status"] == VOID else self.row["amount_rial"] or 0


@dataclass(slots=True)
class Supplier:
    """What cities buy from one name.

    Attributes:
        names: As cities write it, the commonest first.
    """

    key: str
    names: list[str] = field(default_factory=list)
    contracts: list[Contract] = field(default_factory=list)
    systems: list[System] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The commonest spelling."""
        return max(sorted(set(self.names)), key=self.names.count)

    @property
    def ids(self) -> list[str]:
        """The legal-entity ids that cities give; several mean several companies."""
        found = {one.row["supplier_id"] for one in self.contracts}
        return sorted(one for one in found if one)

    @property
    def cities(self) -> list[str]:
        """The cities that buy from it."""
        listed = [one.city for one in self.contracts]
        return sorted({*listed, *(one.city for one in self.systems)})

    @property
    def amount(self) -> int:
        """What its contracts are worth, in rial."""
        return sum(one.amount for one in self.contracts)

    def of(self, city: str) -> tuple[int, int]:
        """Return how many contracts a city has with it, and what they are worth."""
        found = [one for one in self.contracts if one.city == city]
        return len(found), sum(one.amount for one in found)


@dataclass(frozen=True, slots=True)
class Total:
    """Contracts of one kind."""

    code: str
    number: int
    amount: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Contracts together.

    Attributes:
        breakdowns: By column: the totals of each code, the largest amount first.
        setad: Of all contracts, those that are registered in SETAD.
    """

    number: int
    amount: int
    breakdowns: dict[str, list[Total]]
    setad: Share
    cash: int
    noncash: int


def supplier_key(name: str) -> str:
    """Return the key form of a name: folded, letters and digits alone.

    >>> supplier_key("شر\u0643ت نمونه (راه)") == supplier_key("شرکت  نمونه راه")
    True
    """
    from shahrdad.node.table.filters import fold_text

    return re.sub(r"[^\w]+|_+", "-", fold_text(name)).strip("-")


def contracts(gathered: Gathered) -> list[Contract]:
    """Return the contracts of all cities, one for each id: its newest amendment."""
    found: list[Contract] = []
    for release in gathered.releases:
        found += _contracts(release)
    return found


def _contracts(release: Release) -> Iterable[Contract]:
    by_id: dict[str, list[Row]] = {}
    for row in release.rows():
        by_id.setdefault(str(row["contract_id"]), []).append(row)
    for rows in by_id.values():
        newest = max(rows, key=lambda row: row["amendment_no"] or 0)
        yield Contract(release.city, release.input, newest, len(rows))


def suppliers(bought: Gathered, running: Gathered) -> dict[str, Supplier]:
    """Return every supplier by key, the largest amount first."""
    found: dict[str, Supplier] = {}
    for contract in contracts(bought):
        row = contract.row
        if row["supplier_name"] and row["supplier_type"] != PERSON:
            one = _named(found, row["supplier_name"])
            if one is not None:
                one.contracts.append(contract)
    for system in systems(running):
        if system.row["vendor_name"] and not system.name_only:
            one = _named(found, system.row["vendor_name"])
            if one is not None:
                one.systems.append(system)
    for one in found.values():
        one.contracts.sort(key=lambda it: (-it.amount, it.city, it.row["contract_id"]))
    ordered = sorted(found.values(), key=lambda one: (-one.amount, one.key))
    return {one.key: one for one in ordered}


def _named(found: dict[str, Supplier], name: str) -> Supplier | None:
    key = supplier_key(name)
    if not key:
        return None
    one = found.setdefault(key, Supplier(key))
    one.names.append(str(name))
    return one


def totals(found: Sequence[Contract]) -> Totals:
    """Return what contracts come to, together and by kind; cancelled ones left out."""
    kept = [one for one in found if one.row["status"] != VOID]
    return Totals(
        len(kept),
        sum(one.amount for one in kept),
        {name: _by(kept, name) for name in BREAKDOWNS},
        Share(sum(one.row["registered_setad"] is True for one in kept), len(kept)),
        sum(one.row["cash_rial"] or 0 for one in kept),
        sum(one.row["noncash_rial"] or 0 for one in kept),
    )


def _by(found: Sequence[Contract], column: str) -> list[Total]:
    kinds: dict[str, list[Contract]] = {}
    for one in found:
        if one.row[column]:
            kinds.setdefault(str(one.row[column]), []).append(one)
    listed = [
        Total(code, len(kind), sum(one.amount for one in kind))
        for code, kind in kinds.items()
    ]
    return sorted(listed, key=lambda one: (-one.amount, one.code))


def newest_first(contract: Contract) -> tuple[int, str]:
    """Return the order of contracts in time: the newest first."""
    signed = contract.row["sign_date"] or date.min
    return -signed.toordinal(), str(contract.row["contract_id"])
