"""Copy-ready lines that read one version of a dataset, for each tool."""

from shahrdad.node.http.dataset_object import Shown


def snippets(shown: Shown) -> list[tuple[str, str]]:
    """Return (tool, lines); none for a dataset without a table."""
    table = next((table for table in shown.record.tables if table.parts), None)
    if table is None:
        return []
    ref, n, addresses = shown.ref, shown.version.n, shown.addresses
    parquet = addresses.resource(ref, n, table.name, "parquet")
    csv = addresses.resource(ref, n, table.name, "csv")
    root = addresses.root
    return [
        ("curl", f"curl -O {csv}"),
        ("pandas", f'import pandas as pd\n\ndf = pd.read_parquet("{parquet}")'),
        ("polars", f'import polars as pl\n\ndf = pl.read_parquet("{parquet}")'),
        ("DuckDB", f"FROM read_parquet('{parquet}') LIMIT 10;"),
        ("R", f'data <- read.csv("{csv}")'),
        (
            "shahrdad.client",
            "from shahrdad.client import connect\n\n"
            f'node = connect("{root}")\n'
            f'table = node.dataset("{ref}").table()',
        ),
    ]
