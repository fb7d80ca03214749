"""Figures over all cities that a node computed, and the versions they rest on.

A figure is the node's word: no city signed it. What can be checked is what it stands
on, so by default every version that the node names is looked up in its city's log. Who
wants to be sure computes the figure again from those versions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from shahrdad.client import tables
from shahrdad.client.chain import Asked
from shahrdad.client.family import Excluded, Input
from shahrdad.client.library import Library
from shahrdad.client.source import Computed
from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


@dataclass(frozen=True, slots=True, repr=False)
class Analysis:
    """A table of figures.

    Attributes:
        table: The rows; amounts in rial are whole, decimals exact.
        inputs: The versions it rests on; `trust` is "" where they were not looked up.
        inputs_digest: What pins them, as the node quotes it.
        excluded: Datasets that were left out, and why.
        missing: Cities that published nothing of it: nothing is not zero.
        node: Who computed it.
        verified: "inputs" where each version stands in its city's log.
    """

    name: str
    table: "pa.Table"
    inputs: tuple[Input, ...]
    inputs_digest: str
    excluded: tuple[Excluded, ...]
    missing: tuple[str, ...]
    node: str
    verified: Literal["inputs", "nothing"]

    def to_pandas(self) -> "pd.DataFrame":
        """Return the rows as a pandas DataFrame."""
        return tables.to_pandas(self.table)

    def to_polars(self) -> "pl.DataFrame":
        """Return the rows as a polars DataFrame."""
        return tables.to_polars(self.table)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Hand the rows to any package that reads Arrow."""
        return self.table.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        """Return the size, who computed it, and what was checked."""
        return (
            f"<Analysis {self.name}: {self.table.num_rows} rows computed by {self.node}"
            f" from {len(self.inputs)} versions, verified: {self.verified}>"
        )


def analysis(
    library: Library, name: str, asked: Mapping[str, Any], *, verify: bool
) -> Analysis:
    """Return a table of figures; see `Node.analysis`."""
    source = library.first
    said = source.computed(name, asked)
    listed = [
        {"ref": ref, "version": version, "digest": digest}
        for ref, version, digest in said.inputs
    ]
    pinned = Digest.of(strict_json.canonical(listed)).hex
    if pinned != said.inputs_digest:
        refuse(source.name, name, "inputs_digest is not that of the inputs")
    named = [Input(*one, trust="") for one in said.inputs]
    return Analysis(
        name,
        arrow(source.name, said),
        tuple(look_up(library, one) for one in named) if verify else tuple(named),
        pinned,
        tuple(Excluded(*one) for one in said.excluded),
        said.missing,
        source.name,
        "inputs" if verify else "nothing",
    )


def look_up(library: Library, named: Input) -> Input:
    """Return an input that stands in its city's log with the digest that was named.

    Raises:
        PeerError: VERIFICATION_FAILED: the log has another record there.
    """
    verified = library.find(Asked(named.ref, named.version, None))
    held = Digest.of(verified.found.record).hex
    if held != named.digest:
        raise PeerError(
            Reason.VERIFICATION_FAILED,
            subject="input",
            detail=f"{named.ref} version {named.version} has the digest {held}, the"
            f" table says {named.digest}",
        )
    return Input(named.ref, named.version, held, verified.verdict.trust.value)


def arrow(node: str, said: Computed) -> "pa.Table":
    """Return the rows with the types that the node declares.

    Raises:
        PeerError: NODE_ANSWER: a type is not known, or a cell does not fit it.
    """
    import pyarrow as pa

    kinds: dict[str, pa.DataType] = {
        "string": pa.string(),
        "integer": pa.int64(),
        "decimal": pa.decimal128(38, 3),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
    }
    names, arrays = [], []
    for field in said.fields:
        column, kind = str(field.get("name")), str(field.get("type"))
        cells = [row.get(column) for row in said.rows]
        try:
            if kind == "date":
                array = pa.array(cells, pa.string()).cast(pa.date32())
            else:
                array = pa.array([cell_of(one, kind) for one in cells], kinds[kind])
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            refuse(node, said.name, f"column {column[:100]}: {str(error)[:200]}")
        names.append(column)
        arrays.append(array)
    return pa.Table.from_arrays(arrays, names)


def cell_of(value: Any, kind: str) -> Any:
    """Return a cell as Arrow takes it; integers and decimals may come as text."""
    if value is None:
        return None
    if kind == "integer":
        return int(value)
    return Decimal(value) if kind == "decimal" else value


def refuse(node: str, name: str, detail: str) -> NoReturn:
    """Raise the error of an answer that the interface does not allow."""
    raise PeerError(
        Reason.NODE_ANSWER, node=node, address=f"/v1/analyses/{name}", detail=detail
    )
