"""What is shared, under which names: share = city, schema = standard, table = dataset.

A dataset of several tables has a table `slug__resource` for each. The share `all` has,
for each standard, one table over every city. Names are compared without case. Lists are
paged by the last name, so a dataset that appears meanwhile moves no other.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from shahrdad.datasets import standards
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.catalog import Dataset
from shahrdad.node.http import holdings
from shahrdad.node.http.dataset_object import Shown, held, show
from shahrdad.node.http.identity import resource_uid, uid
from shahrdad.node.http.record_view import TableView
from shahrdad.node.http.view import NodeView

EVERY_CITY = "all"
NO_FAMILY = "other"


@dataclass(frozen=True, slots=True)
class Name:
    """The three names of a table; empty ones ask for what is above it."""

    share: str
    schema: str = ""
    table: str = ""

    def document(self) -> dict[str, str]:
        """Return it as the protocol lists tables."""
        found = {"name": self.table, "schema": self.schema, "share": self.share}
        if self.share != EVERY_CITY:
            slug, _, resource = self.table.partition("__")
            ref = f"{self.share}/{slug}"
            own = resource_uid(ref, resource) if resource else uid(ref)
            found |= {"id": str(own), "shareId": str(uid(self.share))}
        return found


def shares(node: NodeView) -> list[str]:
    """Return the shares: every city with a dataset, and the one over all."""
    known = holdings.cities(node.database.connect())
    return [*sorted(city for city, (live, _) in known.items() if live), EVERY_CITY]


def check_share(node: NodeView, share: str) -> str:
    """Return a share's own spelling.

    Raises:
        RequestError: SHARE_UNKNOWN.
    """
    found = share.lower()
    if found not in shares(node):
        raise unknown(share)
    return found


def schemas(node: NodeView, share: str) -> list[str]:
    """Return the schemas of a share: the standards of its datasets."""
    share = check_share(node, share)
    city = None if share == EVERY_CITY else share
    found = holdings.families(node.database.connect(), city)
    if share == EVERY_CITY:
        return sorted(name for name in found if name in standards.families())
    return sorted(name or NO_FAMILY for name in found)


def tables(
    node: NodeView, share: str, schema: str | None, after: str, limit: int
) -> tuple[list[Name], str]:
    """Return a page of tables, and where the next one begins; "" after the last.

    Args:
        node: Whose catalog.
        share: A share.
        schema: One of its schemas; None for all.
        after: The last dataset of the page before.
        limit: Datasets at a time.

    Raises:
        RequestError: SHARE_UNKNOWN.
    """
    known = schemas(node, share)
    share = share.lower()
    if schema is not None and schema.lower() not in known:
        raise unknown(f"{share}.{schema}")
    if share == EVERY_CITY:
        wanted = [schema.lower()] if schema is not None else known
        return [Name(share, name, name) for name in wanted], ""
    family = None if schema is None else schema.lower()
    found = holdings.slugs(
        node.database.connect(),
        share,
        "" if family == NO_FAMILY else family,
        after,
        limit,
    )
    names = [name for slug in found for name in _tables_of(node, share, slug)]
    return names, found[-1] if len(found) == limit else ""


def _tables_of(node: NodeView, share: str, slug: str) -> Iterator[Name]:
    """Yield the tables of a dataset whose objects lie here."""
    dataset, version = node.catalog.version(f"{share}/{slug}")
    if version.state != "held":
        return
    shown = show(node, dataset, version)
    if not held(shown):
        return
    schema = dataset.family or NO_FAMILY
    shared = [table for table in shown.record.tables if table.parts]
    for table in shared:
        name = slug if len(shared) == 1 else f"{slug}__{table.name}"
        yield Name(share, schema, name)


def find_dataset(node: NodeView, name: Name) -> tuple[Dataset, str]:
    """Return the dataset of a table, and which of its tables; "" for the only one.

    Raises:
        RequestError: SHARE_UNKNOWN.
    """
    slug, _, resource = name.table.lower().partition("__")
    try:
        dataset = node.catalog.get(f"{name.share.lower()}/{slug}")
    except RequestError as error:
        raise unknown(f"{name.share}.{name.schema}.{name.table}") from error
    schema = dataset.family or NO_FAMILY
    if dataset.state != "live" or schema != name.schema.lower():
        raise unknown(f"{name.share}.{name.schema}.{name.table}")
    return dataset, resource


def find_table(shown: Shown, resource: str) -> TableView:
    """Return one table of a version.

    Raises:
        RequestError: SHARE_UNKNOWN: it has no such one, or its objects are elsewhere.
    """
    shared = [table for table in shown.record.tables if table.parts]
    for table in shared:
        if table.name == resource or (not resource and len(shared) == 1):
            if not held(shown):
                break
            return table
    raise unknown(f"{shown.dataset.city}.{shown.dataset.slug} {resource}".strip())


def unknown(name: str) -> RequestError:
    """Return the error of a name that nothing has."""
    return RequestError(Reason.SHARE_UNKNOWN, name=name[:200])
