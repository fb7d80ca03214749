"""Places as GeoJSON, and work sites as a WZDx 4.2 feed (standards 7.7).

WZDx describes an event on a named road between two dates, so a site without street,
point, start or end is in the plain GeoJSON alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from shahrdad.node.http import identity
from shahrdad.node.http.answers import dump
from shahrdad.node.http.dataset_object import Shown
from shahrdad.node.http.exports.cells import json_value
from shahrdad.node.http.mappings.rows import Row, filled, instant, publisher, rows_of

VERSION = "4.2"


def geojson(shown: Shown, _: Mapping[str, str]) -> bytes:
    """Return every row that has a point as a feature with all its columns."""
    features = []
    for row in rows_of(shown):
        point = _point(row)
        if point is None:
            continue
        values = {
            name: json_value(value)
            for name, value in row.items()
            if name not in {"lat", "lon"} and value is not None
        }
        geometry = {"type": "Point", "coordinates": point}
        features.append({"type": "Feature", "geometry": geometry, "properties": values})
    return dump({"type": "FeatureCollection", "features": features})


def wzdx(shown: Shown, _: Mapping[str, str]) -> bytes:
    """Return the work sites as a feed of road events."""
    source = str(identity.uid(shown.ref))
    info = {
        "publisher": publisher(shown),
        "version": VERSION,
        "update_date": shown.version.time,
        "data_sources": [
            {
                "data_source_id": source,
                "organization_name": publisher(shown),
                "update_date": shown.version.time,
            }
        ],
    }
    features = list(_events(shown, source))
    return dump({"feed_info": info, "type": "FeatureCollection", "features": features})


def _events(shown: Shown, source: str) -> Iterator[dict[str, Any]]:
    for row in rows_of(shown):
        point = _point(row)
        start = row.get("start_date")
        end = row.get("actual_end_date") or row.get("planned_end_date")
        if point is None or not row.get("street_fa") or start is None or end is None:
            continue
        details = {
            "data_source_id": source,
            "event_type": "work-zone",
            "road_names": [row["street_fa"]],
            "direction": "unknown",  # no standard of ours asks for it
            "name": row["title_fa"],
            "update_date": instant(row["as_of_date"]),
        }
        begun = row["site_status"] in {"active", "completed"}
        properties = {
            "core_details": filled(details),
            "start_date": instant(start),
            "end_date": instant(end),
            "is_start_date_verified": begun,
            "is_end_date_verified": row.get("actual_end_date") is not None,
            "is_start_position_verified": False,
            "is_end_position_verified": False,
            "location_method": "unknown",
            "vehicle_impact": str(row.get("vehicle_impact") or "unknown").replace(
                "_", "-"
            ),
        }
        yield {
            "id": str(identity.resource_uid(shown.ref, row["site_id"])),
            "type": "Feature",
            "properties": properties,
            # The feed knows lines and several points; of a site we know one point.
            "geometry": {"type": "MultiPoint", "coordinates": [point, point]},
        }


def _point(row: Row) -> list[float] | None:
    """Return longitude and latitude, as GeoJSON orders them."""
    if row.get("lat") is None or row.get("lon") is None:
        return None
    return [row["lon"], row["lat"]]
