"""A file from outside whose layout the node knows is read by the saved profile.

The doors that ask nobody, such as `POST /v1/drafts`, take what was answered before: the
same file handed in by the command or through the wizard is read the same way.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from shahrdad.node.incoming.profiles import FOLDER, Profiles, with_constants
from shahrdad.node.publish import Handed

if TYPE_CHECKING:
    from shahrdad.node.city import Node


def by_saved_profile(node: "Node", handed: Handed) -> Handed:
    """Return a file with the profile that was saved for its layout, if there is one.

    A profile that came with the file, naming columns of it, goes before any saved one.
    The file is looked at in a process of its own with limits, as it is judged.

    Raises:
        DataError: SOURCE_UNREADABLE: the look met a limit.
    """
    from shahrdad.node.incoming.outline import outline

    rules = handed.profile.get("columns") or ()
    folder = node.config.data / FOLDER
    if any("constant" not in rule for rule in rules):
        return handed
    if not any((folder / handed.family).glob("*.json")):
        return handed
    seen = outline(
        handed.file,
        handed.family,
        profile=handed.profile,
        options=handed.options,
        population=None,
        profiles=folder,
    )
    if not seen["known"]:
        return handed
    saved = Profiles(folder).get(seen["known"]).descriptor
    return replace(handed, profile=with_constants(saved, rules))


__all__ = ["by_saved_profile"]
