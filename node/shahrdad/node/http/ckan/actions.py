"""Every read action, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.node.catalog import Dataset
from shahrdad.node.http import holdings, identity
from shahrdad.node.http.answers import Call
from shahrdad.node.http.ckan import datastore, dictionaries, envelope, search
from shahrdad.node.http.ckan.directory import (
    DELETED_DAYS_MAX,
    SCANNED_MAX,
    facets_asked,
    plan,
)
from shahrdad.node.http.ckan.envelope import Refusal, missing, not_found
from shahrdad.node.http.ckan.packages import Base, Package, Packages
from shahrdad.node.http.dataset_object import show
from shahrdad.node.http.languages import now, rfc3339
from shahrdad.node.http.release import release
from shahrdad.node.record import LICENSES

CKAN_VERSION = "2.11.0"  # clients ask for digits; the contract is that of this release


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of an action."""

    call: Call
    base: Base
    values: Mapping[str, Any]
    packages: Packages

    def listed(self) -> list[Package]:
        """Return every package of the base."""
        return self.packages.list(self.call.node, self.base)

    def id(self, *names: str) -> str:
        """Return the first given of some parameters."""
        return next(
            (found for name in names if (found := envelope.text(self.values, name))), ""
        )

    def package(self, wanted: str) -> Package | None:
        """Return a package by identifier, name or reference."""
        node = self.call.node
        ref = self.packages.directory.ref(node, wanted)
        if ref is None:
            return None
        dataset = node.catalog.get(ref)
        if not self._shows(dataset):
            return None
        return self.packages.get(node, dataset, self.base)

    def _shows(self, dataset: Dataset) -> bool:
        """Tell whether the base has a dataset."""
        own = dataset.city == self.call.node.config.node.city
        if not own and self.base != "all":
            return False
        if dataset.state == "live":
            return True
        oldest = rfc3339(now() - timedelta(days=DELETED_DAYS_MAX))
        return self.base == "harvest" and dataset.updated >= oldest


Result = Any
Action = Callable[[Asked], Result]


def package_search(asked: Asked) -> Result:
    """Search datasets."""
    wanted = search.wanted(asked.values)
    if isinstance(wanted, Refusal):
        return wanted
    node, packages = asked.call.node, asked.packages
    planned = None
    if not facets_asked(asked.values):
        planned = plan(node, asked.base, wanted.queries, wanted.order)
    if planned is None:
        if packages.directory.size(node) > SCANNED_MAX:
            return Refusal(
                "Search Error",
                f"This catalog has more than {SCANNED_MAX} datasets: search it"
                " by organization, groups, license_id, name, id or dates here, by"
                f" words and facets at {asked.call.public.root}/v1/datasets",
            )
        return search.search(asked.listed(), asked.values)
    count, refs = packages.directory.page(node, planned, wanted.start, wanted.rows)
    found = (packages.written(node, ref, asked.base) for ref in refs)
    about = {"count": count, "sort": wanted.order, "facets": {}, "search_facets": {}}
    return envelope.Written(about, [data for data in found if data is not None])


def package_list(asked: Asked) -> Result:
    """List the names of datasets."""
    names = [one.dictionary["name"] for one in asked.listed() if _is_live(one)]
    return _slice(sorted(names), asked.values)


def package_show(asked: Asked) -> Result:
    """Show one dataset."""
    wanted = asked.id("id", "name_or_id")
    if not wanted:
        return missing("id")
    found = asked.package(wanted)
    return found.dictionary if found else not_found("Dataset was not found.")


def current_list(asked: Asked) -> Result:
    """List datasets with their resources."""
    found = [one.dictionary for one in asked.listed() if _is_live(one)]
    return _slice(found, asked.values, 1_000)


def resource_show(asked: Asked) -> Result:
    """Show one resource."""
    wanted = asked.id("id")
    if not wanted:
        return missing("id")
    for one in asked.listed():
        for resource in one.dictionary["resources"]:
            if resource["id"] == wanted:
                return resource
    return not_found("Resource was not found.")


def resource_search(asked: Asked) -> Result:
    """Search resources by `field:words`."""
    found = [r for one in asked.listed() for r in one.dictionary["resources"]]
    for query in envelope.listed(asked.values, "query"):
        field, colon, term = query.partition(":")
        if not colon:
            return Refusal("Validation Error", fields={"query": ["Must be field:term"]})
        folded = term.casefold()
        found = [r for r in found if folded in str(r.get(field) or "").casefold()]
    return {"count": len(found), "results": _slice(found, asked.values, 1_000)}


def no_items(asked: Asked) -> Result:
    """List what this node has none of."""
    return []


def organization_list(asked: Asked) -> Result:
    """List cities."""
    counts = _counts(asked, "organization")
    if not envelope.flag(asked.values, "all_fields"):
        return _slice(sorted(counts), asked.values)
    return _slice(
        [_city(asked, slug, counts[slug]) for slug in sorted(counts)], asked.values
    )


def organization_show(asked: Asked) -> Result:
    """Show one city."""
    wanted, counts = asked.id("id"), _counts(asked, "organization")
    for slug, count in counts.items():
        if wanted in {slug, str(dictionaries.city_id(slug))}:
            found = _city(asked, slug, count)
            if envelope.flag(asked.values, "include_datasets"):
                found["packages"] = _of(asked, "organization", slug)
            return found
    return not_found("Group was not found.") if wanted else missing("id")


def organization_autocomplete(asked: Asked) -> Result:
    """Suggest cities."""
    choices = [
        (slug, str(_city(asked, slug, 0)["title"]))
        for slug in sorted(_counts(asked, "organization"))
    ]
    return [
        {"id": str(dictionaries.city_id(name)), "name": name, "title": title}
        for name, title in search.autocomplete(choices, asked.values)
    ]


def _city(asked: Asked, slug: str, count: int) -> dict[str, Any]:
    found = dictionaries.organization(asked.call.node, slug)
    more = {
        "display_name": found["title"],
        "package_count": count,
        "num_followers": 0,
        "image_display_url": "",
        "users": [],
        "groups": [],
        "tags": [],
        "extras": [],
    }
    return {**found, **more}


def group_list(asked: Asked) -> Result:
    """List families that have datasets."""
    counts = _counts(asked, "groups")
    if not envelope.flag(asked.values, "all_fields"):
        return _slice(sorted(counts), asked.values)
    found = [dictionaries.group(name, counts[name]) for name in sorted(counts)]
    return _slice(found, asked.values)


def group_show(asked: Asked) -> Result:
    """Show one family."""
    wanted, counts = asked.id("id"), _counts(asked, "groups")
    for name in {*dictionaries.known_families(), *counts}:
        found = dictionaries.group(name, counts.get(name, 0))
        if wanted in {name, found["id"]}:
            if envelope.flag(asked.values, "include_datasets"):
                found["packages"] = _of(asked, "groups", name)
            return found
    return not_found("Group was not found.") if wanted else missing("id")


def group_package_show(asked: Asked) -> Result:
    """List the datasets of a family."""
    wanted = asked.id("id")
    return (
        _slice(_of(asked, "groups", wanted), asked.values) if wanted else missing("id")
    )


def group_autocomplete(asked: Asked) -> Result:
    """Suggest families."""
    groups = [dictionaries.group(name) for name in sorted(_counts(asked, "groups"))]
    by_name = {group["name"]: group for group in groups}
    choices = [(group["name"], str(group["title"])) for group in groups]
    found = search.autocomplete(choices, asked.values)
    return [by_name[name] for name, _ in found]


def tag_list(asked: Asked) -> Result:
    """List keywords."""
    names = sorted(_counts(asked, "tags"))
    q = envelope.text(asked.values, "query").casefold()
    names = [name for name in names if q in name.casefold()]
    if envelope.flag(asked.values, "all_fields"):
        return _slice([dictionaries.tag(name) for name in names], asked.values)
    return _slice(names, asked.values)


def tag_show(asked: Asked) -> Result:
    """Show one keyword."""
    wanted = asked.id("id")
    for name in _counts(asked, "tags"):
        found = dictionaries.tag(name)
        if wanted in {name, found["id"]}:
            return found
    return not_found("Tag was not found.") if wanted else missing("id")


def tag_autocomplete(asked: Asked) -> Result:
    """Suggest keywords."""
    choices = [(name, name) for name in sorted(_counts(asked, "tags"))]
    return [name for name, _ in search.autocomplete(choices, asked.values)]


def license_list(asked: Asked) -> Result:
    """List the open licences."""
    return [
        {
            "id": name,
            "title": title,
            "url": url,
            "status": "active",
            "is_okd_compliant": True,
            "od_conformance": "approved",
            "domain_data": True,
        }
        for name, (title, url) in LICENSES.items()
    ]


def user_show(asked: Asked) -> Result:
    """Say that accounts are not shown."""
    return not_found("User was not found.")


def status_show(asked: Asked) -> Result:
    """Show what this is."""
    return {
        "ckan_version": CKAN_VERSION,
        "site_title": f"Shahrdad {release()}",
        "site_description": "",
        "site_url": asked.call.public.root,
        "error_emails_to": None,
        "locale_default": "fa_IR",
        "extensions": ["datastore"],
    }


def site_read(asked: Asked) -> Result:
    """Tell that the site may be read."""
    return True


def help_show(asked: Asked) -> Result:
    """Show what an action does."""
    name = asked.id("name")
    if not name:
        return missing("name")
    action = ACTIONS.get(name)
    return action.__doc__ if action else not_found(f"Action '{name}' was not found.")


def package_autocomplete(asked: Asked) -> Result:
    """Suggest datasets."""
    choices = [(one.dictionary["name"], one.title_key) for one in asked.listed()]
    return [
        {"name": name, "title": title, "match_field": "title", "match_displayed": title}
        for name, title in search.autocomplete(choices, asked.values)
    ]


def format_autocomplete(asked: Asked) -> Result:
    """Suggest formats."""
    choices = [(name.lower(), name) for name in sorted(_counts(asked, "res_format"))]
    return [name for name, _ in search.autocomplete(choices, asked.values)]


def recent_activity(asked: Asked) -> Result:
    """List the newest publications and withdrawals."""
    prefix = "" if asked.base == "all" else f"{asked.call.node.config.node.city}/"
    return _activities(asked, prefix)


def package_activity(asked: Asked) -> Result:
    """List the publications of one dataset."""
    wanted = asked.id("id")
    found = asked.package(wanted) if wanted else None
    if found is None:
        return not_found("Dataset was not found.") if wanted else missing("id")
    return _activities(asked, str(found.dictionary["name"]).replace("--", "/", 1))


def _activities(asked: Asked, prefix: str) -> list[dict[str, Any]]:
    limit = envelope.whole(asked.values, "limit", 31) or 31
    offset = envelope.whole(asked.values, "offset", 0) or 0
    connection = asked.call.node.database.connect()
    changes = holdings.newest_changes(connection, prefix, min(1_000, limit + offset))
    return [
        {
            "id": str(identity.resource_uid(change.ref, f"activity/{change.index}")),
            "timestamp": dictionaries.moment(change.time, change.index),
            "user_id": "shahrdad",
            "object_id": str(identity.uid(change.ref)),
            "activity_type": _activity_type(change),
            "data": {"package": {"name": change.ref.replace("/", "--")}},
        }
        for change in changes[offset:]
    ]


def _activity_type(change: holdings.FeedChange) -> str:
    if change.op == "delete":
        return "deleted package"
    return "new package" if change.version == 1 else "changed package"


def activity_data(asked: Asked) -> Result:
    """Show what an activity was about."""
    return not_found("Activity was not found.")


def datastore_search(asked: Asked) -> Result:
    """Search the rows of a table."""
    if envelope.text(asked.values, "resource_id") == "_table_metadata":
        return _table_metadata(asked)
    source = _source(asked, "resource_id")
    if isinstance(source, Refusal):
        return source
    return datastore.search(source, asked.values)


def datastore_info(asked: Asked) -> Result:
    """Show the columns of a table."""
    source = _source(asked, "id", "resource_id")
    return source if isinstance(source, Refusal) else datastore.info(source)


def _source(asked: Asked, *names: str) -> datastore.Source | Refusal:
    """Return the table that a resource identifier means."""
    wanted = asked.id(*names)
    if not wanted:
        return missing(names[0])
    for one in asked.listed():
        for resource in one.dictionary["resources"]:
            if resource["id"] == wanted and resource["datastore_active"]:
                ref = str(one.dictionary["name"])
                try:
                    shown = show(asked.call.node, *asked.call.node.catalog.version(ref))
                except ShahrdadError:
                    break
                table = shown.record.table(str(resource["name"]).rpartition(".")[0])
                if table is not None:
                    return datastore.Source(shown, table, wanted)
    return not_found(f'Resource "{wanted[:64]}" was not found.')


def _table_metadata(asked: Asked) -> dict[str, Any]:
    """Return the list of tables, which ckanr asks for."""
    found = [
        {"_id": 0, "name": resource["id"], "oid": 0, "alias_of": None}
        for one in asked.listed()
        for resource in one.dictionary["resources"]
        if resource["datastore_active"]
    ]
    records = [{**item, "_id": n, "oid": n} for n, item in enumerate(found, 1)]
    limit = envelope.whole(asked.values, "limit", datastore.LIMIT_DEFAULT) or 0
    offset = envelope.whole(asked.values, "offset", 0) or 0
    names = (("_id", "text"), ("name", "name"), ("oid", "oid"), ("alias_of", "name"))
    return {
        "resource_id": "_table_metadata",
        "fields": [{"id": name, "type": kind} for name, kind in names],
        "records": records[offset : offset + limit],
        "total": len(records),
        "limit": limit,
        "offset": offset,
        "records_format": "objects",
        "total_was_estimated": False,
    }


def _is_live(one: Package) -> bool:
    return bool(one.dictionary["state"] == "active")


def _counts(asked: Asked, field: str) -> dict[str, int]:
    """Return how many live datasets each value of a field has."""
    found: dict[str, int] = {}
    for one in asked.listed():
        for value in one.indexed.fields.get(field, ()):
            found[value] = found.get(value, 0) + _is_live(one)
    return found


def _of(asked: Asked, field: str, value: str) -> list[dict[str, Any]]:
    return [
        one.dictionary
        for one in asked.listed()
        if value in one.indexed.fields.get(field, ()) and _is_live(one)
    ]


def _slice(items: list[Any], values: Mapping[str, Any], maximum: int = 0) -> list[Any]:
    """Return `limit` items after `offset`; without them all, up to a bound."""
    offset = envelope.whole(values, "offset", 0) or 0
    limit = envelope.whole(values, "limit", len(items))
    bound = len(items) if limit is None else limit
    if maximum:
        bound = min(bound, maximum)
    return items[offset : offset + bound]


ACTIONS: Mapping[str, Action] = {
    "package_search": package_search,
    "package_list": package_list,
    "package_show": package_show,
    "current_package_list_with_resources": current_list,
    "resource_show": resource_show,
    "resource_search": resource_search,
    "resource_view_list": no_items,
    "organization_list": organization_list,
    "organization_show": organization_show,
    "organization_autocomplete": organization_autocomplete,
    "group_list": group_list,
    "group_show": group_show,
    "group_package_show": group_package_show,
    "group_autocomplete": group_autocomplete,
    "tag_list": tag_list,
    "tag_show": tag_show,
    "tag_autocomplete": tag_autocomplete,
    "license_list": license_list,
    "vocabulary_list": no_items,
    "user_list": no_items,
    "user_show": user_show,
    "status_show": status_show,
    "help_show": help_show,
    "site_read": site_read,
    "datastore_search": datastore_search,
    "datastore_info": datastore_info,
    "package_autocomplete": package_autocomplete,
    "format_autocomplete": format_autocomplete,
    "recently_changed_packages_activity_list": recent_activity,
    "package_activity_list": package_activity,
    "activity_data_show": activity_data,
}
