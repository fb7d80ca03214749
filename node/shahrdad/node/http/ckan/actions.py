"""Every read action, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from shahrdad.datasets.errors import ShahrdadError
from shahrdad.node.http import holdings, identity
from shahrdad.node.http.answers import Call
from shahrdad.node.http.ckan import datastore, dictionaries, envelope, search
from shahrdad.node.http.ckan.envelope import One, Refusal, Written, missing, not_found
from shahrdad.node.http.ckan.query import Equal
from shahrdad.node.http.ckan.shelf import Base, Reading
from shahrdad.node.http.dataset_object import show
from shahrdad.node.http.release import release
from shahrdad.node.record import LICENSES

CKAN_VERSION = "2.11.0"  # clients ask for digits; the contract is that of this release
LISTED_MAX = 1_000  # datasets in full
INDEXED = frozenset({"name", "format"})  # of a resource
SEARCHED_MAX = 20_000  # datasets whose resources are searched by any letters


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of an action."""

    call: Call
    base: Base
    values: Mapping[str, Any]
    reading: Reading

    def id(self, *names: str) -> str:
        """Return the first given of some parameters."""
        return next(
            (found for name in names if (found := envelope.text(self.values, name))), ""
        )

    def window(self, maximum: int = 0) -> tuple[int, int]:
        """Return offset and limit; without a limit all, up to a bound."""
        most = maximum or 2**31
        start = envelope.whole(self.values, "offset", 0) or 0
        rows = envelope.whole(self.values, "limit", most)
        return start, most if rows is None else min(rows, most)

    def datasets(self, field: str, value: str, start: int, rows: int) -> Written:
        """Return live datasets by the value of a field, as a list."""
        live = self.reading.condition([Equal("state", "active"), Equal(field, value)])
        found = self.reading.page(live, "c.uid", start, rows)
        return Written({}, "", found, self.reading.finish)


Result = Any
Action = Callable[[Asked], Result]


def package_search(asked: Asked) -> Result:
    """Search datasets."""
    return search.search(asked.reading, asked.call.node.config, asked.values)


def package_list(asked: Asked) -> Result:
    """List the names of datasets."""
    return asked.reading.names(*asked.window())


def package_show(asked: Asked) -> Result:
    """Show one dataset."""
    wanted = asked.id("id", "name_or_id")
    if not wanted:
        return missing("id")
    number = asked.reading.number(wanted)
    found = [] if number is None else asked.reading.packages([number])
    if not found:
        return not_found("Dataset was not found.")
    return One(asked.reading.written(found[0]))


def current_list(asked: Asked) -> Result:
    """List datasets with their resources."""
    return asked.datasets("state", "active", *asked.window(LISTED_MAX))


def resource_show(asked: Asked) -> Result:
    """Show one resource."""
    wanted = asked.id("id")
    if not wanted:
        return missing("id")
    found = asked.reading.resource(wanted)
    if found is not None:
        for resource in _resources(asked, [found[0]]):
            if resource["id"] == wanted:
                return resource
    return not_found("Resource was not found.")


def _resources(asked: Asked, numbers: list[int]) -> list[dict[str, Any]]:
    """Return the resources of datasets by row number."""
    json = b"[" + b",".join(asked.reading.packages(numbers)) + b"]"
    packages = search.loads_object(asked.reading.written(json).decode())
    return [resource for one in packages for resource in one["resources"]]


def resource_search(asked: Asked) -> Result:
    """Search resources by `field:words`."""
    terms: list[tuple[str, str]] = []
    for query in envelope.listed(asked.values, "query"):
        field, colon, term = query.partition(":")
        if not colon:
            return Refusal("Validation Error", fields={"query": ["Must be field:term"]})
        terms.append((field, term.casefold()))
    if terms and all(field in INDEXED for field, _ in terms):
        return _indexed_resources(asked, terms)
    live = asked.reading.condition([Equal("state", "active")])
    if asked.reading.count(live) > SEARCHED_MAX:
        # Their JSON is not read for that; what is indexed can be searched for.
        return Refusal(
            "Search Error",
            f"This catalog has more than {SEARCHED_MAX} datasets: resources are"
            f" searched by {' and '.join(sorted(INDEXED))} alone",
        )
    numbers = asked.reading.numbers(live, "c.uid", 0, SEARCHED_MAX)
    found = [
        one
        for start in range(0, len(numbers), LISTED_MAX)
        for one in _resources(asked, numbers[start : start + LISTED_MAX])
        if all(term in str(one.get(field) or "").casefold() for field, term in terms)
    ]
    start, rows = asked.window(LISTED_MAX)
    return {"count": len(found), "results": found[start : start + rows]}


def _indexed_resources(asked: Asked, terms: list[tuple[str, str]]) -> Result:
    """Return the resources whose name and format have these letters."""
    start, rows = asked.window(LISTED_MAX)
    count, found = asked.reading.resources_like(terms, start, rows)
    known = {
        one["id"]: one
        for one in _resources(asked, [*dict.fromkeys(n for n, _ in found)])
    }
    return {"count": count, "results": [known[uid] for _, uid in found if uid in known]}


def no_items(asked: Asked) -> Result:
    """List what this node has none of."""
    return []


def organization_list(asked: Asked) -> Result:
    """List cities."""
    counts = asked.reading.counts("organization")
    if not envelope.flag(asked.values, "all_fields"):
        return _slice(sorted(counts), asked.values)
    return _slice(
        [_city(asked, slug, counts[slug]) for slug in sorted(counts)], asked.values
    )


def organization_show(asked: Asked) -> Result:
    """Show one city."""
    wanted, counts = asked.id("id"), asked.reading.counts("organization")
    for slug, count in counts.items():
        if wanted in {slug, str(dictionaries.city_id(slug))}:
            found = _city(asked, slug, count)
            return _with_datasets(asked, found, "organization", slug)
    return not_found("Group was not found.") if wanted else missing("id")


def organization_autocomplete(asked: Asked) -> Result:
    """Suggest cities."""
    choices = [
        (slug, str(_city(asked, slug, 0)["title"]))
        for slug in sorted(asked.reading.counts("organization"))
    ]
    return [
        {"id": str(dictionaries.city_id(name)), "name": name, "title": title}
        for name, title in search.autocomplete(choices, asked.values)
    ]


def _city(asked: Asked, slug: str, count: int) -> dict[str, Any]:
    found = dictionaries.organization(asked.call.node.config, slug)
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
    counts = asked.reading.counts("groups")
    if not envelope.flag(asked.values, "all_fields"):
        return _slice(sorted(counts), asked.values)
    found = [dictionaries.group(name, counts[name]) for name in sorted(counts)]
    return _slice(found, asked.values)


def group_show(asked: Asked) -> Result:
    """Show one family."""
    wanted, counts = asked.id("id"), asked.reading.counts("groups")
    for name in {*dictionaries.known_families(), *counts}:
        found = dictionaries.group(name, counts.get(name, 0))
        if wanted in {name, found["id"]}:
            return _with_datasets(asked, found, "groups", name)
    return not_found("Group was not found.") if wanted else missing("id")


def group_package_show(asked: Asked) -> Result:
    """List the datasets of a family."""
    wanted = asked.id("id")
    if not wanted:
        return missing("id")
    return asked.datasets("groups", wanted, *asked.window(LISTED_MAX))


def group_autocomplete(asked: Asked) -> Result:
    """Suggest families."""
    counts = asked.reading.counts("groups")
    groups = [dictionaries.group(name) for name in sorted(counts)]
    by_name = {group["name"]: group for group in groups}
    choices = [(group["name"], str(group["title"])) for group in groups]
    found = search.autocomplete(choices, asked.values)
    return [by_name[name] for name, _ in found]


def tag_list(asked: Asked) -> Result:
    """List keywords."""
    names = sorted(asked.reading.counts("tags"))
    q = envelope.text(asked.values, "query").casefold()
    names = [name for name in names if q in name.casefold()]
    if envelope.flag(asked.values, "all_fields"):
        return _slice([dictionaries.tag(name) for name in names], asked.values)
    return _slice(names, asked.values)


def tag_show(asked: Asked) -> Result:
    """Show one keyword."""
    wanted = asked.id("id")
    for name in asked.reading.counts("tags"):
        found = dictionaries.tag(name)
        if wanted in {name, found["id"]}:
            return found
    return not_found("Tag was not found.") if wanted else missing("id")


def tag_autocomplete(asked: Asked) -> Result:
    """Suggest keywords."""
    choices = [(name, name) for name in sorted(asked.reading.counts("tags"))]
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
    letters = search.letters(asked.values).casefold()
    return [
        {"name": name, "title": title, "match_field": "title", "match_displayed": title}
        for name, title in asked.reading.named_like(
            letters, search.suggestions(asked.values)
        )
    ]


def format_autocomplete(asked: Asked) -> Result:
    """Suggest formats."""
    counts = asked.reading.counts("res_format")
    choices = [(name.lower(), name) for name in sorted(counts)]
    return [name for name, _ in search.autocomplete(choices, asked.values)]


def recent_activity(asked: Asked) -> Result:
    """List the newest publications and withdrawals."""
    prefix = "" if asked.base == "all" else f"{asked.call.node.config.node.city}/"
    return _activities(asked, prefix)


def package_activity(asked: Asked) -> Result:
    """List the publications of one dataset."""
    wanted = asked.id("id")
    found = asked.reading.number(wanted) if wanted else None
    if found is None:
        return not_found("Dataset was not found.") if wanted else missing("id")
    return _activities(asked, asked.reading.ref(found))


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
    return datastore.search(source, asked.values, asked.call.request.url.path)


def datastore_info(asked: Asked) -> Result:
    """Show the columns of a table."""
    source = _source(asked, "id", "resource_id")
    return source if isinstance(source, Refusal) else datastore.info(source)


def _source(asked: Asked, *names: str) -> datastore.Source | Refusal:
    """Return the table that a resource identifier means."""
    wanted = asked.id(*names)
    if not wanted:
        return missing(names[0])
    found = asked.reading.resource(wanted)
    if found is not None and found[2] == "CSV" and asked.base != "harvest":
        node = asked.call.node
        try:
            shown = show(node, *node.catalog.version(asked.reading.ref(found[0])))
        except ShahrdadError:
            return not_found(f'Resource "{wanted[:64]}" was not found.')
        table = shown.record.table(found[1].rpartition(".")[0])
        if table is not None:
            return datastore.Source(shown, table, wanted)
    return not_found(f'Resource "{wanted[:64]}" was not found.')


def _table_metadata(asked: Asked) -> dict[str, Any]:
    """Return the list of tables, which ckanr asks for."""
    limit = envelope.whole(asked.values, "limit", datastore.LIMIT_DEFAULT) or 0
    limit = min(limit, datastore.LIMIT_MAX)
    offset = envelope.whole(asked.values, "offset", 0) or 0
    names = (("_id", "text"), ("name", "name"), ("oid", "oid"), ("alias_of", "name"))
    return {
        "resource_id": "_table_metadata",
        "fields": [{"id": name, "type": kind} for name, kind in names],
        "records": [
            {"_id": n, "name": uid, "oid": n, "alias_of": None}
            for n, uid in enumerate(asked.reading.tables(offset, limit), offset + 1)
        ],
        "total": asked.reading.table_count(),
        "limit": limit,
        "offset": offset,
        "records_format": "objects",
        "total_was_estimated": False,
    }


def _with_datasets(
    asked: Asked, found: dict[str, Any], field: str, value: str
) -> dict[str, Any] | Written:
    """Return a city or a standard, with its datasets where these are asked for."""
    if not envelope.flag(asked.values, "include_datasets"):
        return found
    packages = asked.datasets(field, value, 0, LISTED_MAX)
    return replace(packages, about=found, name="packages")


def _slice(items: list[Any], values: Mapping[str, Any]) -> list[Any]:
    """Return `limit` items after `offset`; without them all."""
    offset = envelope.whole(values, "offset", 0) or 0
    limit = envelope.whole(values, "limit", len(items))
    return items[offset : offset + (len(items) if limit is None else limit)]


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
