"""Parquet as Arrow tables, and tables as what other packages hold.

pyarrow is imported by the functions that need it: `import shahrdad.client` stays light.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shahrdad.client.ranges import RangeFile, Ranges
from shahrdad.datasets.errors import PeerError, Reason, RequestError, UnavailableError
from shahrdad.datasets.lending import Loan

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from pyarrow.compute import Expression

Content = bytes | Ranges
_NO_FIELD = re.compile(r"No match for FieldRef\.Name\(([^)]*)\)")


def field(name: str) -> "Expression":
    """Return a column as part of a condition: `field("year") >= 1404`."""
    from pyarrow import compute

    return compute.field(name)


def read_tables(
    parts: Sequence[Content],
    columns: Sequence[str] | None = None,
    where: "Expression | None" = None,
) -> "pa.Table":
    """Return the rows of some Parquet parts, in their order.

    Args:
        parts: Whole files, or files read by ranges: of these only the pages of the
            columns and row groups that count are fetched.
        columns: Names, in the wanted order; None for all.
        where: Only rows for which this holds.

    Raises:
        RequestError: PARAMETER_VALUE for a column that is not there.
        PeerError: MALFORMED when a part is no Parquet.
    """
    import pyarrow as pa

    return pa.concat_tables([_read_table(part, columns, where) for part in parts])


def _read_table(
    part: Content, columns: Sequence[str] | None, where: "Expression | None"
) -> "pa.Table":
    """Return the rows of one part, when Arrow's threads have let go of it."""
    import pyarrow as pa
    from pyarrow import dataset as pads

    with Loan() as loan:
        file = (
            pa.py_buffer(loan.lend(memoryview(part)))
            if isinstance(part, bytes)
            else pa.PythonFile(loan.lend(RangeFile(part, loan)), mode="r")
        )
        fragment: pads.ParquetFileFragment | None = None
        try:
            fragment = pads.ParquetFileFormat().make_fragment(file)
            names = fragment.physical_schema.names
            _require_columns(columns, names)
            return fragment.to_table(columns=columns, filter=where)
        except (pa.ArrowInvalid, OSError) as error:  # OSError: data that do not inflate
            if (missing := _NO_FIELD.match(str(error))) is not None:
                raise _no_column("where", missing[1], names) from error
            raise PeerError(
                Reason.MALFORMED, field="parquet", detail=str(error)[:200]
            ) from error
        finally:
            del file, fragment


def _require_columns(columns: Sequence[str] | None, names: Sequence[str]) -> None:
    """Refuse a column that a table has not."""
    for name in columns or ():
        if name not in names:
            raise _no_column("columns", name, names)


def _no_column(parameter: str, name: str, names: Sequence[str]) -> RequestError:
    return RequestError(
        Reason.PARAMETER_VALUE,
        parameter=parameter,
        value=name[:100],
        expected=", ".join(names),
    )


def to_pandas(table: "pa.Table") -> "pd.DataFrame":
    """Return a DataFrame whose integers stay integers, also beside nulls."""
    pandas = _require("pandas")
    frame: pd.DataFrame = table.to_pandas(types_mapper=pandas.ArrowDtype)
    return frame


def to_polars(table: "pa.Table") -> "pl.DataFrame":
    """Return a polars DataFrame."""
    frame: pl.DataFrame = _require("polars").from_arrow(table)
    return frame


def scan(table: "pa.Table", connection: Any) -> Any:
    """Return a relation of a DuckDB connection over a table."""
    return connection.from_arrow(table)


def with_columns(table: "pa.Table", values: Mapping[str, object]) -> "pa.Table":
    """Return a table with constant columns in front."""
    import pyarrow as pa

    for at, (name, value) in enumerate(values.items()):
        scalar = pa.scalar(value)
        table = table.add_column(at, name, pa.repeat(scalar, table.num_rows))
    return table


def _require(package: str) -> Any:
    """Import a package that only some callers have.

    Raises:
        UnavailableError: PACKAGE_ABSENT.
    """
    import importlib

    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise UnavailableError(Reason.PACKAGE_ABSENT, package=package) from error


def concatenate(parts: "Sequence[pa.Table]") -> "pa.Table":
    """Return the rows of all tables; a column that one lacks is null there."""
    import pyarrow as pa

    plain = [part.replace_schema_metadata(None) for part in parts]
    return pa.concat_tables(plain, promote_options="permissive")
