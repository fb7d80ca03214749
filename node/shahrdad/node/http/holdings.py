"""What the HTTP service asks the database besides the catalog: all its SQL is here."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from shahrdad.federation.verify.digest import Digest


@dataclass(frozen=True, slots=True)
class Owner:
    """A version whose record names an object."""

    ref: str
    n: int


def owners(connection: sqlite3.Connection, digest: Digest) -> list[Owner]:
    """Return the versions whose records name an object that may be public.

    A withdrawn dataset stays readable by content; a redacted version does not.
    """
    rows = connection.execute(
        "SELECT owner FROM object_ref WHERE sha256=? AND area='object' AND kind='body'"
        " ORDER BY at, owner",
        (digest.raw,),
    )
    found = []
    for (owner,) in rows:
        ref, _, n = owner.rpartition("@")
        if ref and n.isdigit():
            found.append(Owner(ref, int(n)))
    return found


def ref_of_key(connection: sqlite3.Connection, origin: str, key: str) -> str | None:
    """Return the reference of the dataset that a log has under a key."""
    row = connection.execute(
        "SELECT d.ref FROM dataset d JOIN log l ON l.id = d.log"
        " WHERE l.origin=? AND d.key=? AND d.state<>'pending'",
        (origin, key),
    ).fetchone()
    return None if row is None else str(row[0])


def owners_of_record(connection: sqlite3.Connection, digest: Digest) -> list[Owner]:
    """Return the versions that a record is of."""
    rows = connection.execute(
        "SELECT d.ref, v.n FROM dataset_version v JOIN dataset d ON d.id = v.dataset"
        " WHERE v.sha256=? AND v.state='held' ORDER BY d.ref, v.n",
        (digest.raw,),
    )
    return [Owner(ref, n) for ref, n in rows]


def first_change(connection: sqlite3.Connection) -> str | None:
    """Return the time of the earliest entry that this node holds, if any."""
    (time,) = connection.execute("SELECT MIN(time) FROM dataset_version").fetchone()
    return None if time is None else str(time)


def epoch(connection: sqlite3.Connection) -> str:
    """Return the name of the change feed as it is now; "" before the first change."""
    row = connection.execute("SELECT epoch FROM feed_epoch").fetchone()
    return str(row[0]) if row else ""


def newest_change(connection: sqlite3.Connection) -> int:
    """Return the `seq` of the newest change, 0 when there is none."""
    (seq,) = connection.execute(
        "SELECT COALESCE(MAX(seq), 0) FROM change_feed"
    ).fetchone()
    return int(seq)


def cities(connection: sqlite3.Connection) -> dict[str, tuple[int, str]]:
    """Return, for each city, how many datasets are live and when one was updated."""
    rows = connection.execute(
        "SELECT city, SUM(state='live'), MAX(updated) FROM dataset"
        " WHERE state<>'pending' GROUP BY city ORDER BY city"
    )
    return {city: (int(live), str(updated)) for city, live, updated in rows}


def answers(connection: sqlite3.Connection) -> bool:
    """Tell whether the database answers; it raises when it does not."""
    (one,) = connection.execute("SELECT 1").fetchone()
    return bool(one == 1)


def totals(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Return how many datasets are live, their rows, and all versions that are held."""
    datasets, rows = connection.execute(
        "SELECT COUNT(*), COALESCE(SUM(rows), 0) FROM dataset WHERE state='live'"
    ).fetchone()
    (versions,) = connection.execute(
        "SELECT COUNT(*) FROM dataset_version WHERE state='held'"
    ).fetchone()
    return int(datasets), int(rows), int(versions)


def monthly_puts(
    connection: sqlite3.Connection, since: str
) -> dict[tuple[str, str], int]:
    """Return how many versions each city published in each month, `2025-11`.

    Args:
        connection: To the node's database.
        since: The first month.
    """
    rows = connection.execute(
        "SELECT d.city, substr(v.time, 1, 7) AS month, COUNT(*) FROM dataset_version v"
        " JOIN dataset d ON d.id = v.dataset WHERE v.time >= ? GROUP BY d.city, month",
        (since,),
    )
    return {(city, month): int(count) for city, month, count in rows}


@dataclass(frozen=True, slots=True)
class FeedChange:
    """A version that appeared or a withdrawal, for feeds."""

    ref: str
    op: str
    version: int | None
    index: int
    time: str
    reason: str | None
    seq: int


def newest_changes(
    connection: sqlite3.Connection, prefix: str, limit: int, before: int | None = None
) -> list[FeedChange]:
    """Return the newest changes of references that begin so; a whole reference is one.

    Args:
        connection: To the node's database.
        prefix: "" for all, "kerman/" for a city, "kerman/budget-1404" for a dataset.
        limit: At most so many.
        before: Only changes that this node learned before this one.
    """
    is_whole = bool(prefix) and not prefix.endswith("/")
    rows = connection.execute(
        "SELECT ref, op, version, idx, time, reason, seq FROM change_feed"
        " WHERE substr(ref, 1, ?) = ? AND (NOT ? OR ref = ?) AND (? IS NULL OR seq < ?)"
        " AND op IN ('put', 'delete') ORDER BY seq DESC LIMIT ?",
        (len(prefix), prefix, is_whole, prefix, before, before, limit),
    )
    return [FeedChange(*row) for row in rows]


def versions_known(
    connection: sqlite3.Connection, family: str, seq: int
) -> list[tuple[str, int]]:
    """Return the newest version of each dataset of a standard at a place of the feed.

    Args:
        connection: To the node's database.
        family: The standard.
        seq: The last change that counts; a dataset that it leaves withdrawn is absent.
    """
    rows = connection.execute(
        "SELECT f.ref, f.op, f.version FROM change_feed f JOIN dataset d"
        " ON d.ref = f.ref WHERE d.family = ? AND f.seq <= ?"
        " AND f.op IN ('put', 'delete') ORDER BY f.seq",
        (family, seq),
    )
    found: dict[str, int] = {}
    for ref, op, version in rows:
        if op == "put" and version is not None:
            found[ref] = version
        else:
            found.pop(ref, None)
    return sorted(found.items())


def family_seq(connection: sqlite3.Connection, family: str, until: str) -> int:
    """Return the newest change of a standard's datasets up to a time; 0 for none."""
    (seq,) = connection.execute(
        "SELECT COALESCE(MAX(f.seq), 0) FROM change_feed f JOIN dataset d"
        " ON d.ref = f.ref WHERE d.family = ? AND f.time <= ?",
        (family, until),
    ).fetchone()
    return int(seq)


def families(connection: sqlite3.Connection, city: str | None) -> list[str]:
    """Return the standards of the live datasets, of one city or all; "" for none."""
    rows = connection.execute(
        "SELECT DISTINCT COALESCE(family, '') FROM dataset"
        " WHERE state='live' AND (? IS NULL OR city = ?)",
        (city, city),
    )
    return [str(family) for (family,) in rows]


def slugs(
    connection: sqlite3.Connection,
    city: str,
    family: str | None,
    after: str,
    limit: int,
) -> list[str]:
    """Return a page of the live datasets of a city, by slug.

    Args:
        connection: To the node's database.
        city: Whose.
        family: Of which standard; "" for those of none, None for all.
        after: The last slug of the page before.
        limit: At most so many.
    """
    rows = connection.execute(
        # The references of a city lie between "kerman/" and "kerman0" in their index.
        "SELECT slug FROM dataset WHERE ref > ? AND ref < ? AND state='live'"
        " AND (? IS NULL OR COALESCE(family, '') = ?) ORDER BY ref LIMIT ?",
        (f"{city}/{after}", f"{city}0", family, family, limit),
    )
    return [str(slug) for (slug,) in rows]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Datasets that a catalog in RDF has.

    Attributes:
        city: Whose; None is everybody's.
        since: Only what changed then or later, the withdrawn ones among them; None is
            all that is live.
    """

    city: str | None = None
    since: str | None = None

    def condition(self, *, by_uid: bool) -> tuple[str, list[str]]:
        """Return it as SQL over the cards; `by_uid`: read in that order, not found."""
        where, values, plain = ["1"], [], "+" if by_uid else ""
        if self.city is not None:
            where, values = ["city = ?"], [self.city]
        if self.since is None:
            where.append(f"{plain}state = 'active'")
        else:
            where.append(f"{plain}updated >= ?")
            values.append(self.since)
        return " AND ".join(where), values


def count_chosen(connection: sqlite3.Connection, chosen: Chosen) -> int:
    """Return how many datasets these are."""
    where, values = chosen.condition(by_uid=False)
    (count,) = connection.execute(
        f"SELECT COUNT(*) FROM card WHERE {where}",  # noqa: S608
        values,
    ).fetchone()
    return int(count)


def chosen_between(
    connection: sqlite3.Connection, chosen: Chosen, first: str, end: str
) -> list[int]:
    """Return the row numbers of those whose identifiers lie between two, in order.

    Args:
        connection: To the database.
        chosen: Of which datasets.
        first: The first identifier that counts, or its beginning.
        end: The first one that does not.
    """
    where, values = chosen.condition(by_uid=True)
    found = connection.execute(
        f"SELECT dataset FROM card WHERE {where}"  # noqa: S608
        " AND uid >= ? AND uid < ? ORDER BY uid",
        (*values, first, end),
    )
    return [number for (number,) in found]


def live_names(
    connection: sqlite3.Connection, start: int, rows: int
) -> list[tuple[str, str]]:
    """Return reference and last change of live datasets, in the order of their names.

    Args:
        connection: To the database.
        start: How many to leave out.
        rows: At most so many.
    """
    found = connection.execute(
        "SELECT name, updated FROM card WHERE +state = 'active'"
        " ORDER BY name LIMIT ? OFFSET ?",
        (rows, start),
    )
    return [(name.replace("--", "/", 1), updated) for name, updated in found]


def live_count(connection: sqlite3.Connection) -> int:
    """Return how many live datasets lists show."""
    (count,) = connection.execute(
        "SELECT COUNT(*) FROM card WHERE state = 'active'"
    ).fetchone()
    return int(count)


def files_judged(
    connection: sqlite3.Connection, starts: Sequence[str], end: str
) -> dict[str, tuple[int, int]]:
    """Return how many files were judged, and how many had errors, by period.

    A file that had errors and then none, by another answer, counts as both.

    Args:
        connection: To the node's database.
        starts: The first moment of each period, as the log writes it.
        end: The last moment of the last one.
    """
    rows = connection.execute(
        "SELECT (SELECT MAX(value) FROM json_each(:starts) WHERE value<=at) AS start,"
        " COUNT(DISTINCT original), COUNT(DISTINCT CASE WHEN bad THEN original END)"
        " FROM (SELECT at, original, state='refused' AS bad FROM submission"
        " WHERE state<>'received' AND at BETWEEN :first AND :end"
        " UNION ALL SELECT at, original, verdict='errors' FROM draft_try"
        " WHERE at BETWEEN :first AND :end) GROUP BY start",
        {"starts": json.dumps(list(starts)), "first": min(starts), "end": end},
    )
    return {start: (judged, refused) for start, judged, refused in rows}


def entries_refused(
    connection: sqlite3.Connection,
    starts: Sequence[str],
    end: str,
    reasons: Sequence[str],
) -> dict[str, int]:
    """Return how many things of other nodes were refused; the same thing counts once.

    Args:
        connection: To the node's database.
        starts: As `files_judged`.
        end: Likewise.
        reasons: Those that count.
    """
    rows = connection.execute(
        "SELECT start, COUNT(*) FROM (SELECT DISTINCT peer, origin, idx, reason,"
        " (SELECT MAX(value) FROM json_each(:starts) WHERE value<=at) AS start"
        " FROM problem WHERE at BETWEEN :first AND :end"
        " AND reason IN (SELECT value FROM json_each(:reasons))) GROUP BY start",
        {
            "starts": json.dumps(list(starts)),
            "first": min(starts),
            "end": end,
            "reasons": json.dumps(list(reasons)),
        },
    )
    return dict(rows)
