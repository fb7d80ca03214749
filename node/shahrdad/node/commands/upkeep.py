"""`gc`, `store` and `index`: the objects and indexes of a node, kept in order."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter, validators

from shahrdad.node.console import Common, print_json
from shahrdad.node.exit_codes import ExitCode

if TYPE_CHECKING:
    from shahrdad.node.store.scrub import Scrubbed

store = App(name="store", help="The objects: read them again, see what versions cost.")
index = App(name="index", help="The search index.")
GRACE_HOURS = 72
GRACE_HOURS_MIN = 24
MEGABYTE = 1_000_000
RATE_MEGABYTES = 20


def gc(
    *,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    grace_hours: Annotated[
        int, Parameter(validator=validators.Number(gte=GRACE_HOURS_MIN))
    ] = GRACE_HOURS,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative="")] = False,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Delete objects that nothing names: no version of any log, no draft, no job.

    The first run notes an unnamed object that is older than the grace; a run at least a
    day later deletes it. Run it daily. It refuses to run while the catalog lags a log,
    and to delete more than one object in ten at once.

    Args:
        dry_run: Only count; note and delete nothing.
        grace_hours: How old an unnamed object must be; at least 24.
        yes: Delete even more than one object in ten.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.operating.upkeep import collector

    with open_node(common.config) as node:
        node.projection.follow()
        found = collector(node, timedelta(hours=grace_hours)).run(
            dry_run=dry_run, confirmed=yes
        )
    oldest = None if found.oldest is None else found.oldest.isoformat()
    shown = {
        "objects": found.objects_total,
        "bytes": found.bytes_total,
        "unnamed": found.candidates,
        "unnamed_bytes": found.candidates_bytes,
        "oldest": oldest,
        "due": found.due,
        "deleted": found.deleted,
        "deleted_bytes": found.deleted_bytes,
        "dry_run": dry_run,
    }
    if common.json:
        print_json(shown)
        return
    common.table(["", ""], list(shown.items()))


@store.command(name="check")
def check(
    *,
    due: Annotated[bool, Parameter(negative="")] = False,
    rate_megabytes: Annotated[
        float, Parameter(validator=validators.Number(gt=0))
    ] = RATE_MEGABYTES,
    common: Common = Common(),  # noqa: B008
) -> None:
    """Read every named object again, and mend what is damaged or lost from the peers.

    What was read is remembered: stopped with Ctrl-C, the next run goes on from there.

    Args:
        due: Only what was not read for 30 days.
        rate_megabytes: How much is read in a second, at most.
    """
    from shahrdad.node.city import open_node
    from shahrdad.node.operating.upkeep import scrub

    with open_node(common.config) as node:
        node.projection.follow()
        with scrub(node, int(rate_megabytes * MEGABYTE)) as reading, stopping() as stop:
            run = reading.check_due if due else reading.check_all
            found = run(stop=stop)
            lost = len(reading.lost())
    if common.json:
        print_json(checked_json(found, lost))
    else:
        tell(common, found)
    if lost:
        sys.exit(ExitCode.VERIFICATION_FAILED)


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C only ask to stop; give what tells whether it did."""
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


def checked_json(found: "Scrubbed", lost: int) -> dict[str, Any]:
    """Return the stable JSON shape of a check."""
    return {
        "objects": found.objects,
        "bytes": found.bytes,
        "finished": found.finished,
        "lost": lost,
        "problems": [
            {
                "area": one.area.value,
                "digest": one.digest.hex,
                "found": one.found,
                "outcome": one.outcome,
                "source": one.source,
            }
            for one in found.problems
        ],
    }


def tell(common: Common, found: "Scrubbed") -> None:
    """Say what was read, and each problem."""
    common.table(
        ["area", "digest", "found", "outcome", "source"],
        [
            (one.area.value, one.digest.hex, one.found, one.outcome, one.source)
            for one in found.problems
        ],
    )
    megabytes = f"{found.bytes / MEGABYTE:.1f}"
    common.say(
        f"{found.objects} شیء ({megabytes} مگابایت) خوانده شد؛"
        f" {len(found.problems)} ناسالم.",
        f"{found.objects} objects ({megabytes} MB) were read; {len(found.problems)}"
        " were not sound.",
    )
    if not found.finished:
        common.next_step(
            "shahrdad store check از همین‌جا ادامه می‌دهد",
            "shahrdad store check goes on from here",
        )


@store.command(name="usage")
def usage(ref: str, *, common: Common = Common()) -> None:  # noqa: B008
    """Show what each version of a dataset added to the store.

    Args:
        ref: The dataset, for example kerman/budget-1404.
    """
    from dataclasses import asdict

    from shahrdad.node.city import open_node
    from shahrdad.node.operating.upkeep import usage as usage_of

    with open_node(common.config) as node:
        node.projection.follow()
        found = [{"version": one.n, **asdict(one)} for one in usage_of(node, ref)]
    for one in found:
        del one["n"]
    if common.json:
        print_json(found)
        return
    names = ["version", "bytes", "fresh_bytes", "objects", "fresh_objects"]
    common.table(names, [[one[name] for name in names] for one in found])


@index.command(name="rebuild")
def rebuild(*, common: Common = Common()) -> None:  # noqa: B008
    """Make the search index again from the records; the catalog stays as it is."""
    from shahrdad.node.city import open_node
    from shahrdad.node.operating.upkeep import rebuild_index

    with open_node(common.config) as node:
        count = rebuild_index(node)
    if common.json:
        print_json({"datasets": count})
        return
    common.say(
        f"نمایهٔ جست‌وجو برای {count} مجموعه‌داده از نو ساخته شد.",
        f"The search index was made again for {count} datasets.",
    )
