"""The scorecard of a city's ICT organisation (9.4): every figure with its two numbers.

There is no composite rank: weights would have to be agreed as a standard first.
"""

from dataclasses import dataclass, field
from fractions import Fraction

from shahrdad.node.analysis.budget import SmartShare
from shahrdad.node.analysis.duties import Judged
from shahrdad.node.analysis.projects import FINISHED, UNDER_WAY
from shahrdad.node.analysis.releases import Gathered, Input, Release
from shahrdad.node.analysis.share import Share


@dataclass(slots=True)
class Scorecard:
    """Report 9.4 of one city; a figure that cannot be computed is None.

    Attributes:
        unit: Name of the ICT organisation; None where `org_units` does not tell.
        integrations: Connections, over the systems.
        online_pct: Share of services that are asked for online, weighted by requests.
    """

    city: str
    unit: str | None = None
    systems: int | None = None
    with_api: Share | None = None
    with_lessons: Share | None = None
    offered: Share | None = None
    integrations: Share | None = None
    projects_active: int | None = None
    projects_completed: int | None = None
    online_pct: Fraction | None = None
    budget_narrow: Share | None = None
    headcount: int | None = None
    on_time: Share | None = None
    inputs: list[Input] = field(default_factory=list)

    @property
    def staff_per_hundred(self) -> Fraction | None:
        """Staff for each 100 operational systems."""
        if self.headcount is None or not self.systems:
            return None
        return Fraction(100 * self.headcount, self.systems)


def scorecard(
    city: str,
    gathered: dict[str, Gathered],
    smart: SmartShare | None,
    judged: list[Judged],
) -> Scorecard:
    """Return a city's scorecard.

    Args:
        city: Slug.
        gathered: `org_units`, `active_systems`, `projects`, `permit_stats`.
        smart: Its smart-city share.
        judged: Its duties of the last twelve months.
    """
    found = Scorecard(city)
    units = gathered["org_units"].first(city)
    ict = ict_unit(units) if units else None
    if units is not None and ict is not None:
        found.unit = ict[1]
        found.headcount = ict[2]
        found.inputs.append(units.input)
    systems = gathered["active_systems"].first(city)
    if systems is not None and ict is not None:
        add_systems(found, systems, ict[0])
    projects = gathered["projects"].first(city)
    if projects is not None:
        smart_rows = [
            row
            for row in projects.rows("status", "is_smart_city")
            if row["is_smart_city"]
        ]
        found.projects_active = sum(row["status"] in UNDER_WAY for row in smart_rows)
        found.projects_completed = sum(row["status"] in FINISHED for row in smart_rows)
        found.inputs.append(projects.input)
    permits = gathered["permit_stats"].first(city)
    if permits is not None:
        found.online_pct = online(permits)
        found.inputs.append(permits.input)
    if smart is not None:
        found.budget_narrow = smart.narrow
        found.inputs += smart.inputs
    own = [one for one in judged if one.city == city]
    if own:
        found.on_time = Share(sum(one.state == "met" for one in own), len(own))
    found.inputs = sorted(set(found.inputs))
    return found


def ict_unit(units: Release) -> tuple[str, str, int | None] | None:
    """Return id, name and staff of the ICT organisation, when there is exactly one."""
    rows = [
        row
        for row in units.rows("org_unit_id", "name_fa", "headcount", "ict_org")
        if row["ict_org"]
    ]
    if len(rows) != 1:
        return None
    return rows[0]["org_unit_id"], rows[0]["name_fa"], rows[0]["headcount"]


def add_systems(found: Scorecard, systems: Release, unit: str) -> None:
    """Count the operational systems that the organisation owns or keeps."""
    rows = [
        row
        for row in systems.rows()
        if row["lifecycle_status"] == "operational"
        and unit in {row["owner_unit_id"], row["custodian_unit_id"]}
    ]
    count = len(rows)
    found.systems = count
    found.with_api = Share(sum(row["has_api"] is True for row in rows), count)
    found.with_lessons = Share(sum(bool(row["lessons_fa"]) for row in rows), count)
    offered = sum((row["reuse_offer"] or "none") != "none" for row in rows)
    found.offered = Share(offered, count)
    links = sum(
        len([one for one in (row["integrates_with"] or "").split(";") if one.strip()])
        for row in rows
    )
    found.integrations = Share(links, count)
    found.inputs.append(systems.input)


def online(permits: Release) -> Fraction | None:
    """Return the online share of the whole city, weighted by requests, in per cent."""
    rows = [
        row
        for row in permits.rows("district_no", "received", "online_pct")
        if row["district_no"] == 0
        and row["received"] is not None
        and row["online_pct"] is not None
    ]
    received: int = sum(row["received"] for row in rows)
    if not received:
        return None
    weighted: Fraction = Fraction()
    for row in rows:
        weighted += Fraction(str(row["online_pct"])) * int(row["received"])
    return weighted / received
