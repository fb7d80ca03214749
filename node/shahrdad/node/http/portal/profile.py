"""What a city's own page adds: headlines, duties, scorecard, districts (portal 4)."""

from datetime import date, timedelta
from typing import Any

from shahrdad.datasets.errors import Language
from shahrdad.node.analysis import budget, counters, districts, duties, scorecard
from shahrdad.node.analysis.releases import Releases
from shahrdad.node.http.answers import Call
from shahrdad.node.http.languages import TEHRAN, now
from shahrdad.node.http.portal import amounts
from shahrdad.node.http.portal.viewing import analysis, listed, releases

FAMILIES = (
    "active_systems", "projects", "contracts", "work_sites", "permit_stats", "ideas",
    "org_units",
)  # fmt: skip
TABLES = ("counters", "scorecards", "duties", "equity")


def profile(call: Call, city: str, language: Language) -> dict[str, Any]:
    """Return what the page of a city shows besides its datasets."""
    reader = releases(call)
    today = now().astimezone(TEHRAN).date()
    found = reader.once(("profile", city, today), lambda: _profile(reader, city, today))
    return {
        **found,
        "tables": [analysis(language, name, city=city) for name in TABLES],
        "money": amounts,
        "period": lambda due: listed("report_period", due.period, language),
    }


def _profile(reader: Releases, city: str, today: date) -> dict[str, Any]:
    year = next(iter(reader.years(city)), None)
    gathered = {family: reader.gather(family) for family in FAMILIES}
    gathered["budget_lines"] = reader.gather("budget_lines", year or 0)
    release = gathered["budget_lines"].first(city)
    judged = duties.judge(reader, today, since(today), cities=(city,))
    smart = None
    if release is not None:
        smart = budget.smart_share(release, gathered["projects"].first(city))
    card = scorecard.scorecard(city, gathered, smart, judged)
    return {
        "year": year,
        "counters": [
            one
            for one in counters.counters(gathered)
            if one.city == city and one.value is not None
        ],
        "judged": sorted(judged, key=lambda one: one.due.due, reverse=True)[:8],
        "card": card,
        "smart": smart,
        "equity": districts.equity(
            city,
            gathered["projects"].first(city),
            gathered["work_sites"].first(city),
            release,
        ),
    }


def since(today: date) -> date:
    """Return the day a year before."""
    return today - timedelta(days=duties.YEAR_DAYS)
