"""The record of a portal's dataset: who published it where, and what we keep of it."""

from typing import TYPE_CHECKING, Any

from shahrdad.datasets import standards
from shahrdad.federation.bridge.packages import Package
from shahrdad.node import record
from shahrdad.node.accounts import audit
from shahrdad.node.bridge.keeping import Contents
from shahrdad.node.bridge.rows import Source
from shahrdad.node.record import Description

if TYPE_CHECKING:
    from shahrdad.node.city import Newest, Node

LICENSES = {  # CKAN's identifiers: ours
    "cc-by": "CC-BY-4.0",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-zero": "CC0-1.0",
    "cc0-1.0": "CC0-1.0",
    "odc-by": "ODC-By-1.0",
    "odc-by-1.0": "ODC-By-1.0",
    "odc-odbl": "ODbL-1.0",
    "odbl-1.0": "ODbL-1.0",
    "odc-pddl": "PDDL-1.0",
    "pddl-1.0": "PDDL-1.0",
}
NO_LICENSE = "notspecified"  # CKAN's own word


def build(
    node: "Node",
    source: Source,
    package: Package,
    slug: str,
    contents: Contents,
    before: "Newest | None",
    time: str,
) -> dict[str, Any]:
    """Return the record of the next version of a portal's dataset."""
    config = node.config.node
    origin = {"source": source.name, "package": package.id, "name": package.name}
    approval = node.config.publish.approval
    provenance: dict[str, Any] = {"approval": approval, "bridge": origin}
    if approval == "four-eyes":
        provenance["audit_head"] = audit.head(node.database.connect()).to_dict()
    if contents.writer:
        provenance["writer"] = contents.writer
        provenance["quality"] = {
            "errors": contents.errors,
            "warnings": contents.warnings,
        }
    body = record.build(
        slug=slug,
        city=config.city,
        city_code=config.city_code,
        publisher_fa=f"شهرداری {config.name_fa or config.city}",
        publisher_en=f"Municipality of {config.name_en or config.city.title()}",
        family=contents.family,
        standard=_standard(contents.family),
        description=describe(source, package, contents),
        tables=contents.tables,
        attachments=contents.attachments,
        provenance=provenance,
        version=before.version.n + 1 if before else 1,
        time=time,
    )
    body["homepage"] = page_of(source, package)
    body["resources"] += contents.links
    licence = body["licenses"][0]
    if "path" not in licence:
        licence["title"] = package.license_title or licence["name"]
        if package.license_url:
            licence["path"] = package.license_url
    return body


def page_of(source: Source, package: Package) -> str:
    """Return the address of the dataset's page at the portal."""
    return f"{source.url}/dataset/{package.name}"


def content(body: dict[str, Any]) -> dict[str, Any]:
    """Return what makes a version worth publishing.

    Beside what counts for any record, public files and links do: of a dataset without a
    table they are all there is.
    """
    found = record.content(body)
    others = [
        resource
        for resource in body.get("resources", [])
        if _role(resource) == "link"
        or (_role(resource) == "original" and resource["shahrdad"].get("public"))
    ]
    return {**found, "others": others}


def _role(resource: dict[str, Any]) -> str:
    return str(resource.get("shahrdad", {}).get("role", ""))


def _standard(family: str | None) -> dict[str, Any] | None:
    if family is None:
        return None
    standard = standards.load(family)
    return {
        "id": standard.family,
        "version": standard.version,
        "sha256": standard.digest,
    }


def describe(source: Source, package: Package, contents: Contents) -> Description:
    """Return what the portal says of the dataset, as a person would have said it."""
    page = page_of(source, package)
    persian = tuple(tag for tag in package.tags if _is_persian(tag))
    return Description(
        title_fa=package.title,
        title_en=package.title_en or package.title,
        description_fa=package.notes,
        description_en=package.notes_en,
        keywords_fa=persian,
        keywords_en=tuple(tag for tag in package.tags if tag not in persian),
        license=license_name(package.license_id),
        fiscal_year=contents.fiscal_year,
        sources=({"title": source.url.partition("//")[2], "path": page},),
    )


def license_name(text: str) -> str:
    """Return a licence's name here; one that is not known keeps its own.

    >>> license_name("cc-zero"), license_name("other pd"), license_name("")
    ('CC0-1.0', 'other-pd', 'notspecified')
    """
    known = LICENSES.get(text.strip().lower())
    if known:
        return known
    letters = [c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text]
    return "".join(letters).strip("-")[:60] or NO_LICENSE


def _is_persian(text: str) -> bool:
    return any("\u0600" <= letter <= "\u06ff" for letter in text)
