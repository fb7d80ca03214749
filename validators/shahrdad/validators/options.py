"""What a caller may choose about a validation, beside the file and the schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Mode = Literal["strict", "compat"]

ERRORS_LISTED_MAX = 10_000  # strict; counts go on beyond it
ERRORS_COMPAT_MAX = 1_000  # frictionless' own default


@dataclass(frozen=True, slots=True)
class Options:
    """How to validate; the defaults are those of the command.

    Attributes:
        mode: `strict` judges by Data Package v2 and our extensions; `compat` gives
            frictionless' report.
        limit_errors: Errors listed (strict) or errors to stop at (compat); None for
            10,000 and 1,000.
        threads: With more than one, a thread of its own reads ahead.
        explain: Off lists no findings: a mere verdict with counts.
        isolate: Validate in a process of its own with limits on memory and time.
        kernels: Off judges every cell by the reference reader: slow, for comparisons.
        normalise: Apply the declared Persian normalisation; off when verifying what
            was published.
        encoding: Declared encoding of the text.
        delimiter: Declared delimiter.
        sheet: Declared sheet of a workbook.
        header_row: Declared row of the header, from 1.
        block_bytes: Bytes of text that are parsed at a time.
        unit: Money unit of the file; same as the profile's `money_unit`.
        calendar: Calendar of the dates; same as the profile's `calendar`.
        hashes: What the report says of the source: `sha256`, or nothing.
    """

    mode: Mode = "strict"
    limit_errors: int | None = None
    threads: int = 2
    explain: bool = True
    isolate: bool = False
    kernels: bool = True
    normalise: bool = True
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_row: int | None = None
    block_bytes: int = 2 << 20
    unit: str | None = None
    calendar: str | None = None
    hashes: Sequence[str] = ("sha256",)

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        if self.mode not in ("strict", "compat"):
            raise ValueError(f"mode is strict or compat, not {self.mode!r}")
        if self.limit_errors is not None and self.limit_errors < 0:
            raise ValueError("limit_errors is None, or 0 (all), or more")
        if set(self.hashes) - {"sha256"}:
            raise ValueError(f"hashes are sha256 or none, not {self.hashes!r}")
        if self.threads < 1 or self.block_bytes < 16:
            raise ValueError("threads is at least 1, block_bytes at least 16")


@dataclass(frozen=True, slots=True)
class Ref:
    """A release of another dataset that rules may look into, pinned by its hash.

    Attributes:
        path: A Parquet or CSV file.
        sha256: Its SHA-256; the file is refused when it differs. None takes any file,
            and the report says which hash it had.
        release: What the report calls it.
    """

    path: str | Path
    sha256: str | None = None
    release: str | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What rules may ask for beside the table (`standards.md` 5).

    Attributes:
        city_code: The publishing city, `@city_code`.
        release_date: ISO date of the release, `@release_date`.
        jalali_year: `@jalali_year`; None takes the newest `as_of_date` of the table.
        max_age_days: `@max_age_days`; None takes the schema's.
        declared: Control totals that were announced, by name, in rial or counts.
        empty: Whether it was declared that the table has no rows.
        confirmed: Ids of `needs-confirmation` rules that the approver has ticked.
        waived: Reason by id of a waivable rule.
        cities: Facts of cities by code: `lat`, `lon`, `population`; None takes the
        list. lists: Code lists by name that replace those of the standards. previous:
        The release before, as a pinned reference. bundle: Whether families that are not
        referred to are missing on purpose.
    """

    city_code: str | None = None
    release_date: str | None = None
    jalali_year: int | None = None
    max_age_days: int | None = None
    declared: Mapping[str, str | int] = field(default_factory=dict)
    empty: bool = False
    confirmed: frozenset[str] = frozenset()
    waived: Mapping[str, str] = field(default_factory=dict)
    cities: Mapping[str, Mapping[str, Any]] | None = None
    lists: Mapping[str, Any] = field(default_factory=dict)
    previous: Ref | None = None
    bundle: bool = False

    @classmethod
    def of(cls, value: "Context | Mapping[str, Any] | None") -> "Context":
        """Return a context, from a mapping too.

        Raises:
            ValueError: The mapping has a member that no rule knows.
        """
        if value is None:
            return cls()
        if isinstance(value, Context):
            return value
        unknown = set(value) - set(cls.__slots__)
        if unknown:
            raise ValueError(f"unknown context: {', '.join(sorted(unknown))}")
        return cls(**dict(value))


__all__ = ["Context", "Mode", "Options", "Ref"]
