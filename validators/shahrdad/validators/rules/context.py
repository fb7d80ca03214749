"""What rules may ask for beside the table: values, lists, cities, references."""

import hashlib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import RequestError
from shahrdad.validators.options import Context, Ref
from shahrdad.validators.plan import Plan
from shahrdad.validators.rules.conditions import UnknownValueError
from shahrdad.validators.text_table import Audit, ReadingSettings

if TYPE_CHECKING:
    import pyarrow as pa


class RefusedRefError(Exception):
    """A reference is not what was pinned, or cannot be read."""

    def __init__(self, family: str, why: str) -> None:
        super().__init__(why)
        self.family = family
        self.why = why


class RuleContext:
    """Answers what rules ask for.

    Args:
        given: What the caller gave.
        refs: Releases of other families by name.
        plan: The schema.
        settings: How the cells are read; says the money unit.
        audit: What normalisation changed.
    """

    def __init__(
        self,
        given: Context,
        refs: Mapping[str, Ref],
        plan: Plan,
        settings: ReadingSettings,
        audit: Audit,
    ) -> None:
        self.given = given
        self.plan = plan
        self.settings = settings
        self.audit = audit
        self._refs = dict(refs)
        self._tables: dict[str, pa.Table] = {}
        self._facts: list[dict[str, Any]] = []
        self.newest_year: int | None = None  # of as_of_date, known after the pass

    def value(self, name: str) -> Any:
        """Return the value of `@name`.

        Raises:
            UnknownValueError: Neither the caller nor the schema gives it.
        """
        given = self.given
        found: Any = None
        if name == "city_code":
            found = given.city_code
        elif name == "release_date" and given.release_date is not None:
            found = date.fromisoformat(str(given.release_date))
        elif name == "jalali_year":
            found = (
                given.jalali_year if given.jalali_year is not None else self.newest_year
            )
        elif name == "max_age_days":
            found = given.max_age_days
            if found is None:
                found = self.plan.own.get("maxAgeDays")
        if found is None:
            raise UnknownValueError(name)
        return found

    @property
    def unit_factor(self) -> int:
        """Rials in one unit of the file's money columns."""
        unit = self.settings.money_unit
        if unit is None:
            return 1
        from shahrdad.datasets.codelists import code_list

        row = code_list("money_units").row(unit)
        return 1 if row is None else int(Decimal(row["rial_factor"]))

    def list_values(self, name: str) -> frozenset[str] | None:
        """Return the codes of a list; None when there is no such list."""
        rows = self.list_rows(name)
        if rows is None:
            return None
        return frozenset(str(next(iter(row.values()))) for row in rows)

    def list_rows(self, name: str) -> list[Mapping[str, Any]] | None:
        """Return the rows of a list, its key first; None when there is no such list."""
        if name in self.given.lists:
            rows: list[Mapping[str, Any]] = []
            for item in self.given.lists[name]:
                if isinstance(item, Mapping):
                    rows.append(item)
                elif isinstance(item, list | tuple):
                    rows.append(dict(zip(("lower", "upper"), item, strict=False)))
                else:
                    rows.append({"value": item})
            return rows
        from shahrdad.datasets.codelists import code_list

        try:
            found = code_list(name)
        except RequestError:
            return None
        return [{found.key: row[found.key], **row} for row in found.rows]

    @cached_property
    def cities(self) -> Mapping[str, Mapping[str, Any]]:
        """Facts of cities by code: `lat`, `lon`, `population`, None where unknown."""
        if self.given.cities is not None:
            return self.given.cities
        from shahrdad.datasets.codelists import cities

        return {
            c.code: {"lat": c.lat, "lon": c.lon, "population": c.population}
            for c in cities()
        }

    def ref(self, family: str) -> "pa.Table | None":
        """Return the table of a family's release; None when none was given.

        Raises:
            RefusedRefError: Its hash is not the pinned one, or it cannot be read.
        """
        ref = self.given.previous if family == "@previous" else self._refs.get(family)
        if ref is None:
            return None
        if family not in self._tables:
            self._tables[family] = self._load(family, ref)
        return self._tables[family]

    def _load(self, family: str, ref: Ref) -> "pa.Table":
        from shahrdad.validators.foreign import read_reference

        path = Path(ref.path)
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise RefusedRefError(
                family, f"it cannot be read: {error.strerror}"
            ) from error
        if ref.sha256 is not None and digest != ref.sha256:
            raise RefusedRefError(family, f"its hash is {digest}, not {ref.sha256}")
        name = self.plan.name if family == "@previous" else family
        self._facts.append(
            {
                "family": "previous" if family == "@previous" else family,
                "release": ref.release,
                "sha256": digest,
            }
        )
        return read_reference(path, name, self.plan)

    def ref_facts(self) -> list[dict[str, Any]]:
        """Return the report's member `refs`: every reference that was looked into."""
        return sorted(self._facts, key=lambda fact: str(fact["family"]))


__all__ = ["RefusedRefError", "RuleContext"]
