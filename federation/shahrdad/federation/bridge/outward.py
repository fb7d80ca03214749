"""What a portal has to be told to show our datasets; nothing here asks anybody.

Only what is ours is touched: a package whose extra `shahrdad_ref` names the dataset.
The order is package, resources, surplus resources, so a kill leaves too many files for
a while, never a dataset without them.

>>> ours = {"name": "kerman--budget", "title": "Budget", "resources": []}
>>> [one.action for one in steps(None, ours)]
['package_create']
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shahrdad.federation.verify import strict_json
from shahrdad.federation.verify.digest import Digest

OWNER = "shahrdad_ref"
PLAIN = ("title", "notes", "license_id", "url", "version", "author", "maintainer")
OF_RESOURCE = ("name", "description", "format", "mimetype", "url", "hash")


@dataclass(frozen=True, slots=True)
class Step:
    """One call of an action that writes."""

    action: str
    values: Mapping[str, Any]


def wanted(
    package: Mapping[str, Any], *, organization: str = "", with_id: bool = False
) -> dict[str, Any]:
    """Return a package as it is to be at the portal.

    Args:
        package: Our dictionary of the dataset, as our own facade shows it.
        organization: The organization there that is to have it.
        with_id: Send our identifier; CKAN takes it from a sysadmin alone.
    """
    found: dict[str, Any] = {"name": package["name"]}
    found |= {name: package.get(name) or "" for name in PLAIN}
    found["tags"] = [{"name": tag["name"]} for tag in package["tags"]]
    found["extras"] = [
        {"key": extra["key"], "value": extra["value"]} for extra in package["extras"]
    ]
    found["resources"] = [
        {name: resource.get(name) or "" for name in OF_RESOURCE}
        for resource in package["resources"]
    ]
    if organization:
        found["owner_org"] = organization
    if with_id:
        found["id"] = package["id"]
    return found


def digest(package: Mapping[str, Any]) -> Digest:
    """Return the digest of a package as it is to be."""
    return Digest.of(strict_json.canonical(package))


def owner(package: object) -> str | None:
    """Return the reference of the dataset that a portal's package belongs to."""
    return _extras(package).get(OWNER) if isinstance(package, dict) else None


def steps(found: Mapping[str, Any] | None, ours: Mapping[str, Any]) -> list[Step]:
    """Return the calls that make a portal's package what it is to be.

    Args:
        found: The package as the portal has it, ours already; None where it has none.
        ours: As it is to be.
    """
    if found is None:
        return [Step("package_create", ours)]
    number = found.get("id")
    made = []
    patch = _package_patch(found, ours)
    if patch:
        made.append(Step("package_patch", {"id": number, **patch}))
    there = {
        resource.get("name"): resource
        for resource in _list(found.get("resources"))
        if isinstance(resource, dict)
    }
    for resource in ours["resources"]:
        old = there.get(resource["name"])
        if old is None:
            made.append(Step("resource_create", {"package_id": number, **resource}))
        elif any((old.get(name) or "") != resource[name] for name in OF_RESOURCE):
            made.append(Step("resource_patch", {"id": old.get("id"), **resource}))
    names = {resource["name"] for resource in ours["resources"]}
    made += [
        Step("resource_delete", {"id": resource.get("id")})
        for resource in _list(found.get("resources"))
        if isinstance(resource, dict) and resource.get("name") not in names
    ]
    made += [
        Step("resource_delete", {"id": resource.get("id")})
        for resource in _doubles(found, there)
        if resource.get("name") in names
    ]
    return made


def _doubles(
    found: Mapping[str, Any], there: Mapping[Any, Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return resources that have the name of another: a call that was made twice."""
    return [
        resource
        for resource in _list(found.get("resources"))
        if isinstance(resource, dict) and there[resource.get("name")] is not resource
    ]


def _package_patch(found: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that differ; foreign extras stay as they are."""
    patch = {
        name: ours[name] for name in PLAIN if (found.get(name) or "") != ours[name]
    }
    if found.get("state", "active") != "active":
        patch["state"] = "active"
    tags = {
        tag.get("name") for tag in _list(found.get("tags")) if isinstance(tag, dict)
    }
    if tags != {tag["name"] for tag in ours["tags"]}:
        patch["tags"] = ours["tags"]
    there, here = _extras(found), _extras(ours)
    if any(there.get(key) != value for key, value in here.items()):
        merged = {**there, **here}
        patch["extras"] = [
            {"key": key, "value": value} for key, value in merged.items()
        ]
    return patch


def _extras(package: Mapping[str, Any]) -> dict[str, Any]:
    return {
        extra["key"]: extra.get("value")
        for extra in _list(package.get("extras"))
        if isinstance(extra, dict) and isinstance(extra.get("key"), str)
    }


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
