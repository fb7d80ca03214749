"""The name of a portal's dataset here: given once, and kept when the portal renames it.

>>> dataset_slug("tehran", "Budget_1404", "5f3c", set())
'ckan-tehran-budget-1404'
>>> dataset_slug("tehran", "budget-1404", "77aa01", {"ckan-tehran-budget-1404"})
'ckan-tehran-budget-1404-a9594e87'
"""

import re
from collections.abc import Container
from hashlib import sha256

SLUG_LETTERS_MAX = 60
SOURCE = re.compile(r"[a-z0-9]{1,20}")
TAIL_LETTERS = 8


def dataset_slug(source: str, name: str, package: str, taken: Container[str]) -> str:
    """Return the slug of a dataset: `ckan-<source>-<name>`, made unique if need be.

    Args:
        source: The identifier of the source, without hyphens, so that no two sources
            can give the same slug.
        name: The portal's name for the dataset.
        package: The portal's identifier of the dataset.
        taken: Slugs that other datasets of the source have.
    """
    plain = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
    slug = f"ckan-{source}-{plain}".rstrip("-")
    if plain and len(slug) <= SLUG_LETTERS_MAX and slug not in taken:
        return slug
    tail = sha256(f"{source}/{package}".encode()).hexdigest()[:TAIL_LETTERS]
    return f"{slug[: SLUG_LETTERS_MAX - TAIL_LETTERS - 1].rstrip('-')}-{tail}"
