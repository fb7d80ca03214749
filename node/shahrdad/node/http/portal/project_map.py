"""`/projects/map`: a city's projects where they are (portal 7), drawn by the server.

The outlines are our own: around all places that the city publishes of a district. There
is no tile server, and the page is whole without scripts: a drawing and a table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import cos, radians
from typing import Any

from starlette.responses import Response

from shahrdad.datasets.errors import Language
from shahrdad.node.analysis import projects
from shahrdad.node.analysis.projects import Project
from shahrdad.node.analysis.releases import Releases
from shahrdad.node.http.answers import Call, as_json
from shahrdad.node.http.portal.viewing import (
    grounds,
    label,
    name_of,
    releases,
    text,
)
from shahrdad.node.http.rendering import page

PARAMETERS = (text("city"),)
WIDTH, HEIGHT, MARGIN = 1000, 620, 40
SHOWN_MAX = 500
Place = tuple[float, float]  # longitude, latitude


@dataclass(frozen=True, slots=True)
class Mark:
    """A project on the drawing.

    Attributes:
        tone: "late", "finished" or "other"; shape and word say the same.
    """

    project: Project
    x: int
    y: int
    tone: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A city's marks and outlines, in units of the drawing."""

    marks: tuple[Mark, ...]
    outlines: tuple[tuple[int, str], ...]  # district, points of a polygon


def outline(places: Iterable[Place]) -> list[Place]:
    """Return the convex hull of places, counter-clockwise (Andrew's monotone chain)."""
    points = sorted(set(places))
    if len(points) < 3:
        return []

    def half(ordered: Sequence[Place]) -> list[Place]:
        found: list[Place] = []
        for point in ordered:
            while len(found) > 1 and turn(found[-2], found[-1], point) <= 0:
                found.pop()
            found.append(point)
        return found[:-1]

    return half(points) + half(points[::-1])


def turn(a: Place, b: Place, c: Place) -> float:
    """Return above 0 where a, b, c turn to the left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def placed(reader: Releases, city: str) -> list[Project]:
    """Return a city's projects that say where they are, at most so many."""
    release = reader.gather("projects").first(city)
    found = projects.projects_of(release) if release else []
    return [one for one in found if place_of(one.row) is not None][:SHOWN_MAX]


def place_of(row: dict[str, Any]) -> Place | None:
    """Return the place of a row; None where it does not say."""
    if row["lat"] is None or row["lon"] is None:
        return None
    return row["lon"], row["lat"]


def districts(reader: Releases, city: str) -> dict[int, list[Place]]:
    """Return the outline of each district, around its projects and work sites."""
    places: dict[int, list[Place]] = {}
    for family in ("projects", "work_sites"):
        release = reader.gather(family).first(city)
        for row in release.rows("district_no", "lat", "lon") if release else ():
            place = place_of(row)
            if place is not None and row["district_no"]:
                places.setdefault(row["district_no"], []).append(place)
    hulls = {number: outline(found) for number, found in sorted(places.items())}
    return {number: hull for number, hull in hulls.items() if hull}


def tone_of(one: Project) -> str:
    """Return how a project stands, in one of three words."""
    return "late" if one.days_late else "finished" if one.finished else "other"


def draw(found: Sequence[Project], hulls: dict[int, list[Place]]) -> Drawing:
    """Return the drawing: north above, one scale for both directions."""
    places = [place for one in found if (place := place_of(one.row))]
    places += [place for hull in hulls.values() for place in hull]
    if not places:
        return Drawing((), ())
    west, east = min(p[0] for p in places), max(p[0] for p in places)
    south, north = min(p[1] for p in places), max(p[1] for p in places)
    narrow = cos(radians((south + north) / 2))
    wide, high = max((east - west) * narrow, 1e-6), max(north - south, 1e-6)
    scale = min((WIDTH - 2 * MARGIN) / wide, (HEIGHT - 2 * MARGIN) / high)

    def at(place: Place) -> tuple[int, int]:
        x = WIDTH / 2 + (place[0] - (west + east) / 2) * narrow * scale
        y = HEIGHT / 2 - (place[1] - (south + north) / 2) * scale
        return round(x), round(y)

    marks = []
    for one in found:
        place = place_of(one.row)
        if place is not None:
            marks.append(Mark(one, *at(place), tone_of(one)))
    outlines = tuple(
        (number, " ".join(f"{x},{y}" for x, y in map(at, hull)))
        for number, hull in hulls.items()
    )
    return Drawing(tuple(marks), outlines)


def chosen_city(call: Call, reader: Releases) -> str:
    """Return the city of the address; else the first that publishes projects."""
    published = [one.city for one in reader.gather("projects").releases]
    wanted = call.values["city"]
    return wanted if wanted in published else next(iter(published), "")


def index(call: Call, language: Language) -> Response:
    """Show the map of a city and the same projects as a table."""
    reader = releases(call)
    city = chosen_city(call, reader)
    found, hulls = placed(reader, city), districts(reader, city)
    gathered = reader.gather("projects")
    used = list(gathered.of(city))
    used += list(reader.gather("work_sites").of(city))
    return page(
        call,
        "portal/project_map.html",
        language,
        city=name_of(call, city) if city else None,
        cities=[name_of(call, one.city) for one in gathered.releases],
        drawing=draw(found, hulls),
        total=sum(one.table.num_rows for one in gathered.of(city)),
        code=lambda field, value: label("projects", field, value, language),
        grounds=grounds(call, [one.input for one in used]),
    )


def geojson(call: Call, language: Language) -> Response:
    """Answer with the same places as GeoJSON (RFC 7946)."""
    reader = releases(call)
    city = chosen_city(call, reader)
    features: list[dict[str, Any]] = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[*hull, hull[0]]]},
            "properties": {"district_no": number},
        }
        for number, hull in districts(reader, city).items()
    ]
    features += [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": place_of(one.row)},
            "properties": {
                "project_id": one.key,
                "title": title_of(one, language),
                "tone": tone_of(one),
                "link": f"/{language}/projects/{one.city}/{one.key}",
            },
        }
        for one in placed(reader, city)
    ]
    return as_json(call, {"type": "FeatureCollection", "features": features})


def title_of(one: Project, language: Language) -> str:
    """Return what a project is called."""
    english = one.row["title_en"] if language == "en" else None
    return str(english or one.row["title_fa"])
