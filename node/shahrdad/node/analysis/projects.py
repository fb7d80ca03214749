"""Projects: delay (rule P15) and the history of promises over releases (9.11)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from shahrdad.node.analysis.limits import VERSIONS_MAX
from shahrdad.node.analysis.releases import Gathered, Release, Releases, Row

UNDER_WAY = frozenset({"implementation", "suspended"})
FINISHED = frozenset({"completion", "maintenance", "decommissioning", "decommissioned"})


@dataclass(frozen=True, slots=True)
class Project:
    """One project, as its city's newest release says."""

    city: str
    ref: str
    version: int
    row: Row

    @property
    def key(self) -> str:
        """Its id, unique in its city."""
        return str(self.row["project_id"])

    @property
    def finished(self) -> bool:
        """Whether its work is done."""
        return self.row["status"] in FINISHED

    @property
    def days_late(self) -> int | None:
        """Days past the planned end (P15); None where the rule does not judge.

        It judges projects under way that have a planned end, on the day that the
        release speaks of.
        """
        planned = self.row["planned_end_date"]
        if self.row["status"] not in UNDER_WAY or planned is None:
            return None
        days: int = (self.row["as_of_date"] - planned).days
        return max(0, days)


@dataclass(frozen=True, slots=True)
class Promise:
    """What one release said of a project."""

    version: int
    time: str
    planned_end: date | None
    physical: float | None
    status: str


def projects(gathered: Gathered) -> list[Project]:
    """Return the projects of all cities, the latest first, then by city and id."""
    found = [one for release in gathered.releases for one in projects_of(release)]
    return sorted(found, key=lambda one: (-(one.days_late or 0), one.city, one.key))


def projects_of(release: Release) -> list[Project]:
    """Return the projects of one release."""
    return [
        Project(release.city, release.ref, release.version, row)
        for row in release.rows()
    ]


def late(found: Iterable[Project]) -> list[Project]:
    """Return the projects that are late, most days first."""
    return [one for one in found if one.days_late]


def promises(releases: Releases, ref: str) -> dict[str, list[Promise]]:
    """Return what the releases of a dataset said of each project, oldest first.

    A release that repeats what the one before said is left out.
    """
    found: dict[str, list[Promise]] = {}
    for change in releases.versions(ref)[-VERSIONS_MAX:]:
        release = releases.version(ref, change.version or 0)
        for key, said in told(release).items() if release else ():
            listed = found.setdefault(key, [])
            if not listed or differ(listed[-1], said):
                listed.append(said)
    return found


def told(release: Release) -> dict[str, Promise]:
    """Return what one release says of each project."""
    columns = ("project_id", "planned_end_date", "physical_progress", "status")
    return {
        row["project_id"]: Promise(
            release.version,
            release.time,
            row["planned_end_date"],
            row["physical_progress"],
            row["status"],
        )
        for row in release.rows(*columns)
    }


def differ(before: Promise, after: Promise) -> bool:
    """Tell whether two releases say different things."""
    return (before.planned_end, before.physical, before.status) != (
        after.planned_end,
        after.physical,
        after.status,
    )
