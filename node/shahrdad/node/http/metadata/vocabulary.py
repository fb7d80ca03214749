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
    """A value of a controlled vocabulary: address, class, scheme, labels.

    A name that is one in every language, as of a media type, has no Persian label.
    """

    address: str
    kind: str
    scheme: str
    label_en: str
    label_fa: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """The labels, by language."""
        return {"fa": self.label_fa, "en": self.label_en}


def authority(
    table: str, code: str, kind: str, label_en: str, label_fa: str = ""
) -> Controlled:
    """Return a value of an authority table of the EU Publications Office."""
    address, scheme = f"{AUTHORITY}{table}/{code}", f"{AUTHORITY}{table}"
    return Controlled(address, kind, scheme, label_en, label_fa)


def _frequency(code: str, label_en: str, label_fa: str) -> Controlled:
    return authority("frequency", code, f"{DCT}Frequency", label_en, label_fa)


def _file_type(code: str) -> Controlled:
    return authority("file-type", code, f"{DCT}MediaTypeOrExtent", code)


def _theme(code: str, label_en: str, label_fa: str) -> Controlled:
    return authority("data-theme", code, f"{SKOS}Concept", label_en, label_fa)


def media_type(name: str) -> Controlled:
    """Return a media type as DCAT names it."""
    return Controlled(f"{IANA}{name}", f"{DCT}MediaType", IANA.rstrip("/"), name)


FREQUENCIES = {
    "monthly": _frequency("MONTHLY", "monthly", "ماهانه"),
    "quarterly": _frequency("QUARTERLY", "quarterly", "فصلی"),
    "half-yearly": _frequency("ANNUAL_2", "semiannual", "شش‌ماهه"),
    "yearly": _frequency("ANNUAL", "annual", "سالانه"),
    "per-event": _frequency("IRREG", "irregular", "نامنظم"),
    "on-demand": _frequency("AS_NEEDED", "as needed", "برحسب نیاز"),
}
FILE_TYPES = {
    "parquet": _file_type("PARQUET"),
    "csv": _file_type("CSV"),
    "xlsx": _file_type("XLSX"),
}
THEMES = {
    "ECON": _theme("ECON", "Economy and finance", "اقتصاد و دارایی"),
    "GOVE": _theme("GOVE", "Government and public sector", "دولت و بخش عمومی"),
    "REGI": _theme("REGI", "Regions and cities", "مناطق و شهرها"),
    "TRAN": _theme("TRAN", "Transport", "حمل‌ونقل"),
    "TECH": _theme("TECH", "Science and technology", "علم و فناوری"),
}
PUBLIC = authority("access-right", "PUBLIC", f"{DCT}RightsStatement", "public", "عمومی")
LANGUAGES = {
    "fa": authority("language", "FAS", f"{DCT}LinguisticSystem", "Persian", "فارسی"),
    "en": authority("language", "ENG", f"{DCT}LinguisticSystem", "English", "انگلیسی"),
}
PUBLISHER_TYPE = Controlled(
    "http://purl.org/adms/publishertype/LocalAuthority",
    f"{SKOS}Concept",
    "http://purl.org/adms/publishertype/1.0",
    "Local Authority",
    "نهاد محلی",
)
AVAILABILITY = authority(
    "planned-availability", "STABLE", f"{SKOS}Concept", "stable", "پایدار"
)
WITHDRAWN = authority(
    "dataset-status", "WITHDRAWN", f"{SKOS}Concept", "withdrawn", "پس‌گرفته"
)
COMPLETED = authority(
    "dataset-status", "COMPLETED", f"{SKOS}Concept", "completed", "کامل"
)
SCHEMES = {  # address → title in Persian, in English
    f"{AUTHORITY}access-right": ("دسترسی", "Access right"),
    f"{AUTHORITY}data-theme": ("موضوع داده", "Data theme"),
    f"{AUTHORITY}dataset-status": ("وضعیت مجموعه‌داده", "Dataset status"),
    f"{AUTHORITY}file-type": ("نوع پرونده", "File type"),
    f"{AUTHORITY}frequency": ("تناوب", "Frequency"),
    f"{AUTHORITY}language": ("زبان", "Language"),
    f"{AUTHORITY}planned-availability": ("دوام", "Planned availability"),
    IANA.rstrip("/"): ("نوع رسانه", "Media type"),
    PUBLISHER_TYPE.scheme: ("نوع ناشر", "Publisher type"),
}
