"""The mapping profiles of a node: `data/profiles/<family>/<name>.json`.

A profile is what a person answered about a layout, so the same layout asks nothing. It
is found by the header, not by the file's name. Changes count versions; nothing else is
kept of older ones, since the record of a release keeps the digest of what it used.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shahrdad.datasets.errors import DataError, Reason, RequestError
from shahrdad.datasets.standards import Standard

if TYPE_CHECKING:
    from shahrdad.validators.options import Options

FOLDER = "profiles"


@dataclass(frozen=True, slots=True)
class SavedProfile:
    """A profile as the node keeps it."""

    family: str
    name: str
    path: Path
    descriptor: Mapping[str, Any]

    @property
    def version(self) -> int:
        """How often it was changed, from 1."""
        return int(self.descriptor.get("version", 1))


class Profiles:
    """The profiles in one folder.

    Args:
        folder: Where they are kept; it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __iter__(self) -> Iterator[SavedProfile]:
        """Yield all profiles, by family and name."""
        for path in sorted(self.folder.glob("*/*.json")):
            content = json.loads(path.read_text("utf-8"))
            yield SavedProfile(path.parent.name, path.stem, path, content)

    def get(self, name: str) -> SavedProfile:
        """Return a profile by its name, or by `family/name`.

        Raises:
            RequestError: PROFILE_UNKNOWN.
        """
        for saved in self:
            if name in (saved.name, f"{saved.family}/{saved.name}"):
                return saved
        known = ", ".join(f"{saved.family}/{saved.name}" for saved in self)
        raise RequestError(Reason.PROFILE_UNKNOWN, name=name, profiles=known or "-")

    def find(self, family: str, name: str) -> SavedProfile | None:
        """Return the profile of a family by its name, or None."""
        named = (
            saved for saved in self if (saved.family, saved.name) == (family, name)
        )
        return next(named, None)

    def match(
        self,
        file: Path,
        standard: Standard,
        options: "Options",
        constants: Sequence[Mapping[str, Any]] = (),
    ) -> SavedProfile | None:
        """Return the profile that was made for a file's layout.

        Its header and sheet are the same, it leaves nothing open, and the file states
        no other money unit than it did then.

        Args:
            file: The file.
            standard: The standard that it is to be of.
            options: How it is read.
            constants: What is known beside the file, as `with_constants` takes it.
        """
        from shahrdad.validators.importing import open_table

        for saved in self:
            if saved.family != standard.family:
                continue
            try:
                table = open_table(
                    file,
                    standard=standard,
                    profile=with_constants(saved.descriptor, constants),
                    options=options,
                )
            except DataError:
                continue
            asked = table.questions
            stated = list(saved.descriptor.get("stated") or ())
            if asked is not None and asked.none and stated == list(asked.stated):
                return saved
        return None

    def save(self, descriptor: Mapping[str, Any]) -> SavedProfile:
        """Keep a profile; the same again changes nothing, another one is a version."""
        family, name = str(descriptor["family"]), str(descriptor["profile"])
        path = self.folder / family / f"{name}.json"
        before = json.loads(path.read_text("utf-8")) if path.exists() else None
        content = dict(descriptor)
        if before is not None:
            same = {**before, "version": 0} == {**content, "version": 0}
            content["version"] = int(before.get("version", 1)) + (not same)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".tmp")
        new.write_text(
            json.dumps(content, ensure_ascii=False, indent=2) + "\n", "utf-8"
        )
        os.replace(new, path)  # noqa: PTH105 (atomic, as elsewhere)
        return SavedProfile(family, name, path, content)


def with_constants(
    profile: Mapping[str, Any], constants: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Add constants for columns that a profile says nothing about."""
    columns = list(profile.get("columns") or ())
    given = {rule["to"] for rule in columns}
    added = [dict(rule) for rule in constants if rule["to"] not in given]
    return {**profile, "columns": [*columns, *added]}


def with_former_values(
    profile: Mapping[str, Any], former: Mapping[str, Any]
) -> dict[str, Any]:
    """Keep the codes of texts that were answered for the same columns before."""
    known = {
        (rule["to"], rule.get("from")): rule["values"]
        for rule in former.get("columns") or ()
        if rule.get("values")
    }
    columns = []
    for rule in profile.get("columns") or ():
        before = known.get((rule["to"], rule.get("from")))
        said = {**(before or {}), **rule.get("values", {})}
        columns.append({**rule, "values": said} if said else rule)
    return {**profile, "columns": columns}


def name_for(family: str, labels: tuple[str, ...], sheet: str | None) -> str:
    """Return a name for the profile of a layout, the same for the same layout."""
    text = json.dumps([family, sheet, [label.strip() for label in labels]])
    return f"{family.replace('_', '-')}-{sha256(text.encode()).hexdigest()[:8]}"


__all__ = [
    "FOLDER",
    "Profiles",
    "SavedProfile",
    "name_for",
    "with_constants",
    "with_former_values",
]
