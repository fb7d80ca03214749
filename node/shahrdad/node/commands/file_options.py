"""What a person says of a file that is handed in, here or at a node elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

Family = Annotated[str, Parameter(name=["--family", "-s"])]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class FileOptions:
    """The dataset that a file is to be, and how the file is read.

    Attributes:
        slug: The dataset's name, for example budget-1404; by default the family's.
        title: Persian title; by default the standard's title and the city's name.
        title_en: English title.
        description: Persian description.
        description_en: English description.
        license: SPDX id; the node's own when left out.
        year: Jalali fiscal year of the data.
        source: Where the data comes from (a title or an address); may be repeated.
        profile: A mapping profile (JSON) from your columns to the standard's.
        unit: Money unit of the file: rial, million_rial, milliard_toman, …
        calendar: Calendar of its dates.
        encoding: Encoding of the text, when it cannot be told.
        sheet: Sheet of the workbook.
        header_row: Row of the header, from 1.
        declared: name=figure that the city announced, to compare with.
        waive: rule=reason for a rule that may be waived.
        note: A note on this version.
    """

    slug: str | None = None
    title: str | None = None
    title_en: str | None = None
    description: str = ""
    description_en: str = ""
    license: str | None = None
    year: int | None = None
    source: tuple[str, ...] = ()
    profile: Path | None = None
    unit: str | None = None
    calendar: Literal["jalali", "gregorian", "mixed"] | None = None
    encoding: str | None = None
    sheet: str | None = None
    header_row: int | None = None
    declared: tuple[str, ...] = ()
    waive: tuple[str, ...] = ()
    note: str = ""

    @property
    def reading(self) -> dict[str, Any]:
        """How the file is read, by the names of `validators.Options`."""
        return {
            "unit": self.unit,
            "calendar": self.calendar,
            "encoding": self.encoding,
            "sheet": self.sheet,
            "header_row": self.header_row,
        }
