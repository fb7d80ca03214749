"""DCAT-AP 3.0.1: a dataset, and the catalog of a city.

The subject is the dataset's permanent address at its own city's node, also on a mirror:
a portal that harvests several nodes meets one dataset, with the files of each. Where a
mirror does not know that node's address, the subject is the mirror's.
"""

from collections.abc import Sequence

from pyoxigraph import BlankNode, NamedNode

from shahrdad.datasets import alignment
from shahrdad.datasets.codelists import code_list
from shahrdad.node.http import identity
from shahrdad.node.http.addresses import Addresses
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.ckan.dictionaries import tag_names
from shahrdad.node.http.dataset_object import Shown, license_of, period
from shahrdad.node.http.formats import MEDIA_TYPES
from shahrdad.node.http.languages import day_of
from shahrdad.node.http.metadata import vocabulary as v
from shahrdad.node.http.metadata.graph import Graph, Subject
from shahrdad.node.http.record_view import TableView
from shahrdad.node.http.texts import say
from shahrdad.node.http.view import NodeView

DISTRIBUTED = ("parquet", "csv", "xlsx")


class Homes:
    """Where the own nodes of cities are; a node that is not known is ours."""

    def __init__(self, node: NodeView) -> None:
        self._own = node.config.public_url
        found = node.federation_status().get("homes", {})
        self._known = {**found, node.config.node.city: self._own}

    def of(self, city: str) -> Addresses:
        """Return the addresses of a city's own node."""
        return Addresses(self._known.get(city, self._own))


def describe(graph: Graph, shown: Shown, homes: Homes | None = None) -> NamedNode:
    """Add a dataset with its distributions; return its node.

    Args:
        graph: Where it is added.
        shown: The version.
        homes: Where the nodes of cities are, if the caller has asked for it.
    """
    dataset, record = shown.dataset, shown.record
    addresses = (homes or Homes(shown.node)).of(dataset.city)
    node = NamedNode(addresses.dataset(dataset.ref))
    _named(graph, node, shown)
    graph.text(node, f"{v.DCT}identifier", str(identity.uid(dataset.ref)))
    add_publisher(graph, node, shown.node, dataset.city, addresses)
    _contact(graph, node, shown, addresses)
    for language in ("fa", "en"):
        words = record.words("keywords" if language == "fa" else "keywords_en")
        for word in tag_names(words):
            graph.both(node, f"{v.DCAT}keyword", {language: word})
    for theme in alignment.themes_of(dataset.family or ""):
        graph.controlled(node, f"{v.DCAT}theme", v.THEMES[theme])
    graph.controlled(node, f"{v.DCT}accessRights", v.PUBLIC)
    graph.controlled(node, f"{v.DCT}language", v.LANGUAGES["fa"])
    graph.typed(node, f"{v.DCT}issued", dataset.first_published, "dateTime")
    graph.typed(node, f"{v.DCT}modified", shown.version.time, "dateTime")
    graph.text(node, f"{v.DCAT}version", str(shown.version.n))
    if shown.version.n > 1:
        # It has no class: CKAN takes whatever is a dataset for one of the catalog.
        previous = NamedNode(addresses.dataset(dataset.ref, shown.version.n - 1))
        graph.add(node, f"{v.DCAT}previousVersion", previous)
    _series(graph, node, shown, addresses)
    _standard(graph, node, shown)
    _temporal(graph, node, shown)
    add_spatial(graph, node, shown.node, dataset.city)
    page = NamedNode(addresses.page("fa", f"/d/{dataset.ref}"))
    graph.add(node, f"{v.DCAT}landingPage", page)
    graph.kind(page, f"{v.FOAF}Document")
    for table in record.tables:
        for ext in DISTRIBUTED if table.parts else ():
            _distribution(graph, node, shown, table, ext)
    return node


def _named(graph: Graph, node: NamedNode, shown: Shown) -> None:
    """Say that a node is a dataset, and what people call it."""
    titles = shown.record.both("title")
    found = {name: text or shown.dataset.slug for name, text in titles.items()}
    described = shown.record.both("description")
    texts = {name: described[name] or found[name] for name in found}
    graph.kind(node, f"{v.DCAT}Dataset")
    graph.both(node, f"{v.DCT}title", found)
    graph.both(node, f"{v.DCT}description", texts)


def _series(graph: Graph, node: NamedNode, shown: Shown, home: Addresses) -> None:
    """Say that what a city publishes for each year belongs together."""
    standard, city = shown.standard, shown.dataset.city
    if standard is None or period(shown.record.ours.get("fiscal_year")) is None:
        return
    series = NamedNode(f"{home.root}/v1/cities/{city}#{standard.family}")
    names = city_name(city, shown.node.config)
    titles = {
        "fa": f"{standard.title_fa} · {names.name_fa}",
        "en": f"{standard.title_en} · {names.name_en}",
    }
    graph.add(node, f"{v.DCAT}inSeries", series)
    graph.kind(series, f"{v.DCAT}DatasetSeries")
    graph.both(series, f"{v.DCT}title", titles)
    described = {"fa": standard.description_fa, "en": standard.description_en}
    graph.both(series, f"{v.DCT}description", described)
    add_publisher(graph, series, shown.node, city, home)


def _standard(graph: Graph, node: Subject, shown: Shown) -> None:
    """Say which standard the dataset keeps to, and how often it appears."""
    standard = shown.standard
    if standard is None:
        return
    address = f"{shown.addresses.root}/v1/families/{standard.family}"
    described = NamedNode(address)
    graph.add(node, f"{v.DCT}conformsTo", described)
    graph.kind(described, f"{v.DCT}Standard")
    titles = {"fa": standard.title_fa, "en": standard.title_en}
    graph.both(described, f"{v.DCT}title", titles)
    graph.controlled(
        node, f"{v.DCT}accrualPeriodicity", v.FREQUENCIES.get(standard.cadence)
    )


def _temporal(graph: Graph, node: Subject, shown: Shown) -> None:
    bounds = period(shown.record.ours.get("fiscal_year"))
    if bounds is None:
        day = day_of(shown.version.time).isoformat()
        bounds = {
            "start": day_of(shown.dataset.first_published).isoformat(),
            "end": day,
        }
    span = graph.blank()
    graph.add(node, f"{v.DCT}temporal", span)
    graph.kind(span, f"{v.DCT}PeriodOfTime")
    graph.typed(span, f"{v.DCAT}startDate", bounds["start"], "date")
    graph.typed(span, f"{v.DCAT}endDate", bounds["end"], "date")


def _contact(graph: Graph, node: Subject, shown: Shown, home: Addresses) -> None:
    contact = graph.blank()
    city = shown.dataset.city
    graph.add(node, f"{v.DCAT}contactPoint", contact)
    graph.kind(contact, f"{v.VCARD}Kind", f"{v.VCARD}Organization")
    names = _publisher_names(shown.node, city)
    graph.both(contact, f"{v.VCARD}fn", names)
    page = home.page("fa", f"/cities/{city}")
    graph.add(contact, f"{v.VCARD}hasURL", NamedNode(page))


def _publisher_names(node: NodeView, slug: str) -> dict[str, str]:
    city = city_name(slug, node.config)
    return {"fa": f"شهرداری {city.name_fa}", "en": f"Municipality of {city.name_en}"}


def add_publisher(
    graph: Graph, node: Subject, view: NodeView, slug: str, home: Addresses
) -> None:
    """Say which municipality publishes something."""
    agent = NamedNode(f"{home.root}/v1/cities/{slug}")
    graph.add(node, f"{v.DCT}publisher", agent)
    graph.kind(agent, f"{v.FOAF}Agent", f"{v.FOAF}Organization")
    graph.both(agent, f"{v.FOAF}name", _publisher_names(view, slug))
    graph.controlled(agent, f"{v.DCT}type", v.PUBLISHER_TYPE)
    page = home.page("fa", f"/cities/{slug}")
    graph.add(agent, f"{v.FOAF}homepage", NamedNode(page))


def add_spatial(graph: Graph, node: Subject, view: NodeView, slug: str) -> None:
    """Say which city something is about, by GeoNames where it is known."""
    city = city_name(slug, view.config)
    row = code_list("cities").row(city.code) if city.code else None
    number = row.get("geonames_id") if row else None
    place: NamedNode | BlankNode = graph.blank()
    if number:
        place = NamedNode(f"https://sws.geonames.org/{number}/")
    graph.add(node, f"{v.DCT}spatial", place)
    graph.kind(place, f"{v.DCT}Location")
    names = {"fa": city.name_fa, "en": city.name_en}
    graph.both(place, f"{v.RDFS}label", names)


def _distribution(
    graph: Graph, node: Subject, shown: Shown, table: TableView, ext: str
) -> None:
    """Add one file of one table."""
    addresses, n = shown.addresses, shown.version.n
    address = addresses.resource(shown.ref, n, table.name, ext)
    file = NamedNode(address)
    graph.add(node, f"{v.DCAT}distribution", file)
    graph.kind(file, f"{v.DCAT}Distribution")
    both = shown.record.both("title")
    titles = {
        key: f"{text or shown.dataset.slug} ({ext})" for key, text in both.items()
    }
    graph.both(file, f"{v.DCT}title", titles)
    graph.both(file, f"{v.DCT}description", titles)
    graph.add(file, f"{v.DCAT}accessURL", NamedNode(addresses.dataset(shown.ref)))
    graph.add(file, f"{v.DCAT}downloadURL", file)
    graph.controlled(file, f"{v.DCT}format", v.FILE_TYPES[ext])
    media = MEDIA_TYPES[ext].partition(";")[0]
    graph.controlled(file, f"{v.DCAT}mediaType", v.media_type(media))
    graph.controlled(file, f"{v.DCATAP}availability", v.AVAILABILITY)
    graph.controlled(file, f"{v.ADMS}status", v.COMPLETED)
    graph.typed(file, f"{v.DCT}modified", shown.version.time, "dateTime")
    graph.typed(file, f"{v.DCT}issued", shown.version.time, "dateTime")
    _license(graph, file, shown)
    known = shown.file(table, ext)
    if known is not None:
        graph.typed(file, f"{v.DCAT}byteSize", str(known.bytes), "nonNegativeInteger")
        checksum = graph.blank()
        graph.add(file, f"{v.SPDX}checksum", checksum)
        graph.kind(checksum, f"{v.SPDX}Checksum")
        algorithm = NamedNode(f"{v.SPDX}checksumAlgorithm_sha256")
        graph.add(checksum, f"{v.SPDX}algorithm", algorithm)
        graph.kind(algorithm, f"{v.SPDX}ChecksumAlgorithm")
        graph.typed(checksum, f"{v.SPDX}checksumValue", known.digest.hex, "hexBinary")


def _license(graph: Graph, node: Subject, shown: Shown) -> None:
    licence = license_of(shown)
    url = licence["url"]
    if not url:
        return
    described = NamedNode(url)
    graph.add(node, f"{v.DCT}license", described)
    graph.kind(described, f"{v.DCT}LicenseDocument")
    graph.text(described, f"{v.DCT}title", licence["title"])
    graph.text(described, f"{v.DCT}identifier", licence["id"])


def catalog(
    view: NodeView, page: Sequence[Shown], address: str, following: str | None
) -> Graph:
    """Return a page of the catalog.

    Args:
        view: The node.
        page: Its datasets, by identifier.
        address: Of this page.
        following: Of the next page, or None.
    """
    graph = Graph()
    config = view.config
    root = config.public_url
    node = NamedNode(f"{root}/catalog")
    own = city_name(config.node.city, config)
    names = {
        "fa": f"{say('fa', 'site.name')} · {own.name_fa}",
        "en": f"{say('en', 'site.name')} · {own.name_en}",
    }
    graph.kind(node, f"{v.DCAT}Catalog")
    graph.both(node, f"{v.DCT}title", names)
    lead = {"fa": say("fa", "home.lead"), "en": say("en", "home.lead")}
    graph.both(node, f"{v.DCT}description", lead)
    add_publisher(graph, node, view, config.node.city, Addresses(root))
    home = NamedNode(Addresses(root).page("fa"))
    graph.add(node, f"{v.FOAF}homepage", home)
    graph.kind(home, f"{v.FOAF}Document")
    for language in ("fa", "en"):
        graph.controlled(node, f"{v.DCT}language", v.LANGUAGES[language])
    taxonomy = graph.scheme(f"{v.AUTHORITY}data-theme")
    graph.add(node, f"{v.DCAT}themeTaxonomy", taxonomy)
    add_spatial(graph, node, view, config.node.city)
    modified = max((shown.dataset.updated for shown in page), default=None)
    graph.typed(node, f"{v.DCT}modified", modified, "dateTime")
    homes = Homes(view)
    for shown in page:
        if shown.dataset.state == "withdrawn":
            _withdrawn(graph, node, homes.of(shown.dataset.city), shown)
            continue
        dataset = describe(graph, shown, homes)
        graph.add(node, f"{v.DCAT}dataset", dataset)
        _record(graph, node, dataset, shown)
    if following is not None:
        here = NamedNode(address)
        graph.kind(here, f"{v.HYDRA}PartialCollectionView")
        graph.add(here, f"{v.HYDRA}next", NamedNode(following))
    return graph


def _withdrawn(graph: Graph, node: Subject, home: Addresses, shown: Shown) -> None:
    """Add the record of a dataset that the catalog has no more."""
    dataset = NamedNode(home.dataset(shown.ref))
    _named(graph, dataset, shown)
    record = _record(graph, node, dataset, shown)
    graph.controlled(record, f"{v.ADMS}status", v.WITHDRAWN)
    graph.text(record, f"{v.DCT}description", shown.dataset.reason)


def _record(graph: Graph, node: Subject, dataset: NamedNode, shown: Shown) -> NamedNode:
    """Add the catalog's record of a dataset; return its node."""
    record = NamedNode(shown.addresses.api(shown.ref))
    graph.add(node, f"{v.DCAT}record", record)
    graph.kind(record, f"{v.DCAT}CatalogRecord")
    graph.add(record, f"{v.FOAF}primaryTopic", dataset)
    graph.typed(record, f"{v.DCT}modified", shown.dataset.updated, "dateTime")
    graph.typed(record, f"{v.DCT}issued", shown.dataset.first_published, "dateTime")
    profile = NamedNode("http://data.europa.eu/r5r/")
    graph.add(record, f"{v.DCT}conformsTo", profile)
    graph.kind(profile, f"{v.DCT}Standard")
    return record
