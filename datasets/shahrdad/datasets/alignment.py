"""Where the columns and codes of our standards stand in the standards of others.

Each table is data: an export walks its rows and needs no knowledge of its own. A path
is written as in the other standard's reference, with `/` between members and `[]` for a
list. What cannot be expressed there is in `losses`, so that an export can say what it
leaves out.

Sources: Fiscal Data Package 1.0rc1; OC4IDS 0.9.5; OCDS 1.1.5; publiccode.yml 0.4;
DCAT-AP 3.0.1 with the EU data-theme and frequency authority tables.

>>> from shahrdad.datasets.alignment import OC4IDS, target
>>> target(OC4IDS, "budget_rial")
'budget/amount/amount'
>>> OC4IDS.codes["status"]["suspended"]
'implementation'
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shahrdad.datasets.standards import load


@dataclass(frozen=True, slots=True)
class Mapped:
    """One column, or a fixed text, and its place there.

    Attributes:
        source: A field of the family, or None for a constant.
        target: The path there.
        constant: The text that always stands there, where `source` is None.
    """

    target: str
    source: str | None = None
    constant: str | None = None


@dataclass(frozen=True, slots=True)
class Alignment:
    """How one family is expressed in one standard.

    Attributes:
        codes: For a coded field our code and theirs.
        losses: What has no place there, by field: how an export treats it.
    """

    family: str
    standard: str
    version: str
    rows: tuple[Mapped, ...]
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    losses: Mapping[str, str] = field(default_factory=dict)


def target(alignment: Alignment, source: str) -> str | None:
    """Return where a field stands there, or None."""
    return next((row.target for row in alignment.rows if row.source == source), None)


def _fields(*pairs: tuple[str, str]) -> tuple[Mapped, ...]:
    return tuple(Mapped(target=path, source=name) for name, path in pairs)


# One row for each leaf line and amount that is not empty: `value` holds the amount, and
# `value-kind:code` the word that stands here for its column.
FISCAL_AMOUNTS: Mapping[str, str] = {
    "approved_rial": "approved",
    "amended_rial": "amended",
    "allocated_rial": "allocated",
    "committed_rial": "committed",
    "actual_rial": "actual",
}
FISCAL_DATA_PACKAGE = Alignment(
    family="budget_lines",
    standard="Fiscal Data Package",
    version="1.0rc1",
    rows=(
        *(
            Mapped(target=column.column_type, source=column.name)
            for column in load("budget_lines").fields
            if column.column_type is not None and column.name not in FISCAL_AMOUNTS
        ),
        *(Mapped(target="value", source=name) for name in FISCAL_AMOUNTS),
        Mapped(target="value-currency:code", constant="IRR"),
    ),
    losses={
        "is_subtotal": "subtotals are left out, since they would be counted twice",
        "supplement_rial": "left out; it is amended less approved",
    },
)

OC4IDS = Alignment(
    family="projects",
    standard="OC4IDS",
    version="0.9.5",
    rows=(
        *_fields(
        ("project_id", "id"),
        ("title_fa", "title"),
        ("description_fa", "description"),
        ("status", "status"),
        ("project_type", "type"),
        ("sector", "sector[]"),
        ("owner_unit_id", "publicAuthority/id"),
        ("lat", "locations[]/geometry/coordinates/1"),
        ("lon", "locations[]/geometry/coordinates/0"),
        ("budget_rial", "budget/amount/amount"),
        ("approval_date", "budget/approvalDate"),
        ("start_date", "period/startDate"),
        ("planned_end_date", "period/endDate"),
        ("actual_end_date", "completion/endDate"),
        ("spent_total_rial", "completion/finalValue/amount"),
        ("outcome_fa", "completion/finalScope"),
        ("physical_progress", "metrics[physical]/observations[]/measure"),
        ("financial_progress", "metrics[financial]/observations[]/measure"),
        ("as_of_date", "updated"),
    ),
        Mapped(target="budget/amount/currency", constant="IRR"),
        Mapped(target="completion/finalValue/currency", constant="IRR"),
        Mapped(target="locations[]/geometry/type", constant="Point"),
    ),
    codes={
        # Their list is closed and has no suspended: the change note tells it.
        "status": {
            code: "implementation" if code == "suspended" else code
            for code in (
                "identification", "preparation", "implementation", "suspended",
                "completion", "maintenance", "decommissioning", "decommissioned",
                "cancelled",
            )
        },
        "project_type": {
            "construction": "construction",
            "rehabilitation": "rehabilitation",
            "replacement": "replacement",
            "expansion": "expansion",
            "decommissioning": "decommissioning",
        },
    },
    losses={
        "project_type": "digital and study go to additionalClassifications",
        "change_note_fa": "joined to the description where the status is suspended",
    },
)  # fmt: skip

OCDS = Alignment(
    family="contracts",
    standard="OCDS",
    version="1.1.5",
    rows=(
        *_fields(
            ("ocid", "ocid"),
            ("contract_id", "contracts[]/id"),
            ("subject_fa", "contracts[]/title"),
            ("method", "tender/procurementMethod"),
            ("contract_type", "tender/mainProcurementCategory"),
            ("supplier_name", "awards[]/suppliers[]/name"),
            ("supplier_id", "parties[]/identifier/id"),
            ("org_unit_id", "buyer/id"),
            ("sign_date", "contracts[]/dateSigned"),
            ("start_date", "contracts[]/period/startDate"),
            ("end_date", "contracts[]/period/endDate"),
            ("amount_rial", "contracts[]/value/amount"),
            ("paid_rial", "contracts[]/implementation/transactions[]/value/amount"),
            ("status", "contracts[]/status"),
            ("document_url", "contracts[]/documents[]/url"),
            ("project_id", "relatedProcesses[planning]/identifier"),
            ("amendment_no", "contracts[]/amendments[]/id"),
            ("as_of_date", "date"),
        ),
        Mapped(target="contracts[]/value/currency", constant="IRR"),
        Mapped(target="parties[]/identifier/scheme", constant="IR-LEGALID"),
    ),
    codes={
        "method": {
            "open": "open",
            "selective": "selective",
            "limited": "limited",
            "direct": "direct",
        },
        "status": {
            "pending": "pending",
            "active": "active",
            "completed": "terminated",
            "terminated": "terminated",
            "cancelled": "cancelled",
        },
        "contract_type": {
            "works": "works",
            "goods": "goods",
            "services": "services",
            "consultancy": "services",
        },
    },
    losses={
        "contract_type": "lease, bot, bolt, boo, partnership and other go to"
        " tender/additionalProcurementCategories",
        "setad_no": "without an OCID, setad:<no> is a local one: no Iranian prefix is"
        " registered",
        "status": "completed is terminated there, with implementation ended",
    },
)

PUBLICCODE = Alignment(
    family="active_systems",
    standard="publiccode.yml",
    version="0.4",
    rows=(
        *_fields(
            ("name_fa", "name"),
            ("source_url", "url"),
            ("version", "softwareVersion"),
            ("lifecycle_status", "developmentStatus"),
            ("function_fa", "description/fa/shortDescription"),
            ("license", "legal/license"),
            ("acquisition", "maintenance/type"),
            ("public_url", "landingURL"),
            ("go_live_date", "releaseDate"),
        ),
        Mapped(target="publiccodeYmlVersion", constant="0.4"),
        Mapped(target="softwareType", constant="standalone/other"),
        Mapped(target="localisation/localisationReady", constant="false"),
        Mapped(target="localisation/availableLanguages[]", constant="fa"),
    ),
    codes={
        "lifecycle_status": {
            "planned": "concept",
            "phasing_in": "beta",
            "operational": "stable",
            "phasing_out": "obsolete",
            "retired": "obsolete",
        },
        "acquisition": {
            "in_house": "internal",
            "bought": "contract",
            "saas": "contract",
            "joint": "contract",
            "open_source": "community",
            "outsourced": "contract",
        },
    },
    losses={"reuse_offer": "only systems that offer their code are exported"},
)

THEMES: Mapping[str, tuple[str, ...]] = {
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
THEMES_ELSE = ("GOVE",)  # of what follows no standard
FREQUENCIES: Mapping[str, str] = {
    "monthly": "MONTHLY",
    "quarterly": "QUARTERLY",
    "half-yearly": "ANNUAL_2",
    "yearly": "ANNUAL",
    "per-event": "IRREG",
    "on-demand": "IRREG",
}
THEME_BASE = "http://publications.europa.eu/resource/authority/data-theme/"
FREQUENCY_BASE = "http://publications.europa.eu/resource/authority/frequency/"
ALIGNMENTS: tuple[Alignment, ...] = (FISCAL_DATA_PACKAGE, OC4IDS, OCDS, PUBLICCODE)


def themes_of(family: str) -> tuple[str, ...]:
    """Return the codes of a standard's themes; "" is a dataset without a standard.

    >>> themes_of("contracts"), themes_of("")
    (('ECON', 'GOVE'), ('GOVE',))
    """
    return THEMES.get(family, THEMES_ELSE)
