"""A receipt in a reader's hands: to look at, to keep, to give to somebody else."""

from dataclasses import dataclass
from pathlib import Path

from shahrdad.client.verdict import Verdict


@dataclass(frozen=True, slots=True, repr=False)
class Receipt:
    """The proof that a record stands in its city's log.

    Attributes:
        raw: The `.tlog-proof`.
        record: The record that its entry names; a file is checked against it.
        verdict: What held when it was read.
    """

    raw: bytes
    record: bytes
    verdict: Verdict

    @property
    def text(self) -> str:
        """The receipt as text."""
        return self.raw.decode("utf-8")

    def save(self, path: str | Path, *, with_record: bool = True) -> Path:
        """Write the receipt, and the record beside it as `<name>.record.json`.

        Args:
            path: The receipt's file, for example "b.tlog-proof".
            with_record: Without the record a receipt proves an entry, but no file.
        """
        place = Path(path)
        place.write_bytes(self.raw)
        if with_record:
            place.with_name(f"{place.stem}.record.json").write_bytes(self.record)
        return place

    def __repr__(self) -> str:
        """Return what it proves."""
        return f"<Receipt: {self.verdict!r}>"
