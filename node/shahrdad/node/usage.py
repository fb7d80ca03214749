"""How often a dataset was read: by day, by what was read, by what sort of reader.

No address, no session and no user agent is kept: what is left is a count, so that a
council learns whether anybody uses what the city publishes.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Reader = Literal["browser", "program", "harvester", "robot"]
Thing = Literal["page", "data"]
MIGRATIONS: tuple[str, ...] = (
    """
CREATE TABLE usage(
  day TEXT NOT NULL, ref TEXT NOT NULL,
  reader TEXT NOT NULL CHECK(reader IN('browser','program','harvester','robot')),
  thing TEXT NOT NULL CHECK(thing IN('page','data')),
  times INTEGER NOT NULL,
  PRIMARY KEY(day, ref, reader, thing)) STRICT, WITHOUT ROWID;
""",
)
ROBOTS = ("bot", "crawl", "spider", "slurp", "monitor")
HARVESTERS = ("ckan", "harvest", "dcat", "udata", "magda")


@dataclass(frozen=True, slots=True, order=True)
class Reading:
    """What is counted together.

    Attributes:
        day: In UTC, as 2026-11-22.
        ref: City and dataset.
    """

    day: str
    ref: str
    reader: Reader
    thing: Thing


def reader_of(user_agent: str) -> Reader:
    """Return what sort of reader a user agent names.

    >>> reader_of("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
    'browser'
    >>> reader_of("Mozilla/5.0 (compatible; examplebot/2.1)")
    'robot'
    >>> reader_of("ckanext-harvest/1.5"), reader_of("python-requests/2.32")
    ('harvester', 'program')
    """
    words = user_agent.lower()
    if any(word in words for word in ROBOTS):
        return "robot"
    if any(word in words for word in HARVESTERS):
        return "harvester"
    return "browser" if words.startswith("mozilla/") else "program"


def add(connection: sqlite3.Connection, counts: Mapping[Reading, int]) -> None:
    """Add counts to those that are kept; the caller commits."""
    connection.executemany(
        "INSERT INTO usage VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET times=times+excluded.times",
        [
            (one.day, one.ref, one.reader, one.thing, times)
            for one, times in sorted(counts.items())
        ],
    )


def read(
    connection: sqlite3.Connection, since: str
) -> Iterator[tuple[str, str, str, int]]:
    """Yield dataset, sort of reader, thing and times since a day, the most read first.

    Args:
        connection: Of the node's database.
        since: The first day that counts.
    """
    yield from connection.execute(
        "SELECT ref, reader, thing, SUM(times) FROM usage WHERE day>=?"
        " GROUP BY ref, reader, thing"
        " ORDER BY SUM(SUM(times)) OVER (PARTITION BY ref) DESC, ref, reader, thing",
        (since,),
    )
