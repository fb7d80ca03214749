"""Asks DuckDB about one table: our own SQL, quoted names, bound values, no outside.

The connection reads no file and no network, loads no extension, and its configuration
is locked; the data is given as Arrow tables.
"""

import tempfile
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

MEMORY = "512MB"
GROUPS_MAX = 1_000_000  # groups of one rule


def quoted(name: str) -> str:
    """Return a column name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Sequence[str], alias: str = "") -> str:
    """Return quoted names, separated by commas, or a constant for none."""
    prefix = f"{alias}." if alias else ""
    return ", ".join(prefix + quoted(name) for name in names) or "true"


def same(names: Sequence[str], left: str, right: str) -> str:
    """Return the SQL that two aliases have equal columns, null equal to null."""
    parts = [
        f"{left}.{quoted(n)} IS NOT DISTINCT FROM {right}.{quoted(n)}" for n in names
    ]
    return " AND ".join(parts) or "true"


class Asking:
    """A locked connection over some Arrow tables."""

    def __init__(self) -> None:
        import duckdb

        self._folder = tempfile.TemporaryDirectory(prefix="shahrdad-sql-")
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "enable_external_access": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "allow_community_extensions": "false",
                "memory_limit": MEMORY,
                "threads": "1",
                "temp_directory": self._folder.name,
                "preserve_insertion_order": "false",
            },
        )
        self._connection.execute("SET python_enable_replacements = false")
        self._connection.execute("SET lock_configuration = true")

    def register(self, name: str, table: pa.Table) -> None:
        """Give the connection a table."""
        self._connection.register(name, table)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        found = self._connection.execute(sql, list(values)).fetchmany(GROUPS_MAX)
        return [tuple(row) for row in found]

    def close(self) -> None:
        """Close the connection and remove its folder."""
        self._connection.close()
        self._folder.cleanup()


__all__ = ["GROUPS_MAX", "Asking", "listed", "quoted", "same"]
