"""Copy-ready lines that read a dataset, for each tool.

What computes reads one version, by an address whose bytes never change. What is
refreshed (Excel, Power BI) reads the newest: its address is constant, and the root
stands apart from the path, since the Power BI service asks for that.

Names of columns and tables are a city's words, and may be another's: each stands in a
literal of its language, escaped, and never in the code itself.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from shahrdad.node.http.dataset_object import Shown
from shahrdad.node.http.record_view import TableView

WHOLE_DIGITS = "Int64.Type"
M_TYPES: Mapping[str, str] = {
    "integer": WHOLE_DIGITS,
    "number": "type number",
    "boolean": "type logical",
    "date": "type date",
}


@dataclass(frozen=True, slots=True)
class Read:
    """What is read: one table of one version, and its addresses.

    Attributes:
        parquet: Of the version.
        csv: Of the version.
        newest: Path of the newest version below the root, without an extension.
    """

    root: str
    ref: str
    table: TableView
    parquet: str
    csv: str
    newest: str

    @property
    def texts(self) -> list[str]:
        """The columns that a reader of CSV must not take for numbers."""
        return [
            name for name, kind in self.columns if kind not in M_TYPES or kind == "date"
        ]

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Name and type of every column."""
        return [
            (str(field.get("name", "")), str(field.get("type", "string")))
            for field in self.table.fields
        ]


def snippets(shown: Shown) -> list[tuple[str, str]]:
    """Return (tool, lines); none for a dataset without a table."""
    table = next((table for table in shown.record.tables if table.parts), None)
    if table is None:
        return []
    ref, n, addresses = shown.ref, shown.version.n, shown.addresses
    read = Read(
        addresses.root,
        ref,
        table,
        addresses.resource(ref, n, table.name, "parquet"),
        addresses.resource(ref, n, table.name, "csv"),
        f"d/{ref}/latest/{quote(table.name)}",
    )
    return [(tool, lines(read)) for tool, lines in TOOLS.items()]


def _curl(read: Read) -> str:
    return f"curl -O {shlex.quote(read.csv)}"


def _pandas(read: Read) -> str:
    # Without the last argument whole numbers beside nulls become floats.
    return (
        "import pandas as pd\n\n"
        f"df = pd.read_parquet({json.dumps(read.parquet)}, dtype_backend='pyarrow')"
    )


def _polars(read: Read) -> str:
    return f"import polars as pl\n\ndf = pl.read_parquet({json.dumps(read.parquet)})"


def _duckdb(read: Read) -> str:
    return f"FROM read_parquet('{read.parquet.replace(chr(39), chr(39) * 2)}');"


def _r(read: Read) -> str:
    """Return R's own reader; codes stay text, or they lose their leading zeros."""
    names = ", ".join(_r_text(name) for name in read.texts)
    return (
        f"texts <- c({names})\n"
        "data <- read.csv(\n"
        f"  {_r_text(read.csv)},\n"
        '  encoding = "UTF-8", check.names = FALSE, na.strings = "",\n'
        '  colClasses = setNames(rep("character", length(texts)), texts)\n'
        ")"
    )


def _spark(read: Read) -> str:
    name = json.dumps(read.parquet.rpartition("/")[2])
    return (
        "from pyspark import SparkFiles\n"
        "from pyspark.sql import SparkSession\n\n"
        "spark = SparkSession.builder.getOrCreate()\n"
        f"spark.sparkContext.addFile({json.dumps(read.parquet)})\n"
        f'df = spark.read.parquet("file://" + SparkFiles.get({name}))'
    )


def _power_query(read: Read) -> str:
    """Return M that reads CSV with the types of the schema, which it would guess."""
    kinds = ",\n        ".join(
        f"{{{_m_text(name)}, {M_TYPES.get(kind, 'type text')}}}"
        for name, kind in read.columns
    )
    return (
        "let\n"
        f"    Source = Web.Contents({_m_text(read.root)},\n"
        f"        [RelativePath = {_m_text(f'{read.newest}.csv')}]),\n"
        "    Rows = Csv.Document(Source,\n"
        '        [Delimiter = ",", Encoding = 65001, QuoteStyle = QuoteStyle.Csv]),\n'
        "    Named = Table.PromoteHeaders(Rows, [PromoteAllScalars = true]),\n"
        f"    Typed = Table.TransformColumnTypes(Named, {{\n        {kinds}\n"
        '    }, "en-US")\n'
        "in\n"
        "    Typed"
    )


def _power_bi(read: Read) -> str:
    """Return M that reads Parquet, which has its types with it."""
    return (
        "let\n"
        f"    Source = Web.Contents({_m_text(read.root)},\n"
        f"        [RelativePath = {_m_text(f'{read.newest}.parquet')}]),\n"
        "    Rows = Parquet.Document(Binary.Buffer(Source))\n"
        "in\n"
        "    Rows"
    )


def _client(read: Read) -> str:
    return (
        "from shahrdad.client import connect\n\n"
        f"node = connect({json.dumps(read.root)})\n"
        f"table = node.dataset({json.dumps(read.ref)}).table()"
    )


def _r_text(text: str) -> str:
    r"""Return a literal of R.

    >>> print(_r_text('a"b\\'))
    "a\"b\\"
    """
    return json.dumps(text, ensure_ascii=False)


def _m_text(text: str) -> str:
    """Return a literal of M, where a quote is doubled and `#(` begins an escape.

    >>> print(_m_text('a"b#(lf)'))
    "a""b#(#)(lf)"
    """
    plain = text.replace("#(", "#(#)(").replace('"', '""')
    lines = plain.replace("\r", "#(cr)").replace("\n", "#(lf)")
    return f'"{lines}"'


TOOLS: Mapping[str, Callable[[Read], str]] = {
    "curl": _curl,
    "pandas": _pandas,
    "polars": _polars,
    "DuckDB": _duckdb,
    "R": _r,
    "Spark": _spark,
    "Excel (Power Query)": _power_query,
    "Power BI": _power_bi,
    "shahrdad.client": _client,
}
