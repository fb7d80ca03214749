"""Link headers by which programs find their way: cite-as, item, license."""

from shahrdad.node.http.dataset_object import Shown, license_of
from shahrdad.node.http.formats import MEDIA_TYPES
from shahrdad.node.http.mappings.doors import doors_of

ALTERNATES = {
    "json": "application/json",
    "datapackage.json": "application/vnd.datapackage+json",
    "ttl": "text/turtle",
    "jsonld": "application/ld+json",
}


def link_header(shown: Shown) -> str:
    """Return the Link header of a dataset's address (RFC 8288, signposting)."""
    addresses, ref, n = shown.addresses, shown.ref, shown.version.n
    base = addresses.dataset(ref)
    found = [
        (base, "cite-as", ""),
        ("https://schema.org/Dataset", "type", ""),
        (addresses.page("fa", "/datasets"), "collection", "text/html"),
        (
            addresses.api(ref, n, "descriptor"),
            "describedby",
            ALTERNATES["datapackage.json"],
        ),
    ]
    url = license_of(shown)["url"]
    if url:
        found.append((url, "license", ""))
    found += [
        (f"{base}.{suffix}", "alternate", media) for suffix, media in ALTERNATES.items()
    ]
    found += [
        (f"{base}.{suffix}", "alternate", door.media_type.partition(";")[0])
        for suffix, door in doors_of(shown.dataset.family).items()
    ]
    for table in shown.record.tables:
        if table.parts:
            found += [
                (addresses.resource(ref, n, table.name, ext), "item", MEDIA_TYPES[ext])
                for ext in ("parquet", "csv", "xlsx")
            ]
    return ", ".join(
        f'<{address}>; rel="{relation}"' + (f'; type="{media}"' if media else "")
        for address, relation, media in found
    )
