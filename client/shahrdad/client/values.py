"""What a reader gets to hold: plain values, typed, nothing hidden behind them."""

from dataclasses import dataclass, field
from typing import Any, Literal

Verified = Literal["content", "entry"]
Selection = Literal["log", "node"]


@dataclass(frozen=True, slots=True)
class Text:
    """A text in both languages."""

    fa: str
    en: str

    def __str__(self) -> str:
        """Return the Persian text, or the English one where there is no other."""
        return self.fa or self.en


@dataclass(frozen=True, slots=True)
class Hit:
    """A dataset as a source lists it.

    `verification` is what the source says of it; opening the dataset checks it.
    """

    ref: str
    title: Text
    family: str | None
    city: str
    version: int
    fiscal_year: int | None
    rows: int | None
    updated: str
    verification: str
    node: str


@dataclass(frozen=True, slots=True)
class Version:
    """One published version of a dataset, as a source lists it."""

    number: int
    index: int
    time: str
    digest: str
    change: dict[str, Any] | None = None
    approval: str | None = None
    note: Text | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a node learned; give `cursor` to `changes` to go on behind it."""

    cursor: str
    ref: str
    op: str
    version: int | None
    time: str
    digest: str | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FileRead:
    """One object of a version, and how its bytes came."""

    name: str
    digest: str
    bytes: int
    how: Literal["cache", "whole", "ranges"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a table comes from, and how far that was checked.

    Attributes:
        ref: The dataset.
        version: The version.
        digest: SHA-256 of its record.
        origin: The log that the record stands in.
        index: The position there.
        time: When the city says it published; informative.
        node: Who handed it over.
        trust: `confirmed` by a quorum of the policy, `signed, remembered key`, or
            `signed, not anchored`.
        cosigners: The witnesses whose cosignature counts.
        selection: Who chose the version: `log` when the whole log was replayed here,
            `node` when the node said which one is newest (a receipt cannot show that no
            newer one exists).
        verified: `content` when every byte was compared with its digest, `entry` when
            only the record was, since ranges of a file have no digest. None before the
            first table.
        files: The objects that were read.
        refused: Who failed, or gave what did not verify, before `node` was asked.
    """

    ref: str
    version: int
    digest: str
    origin: str
    index: int
    time: str
    node: str
    trust: str
    cosigners: tuple[str, ...]
    selection: Selection
    verified: Verified | None = None
    files: tuple[FileRead, ...] = ()
    refused: tuple[str, ...] = field(default=())
