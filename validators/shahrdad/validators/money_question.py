"""The money question: which unit a file's amounts are in, proposed and never guessed.

A proposal comes from a unit cell near the header, from parentheses in headers, or from
currency words in cells. Only a person, a profile or a template answers.

>>> unit_in("ارقام به میلیارد ریال"), unit_in("۱۲ همت"), unit_in("مبلغ")
('milliard_rial', 'hemmat', None)
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from shahrdad.datasets.codelists import code_list
from shahrdad.validators.normalise import money, numbers
from shahrdad.validators.normalise import text as forms

_SCALES = (
    (r"هزار میلیارد", "thousand_milliard"),
    (r"(?:میلیارد|milliard)", "milliard"),
    (r"(?:میلیون|million)", "million"),
    (r"(?:هزار|thousand)", "thousand"),
)
_CURRENCY = r"(?P<currency>ریال|تومان|تومن|rials?|irr|tomans?)(?!\w)"
_PATTERNS = tuple(
    (re.compile(rf"(?<!\w){scale} {_CURRENCY}"), name) for scale, name in _SCALES
)
_PLAIN = re.compile(rf"(?<!\w){_CURRENCY}")
_HEMMAT = re.compile(r"(?<!\w)همت(?!\w)")
CELLS_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class UnitProposal:
    """A unit that a file seems to state.

    Attributes:
        unit: A code of the list `money_units`.
        where: `header-cell`, `header` or `cell`.
        text: What was read.
    """

    unit: str
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class MoneyQuestion:
    """What a person is asked about the amounts of a file.

    Attributes:
        columns: The money columns.
        proposals: Units that the file seems to state, the nearest first, each once.
        worked: For each proposal the line that shows what it means, of the first
            amount.
    """

    columns: tuple[str, ...]
    proposals: tuple[UnitProposal, ...]
    worked: tuple[str, ...] = ()


def unit_in(text: str) -> str | None:
    """Return the unit that a text names; None where it names none."""
    plain = forms.key(text)
    if _HEMMAT.search(plain):
        return "hemmat"
    for pattern, scale in _PATTERNS:
        found = pattern.search(plain)
        if found:
            currency = _currency(found["currency"])
            unit = f"{scale}_{currency}"
            if unit == "thousand_milliard_toman":
                return "hemmat"
            return unit if unit in money.units() else None
    found = _PLAIN.search(plain)
    return _currency(found["currency"]) if found else None


def _currency(word: str) -> str:
    return "toman" if word.startswith(("توم", "toman")) else "rial"


def propose(
    above: Iterable[str], labels: Iterable[str], cells: Iterable[str]
) -> tuple[UnitProposal, ...]:
    """Collect the units that a file states, the nearest to an answer first.

    Args:
        above: Texts above the header and beside it.
        labels: Headers of money columns.
        cells: Some cells of money columns.
    """
    found: dict[str, UnitProposal] = {}
    for where, texts in (("header-cell", above), ("header", labels), ("cell", cells)):
        for text in texts:
            unit = unit_in(text)
            if unit is not None:
                found.setdefault(unit, UnitProposal(unit, where, text))
    return tuple(found.values())


def ask(
    columns: Sequence[str],
    proposals: Sequence[UnitProposal],
    cells: Iterable[str],
    decimal: str,
) -> MoneyQuestion:
    """Make the question, each proposal with one worked row."""
    amount = first_amount(cells, decimal)
    worked = tuple(
        money.worked_row(amount, proposal.unit)
        for proposal in proposals
        if amount is not None
    )
    return MoneyQuestion(tuple(columns), tuple(proposals), worked)


def total(cells: Iterable[str], decimal: str) -> Decimal:
    """Add up the amounts of a column; what is no amount does not count here."""
    found = (numbers.parse(cell, money=True, decimal=decimal).value for cell in cells)
    return sum((value for value in found if value is not None), Decimal(0))


@dataclass(frozen=True, slots=True)
class PerHead:
    """What a total would mean for an inhabitant, were a unit the right one.

    Attributes:
        unit: The unit.
        rial: Whole rials for each inhabitant.
        plausible: Whether it lies in the band of the year; None where there is none.
    """

    unit: str
    rial: int
    plausible: bool | None


def per_head(
    amount: Decimal, units: Iterable[str], population: int, fiscal_year: int | None
) -> tuple[PerHead, ...]:
    """Tell for each unit what an amount is for each inhabitant.

    The band is narrower than a factor of ten, so of two units that differ by ten at
    most one is plausible.

    >>> [one.plausible for one in per_head(Decimal(12), ["hemmat"], 537718, 1404)]
    [True]
    """
    rows = code_list("per_capita_band").rows
    band = next((r for r in rows if r["fiscal_year"] == str(fiscal_year)), None)
    found = []
    for unit in units:
        each = int(amount.scaleb(money.units()[unit]) / population)
        inside = band and int(band["low_rial"]) <= each <= int(band["high_rial"])
        found.append(PerHead(unit, each, None if band is None else bool(inside)))
    return tuple(found)


def first_amount(cells: Iterable[str], decimal: str) -> Decimal | None:
    """Return the first amount that is not zero."""
    for cell in cells:
        value = numbers.parse(cell, money=True, decimal=decimal).value
        if value:
            return value
    return None


def unit_of_label(label: str) -> str | None:
    """Return the unit of a label of the list, as templates have it in a cell."""
    wanted = forms.key(label)
    for row in code_list("money_units").rows:
        if wanted in (
            forms.key(row["label"]),
            forms.key(row["label_en"]),
            forms.key(row["unit"]),
        ):
            return row["unit"]
    return None
