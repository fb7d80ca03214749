"""The addresses of vocabularies, and the controlled values that we use of them.

Every controlled value is emitted with its class, scheme and label beside its address:
the SHACL files of DCAT-AP import vocabularies from the web, and conform without them
when the values describe themselves.
"""

from dataclasses import dataclass

from pyoxigraph import NamedNode

ADMS = "http://www.w3.org/ns/adms#"
DCAT = "http://www.w3.org/ns/dcat#"
DCATAP = "http://data.europa.eu/r5r/"
DCT = "http://purl.org/dc/terms/"
FOAF = "http://xmlns.com/foaf/0.1/"
HYDRA = "http://www.w3.org/ns/hydra/core#"
LOCN = "http://www.w3.org/ns/locn#"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
SPDX = "http://spdx.org/rdf/terms#"
VCARD = "http://www.w3.org/2006/vcard/ns#"
XSD = "http://www.w3.org/2001/XMLSchema#"
AUTHORITY = "http://publications.europa.eu/resource/authority/"
IANA = "https://www.iana.org/assignments/media-types/"
PREFIXES = {
    "adms": ADMS, "dcat": DCAT, "dcatap": DCATAP, "dct": DCT, "foaf": FOAF,
    "hydra": HYDRA, "locn": LOCN, "rdfs": RDFS, "skos": SKOS, "spdx": SPDX,
    "vcard": VCARD, "xsd": XSD,
}  # fmt: skip
TYPE = NamedNode(f"{RDF}type")


@dataclass(frozen=True, slots=True)
class Controlled:
    """A value of a controlled vocabulary: address, class, scheme, label."""

    address: str
    kind: str
    scheme: str
    label: str


def authority(table: str, code: str, kind: str, label: str) -> Controlled:
    """Return a value of an authority table of the EU Publications Office."""
    return Controlled(f"{AUTHORITY}{table}/{code}", kind, f"{AUTHORITY}{table}", label)


def _frequency(code: str, label: str) -> Controlled:
    return authority("frequency", code, f"{DCT}Frequency", label)


def _file_type(code: str) -> Controlled:
    return authority("file-type", code, f"{DCT}MediaTypeOrExtent", code)


def _theme(code: str, label: str) -> Controlled:
    return authority("data-theme", code, f"{SKOS}Concept", label)


def media_type(name: str) -> Controlled:
    """Return a media type as DCAT names it."""
    return Controlled(f"{IANA}{name}", f"{DCT}MediaType", IANA.rstrip("/"), name)


FREQUENCIES = {
    "monthly": _frequency("MONTHLY", "monthly"),
    "quarterly": _frequency("QUARTERLY", "quarterly"),
    "half-yearly": _frequency("ANNUAL_2", "semiannual"),
    "yearly": _frequency("ANNUAL", "annual"),
    "per-event": _frequency("IRREG", "irregular"),
    "on-demand": _frequency("AS_NEEDED", "as needed"),
}
FILE_TYPES = {
    "parquet": _file_type("PARQUET"),
    "csv": _file_type("CSV"),
    "xlsx": _file_type("XLSX"),
}
THEMES = {
    "ECON": _theme("ECON", "Economy and finance"),
    "GOVE": _theme("GOVE", "Government and public sector"),
    "REGI": _theme("REGI", "Regions and cities"),
    "TRAN": _theme("TRAN", "Transport"),
    "TECH": _theme("TECH", "Science and technology"),
}
THEMES_OF = {
    "budget_lines": ("ECON", "GOVE"),
    "contracts": ("ECON", "GOVE"),
    "active_systems": ("GOVE",),
    "org_units": ("GOVE",),
    "resolutions": ("GOVE",),
    "kpi_values": ("GOVE",),
    "projects": ("REGI", "TRAN"),
    "work_sites": ("REGI", "TRAN"),
    "permit_stats": ("GOVE", "REGI"),
    "ideas": ("TECH", "GOVE"),
    "studies": ("TECH", "GOVE"),
}
PUBLIC = authority("access-right", "PUBLIC", f"{DCT}RightsStatement", "public")
LANGUAGES = {
    "fa": authority("language", "FAS", f"{DCT}LinguisticSystem", "Persian"),
    "en": authority("language", "ENG", f"{DCT}LinguisticSystem", "English"),
}
PUBLISHER_TYPE = Controlled(
    "http://purl.org/adms/publishertype/LocalAuthority",
    f"{SKOS}Concept",
    "http://purl.org/adms/publishertype/1.0",
    "Local Authority",
)
AVAILABILITY = authority("planned-availability", "STABLE", f"{SKOS}Concept", "stable")
WITHDRAWN = authority("dataset-status", "WITHDRAWN", f"{SKOS}Concept", "withdrawn")
COMPLETED = authority("dataset-status", "COMPLETED", f"{SKOS}Concept", "completed")
