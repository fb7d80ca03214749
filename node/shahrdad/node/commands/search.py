"""`shahrdad search`: the node's own index, at the command line."""

import sys

from shahrdad.node.console import Common, print_json
from shahrdad.node.exit_codes import ExitCode

SHOWN = 20


def search(
    *words: str,
    city: tuple[str, ...] = (),
    family: tuple[str, ...] = (),
    limit: int = SHOWN,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Find datasets of all cities by words; spellings of Persian are folded.

    Args:
        words: All must occur; "of one phrase" in quotes, -word must not occur.
        city: Only of this city; may be repeated.
        family: Only of this standard; may be repeated.
        limit: List at most so many.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.commands.read import dataset_json, tell_datasets
    from shahrdad.node.search.finding import Search
    from shahrdad.node.search.terms import Filters

    with open_node(common.config) as node:
        node.projection.follow()
        engine = Search(node.database, node.catalog, node.config.search.engine)
        found = engine.find(
            " ".join(words), Filters(city=city, family=family), limit=limit
        )
        datasets = found.datasets
    if common.json:
        shown = [dataset_json(dataset) for dataset in datasets]
        print_json({"total": found.total, "datasets": shown})
        return
    tell_datasets(common, datasets)
    if not datasets:
        common.next_step(
            "چیزی پیدا نشد؛ همه: shahrdad catalog",
            "Nothing was found; all of them: shahrdad catalog",
        )
        sys.exit(ExitCode.NOT_FOUND)
