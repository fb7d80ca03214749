"""Rules of tables that are no query: near names, cycles, emptiness, notes."""

from collections import defaultdict
from difflib import SequenceMatcher
from typing import Any

from shahrdad.validators.normalise.search_key import key
from shahrdad.validators.rules.found import Ask, Found, Result, SkippedError, TableCheck
from shahrdad.validators.rules.shape import Rule

NAMES_MAX = 20_000  # texts of one near-duplicate group
CHAIN_MAX = 64  # parents above one row


def _columns(ask: Ask, names: list[str]) -> list[list[Any]]:
    return [ask.table.column(name).to_pylist() for name in names]


def near_duplicate(rule: Rule, ask: Ask) -> Result:
    """No two texts of a group are equal or nearly so, after folding."""
    column, by = str(rule.params.get("column")), rule.names("by")
    least = float(rule.params.get("min_ratio", 1))
    texts, rows, *groups = _columns(ask, [column, "_row", *by])
    members: dict[tuple[Any, ...], list[tuple[str, int, str]]] = defaultdict(list)
    for place, text in enumerate(texts):
        if text is not None:
            folded = key(text) if rule.params.get("fold") == "search" else text
            members[tuple(g[place] for g in groups)].append((folded, rows[place], text))
    result = Result(groups=len(members))
    for group in members.values():
        if len(group) > NAMES_MAX:
            raise SkippedError(f"more than {NAMES_MAX} texts in a group")
        result.found += _near(group, least, column)
    result.found.sort(key=lambda found: found.row or 0)
    return result


def _near(group: list[tuple[str, int, str]], least: float, column: str) -> list[Found]:
    """Return, for each text, the first earlier one that it is near to."""
    # Two texts can only be near when their lengths are: sorted by length, a window of
    # the shorter ones is enough, and most pairs fall to the cheap upper bounds of the
    # ratio.
    ordered = sorted(group, key=lambda item: (len(item[0]), item[1]))
    found: list[Found] = []
    start = 0
    for place, (folded, row, _) in enumerate(ordered):
        while 2 * len(ordered[start][0]) < least * (
            len(ordered[start][0]) + len(folded)
        ):
            start += 1
        matcher = SequenceMatcher(None, b=folded, autojunk=False)
        for other, earlier, text in ordered[start:place]:
            near = other == folded
            if not near:
                matcher.set_seq1(other)
                near = (
                    matcher.real_quick_ratio() >= least
                    and matcher.quick_ratio() >= least
                    and matcher.ratio() >= least
                )
            if near:
                low, high = sorted((row, earlier))
                found.append(
                    Found(high, column, {"value": text, "expected": low}, (low,))
                )
                break
    return found


def no_cycle(rule: Rule, ask: Ask) -> Result:
    """Parent chains end."""
    name, parent, by = (
        str(rule.params.get("key")),
        str(rule.params.get("parent")),
        rule.names("by"),
    )
    keys, parents, rows, *groups = _columns(ask, [name, parent, "_row", *by])
    above: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    places: dict[tuple[Any, ...], int] = {}
    for place, own in enumerate(keys):
        group = tuple(g[place] for g in groups)
        if own is not None:
            places.setdefault((*group, own), rows[place])
            if parents[place] is not None:
                above[(*group, own)] = (*group, parents[place])
    settled: set[tuple[Any, ...]] = set()
    found: list[Found] = []
    for node in places:
        path: list[tuple[Any, ...]] = []
        step: tuple[Any, ...] | None = node
        while step is not None and step not in settled and step not in path:
            path.append(step)
            step = above.get(step)
        if (step is not None and step in path) or len(path) > CHAIN_MAX:
            chain = " → ".join(str(n[-1]) for n in path[:5])
            found.append(
                Found(places[node], parent, {"value": node[-1], "expected": chain})
            )
        settled.update(path)
    return Result(found)


def primary_key(rule: Rule, ask: Ask) -> Result:
    """The key is complete and unique; the pass has found that out already."""
    if not ask.plan.primary_key:
        raise SkippedError("no primary key")
    return Result([Found()] * ask.key_violations)


def not_empty_table(rule: Rule, ask: Ask) -> Result:
    """The table has rows, unless it was declared empty."""
    if ask.rows_count or ask.context.given.empty:
        return Result()
    return Result([Found()])


def normalisation_note(rule: Rule, ask: Ask) -> Result:
    """Says how many cells were changed at import."""
    changed = ask.context.audit.changed()
    return Result([Found(values={"value": changed})] if changed else [])


CHECKS: dict[str, TableCheck] = {
    "near-duplicate": near_duplicate,
    "no-cycle": no_cycle,
    "primary-key": primary_key,
    "not-empty-table": not_empty_table,
    "normalisation-note": normalisation_note,
}

__all__ = ["CHECKS"]
