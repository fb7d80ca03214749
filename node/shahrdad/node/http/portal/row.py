"""`/d/{ref}/row?KEY`: one row, named by its key, through the versions (portal 4)."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from starlette.responses import Response

from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.datasets.standards import Field
from shahrdad.node.http.answers import Call
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.dataset_object import show as show_version
from shahrdad.node.http.parameters import split
from shahrdad.node.http.portal import amounts
from shahrdad.node.http.portal.difference import signed
from shahrdad.node.http.previews import cell
from shahrdad.node.http.rendering import page
from shahrdad.node.row_history import Step, row_history

if TYPE_CHECKING:
    from shahrdad.node.city import Node

# The columns that say in words what a row is about, in any standard.
TITLES = ("title_fa", "name_fa", "subject_fa", "line_title_fa", "text_fa")


def show(call: Call, language: Language) -> Response:
    """Show a row as it is, or as it was last, and what each version did to it.

    Raises:
        RequestError: DATASET_UNKNOWN, COLUMN_UNKNOWN, FILTER_VALUE, ROW_NOT_ONE,
            ROW_UNKNOWN.
    """
    key = dict(split(call.request.scope["query_string"]))
    dataset = call.node.catalog.get(call.ref)
    # The history asks for catalog and store alone, which every view of a node has.
    steps = list(row_history(cast("Node", call.node), call.ref, key))
    held = [step for step in steps if step.row is not None]
    if not held:
        named = " ".join(f"{name}={value}" for name, value in key.items())
        raise RequestError(Reason.ROW_UNKNOWN, ref=call.ref, key=named[:200])
    shown = show_version(call.node, dataset, held[-1].version)
    known = {one.name: one for one in shown.standard.fields} if shown.standard else {}
    row = held[-1].row or {}
    words = next((str(row[one]) for one in TITLES if row.get(one)), "")
    return page(
        call,
        "portal/row.html",
        language,
        dataset=dataset,
        title=dataset.title_fa if language == "fa" else dataset.title_en,
        city=city_name(dataset.city, call.node.config),
        heading=words or named_by(key, known, language),
        key=named_by(key, known, language) if words else "",
        facts=[
            (titled(name, known, language), cell(value, known.get(name), language))
            for name, value in row.items()
            if value is not None
        ],
        steps=[view(step, known, language) for step in reversed(steps)],
        money=amounts,
        is_gone=steps[-1].op == "removed",
    )


def titled(name: str, known: dict[str, Field], language: Language) -> str:
    """Return a column's title."""
    return known[name].title(language) if name in known else name


def named_by(key: dict[str, str], known: dict[str, Field], language: Language) -> str:
    """Return what the row is called: its key, codes by their labels."""
    words = [cell(value, known.get(name), language).text for name, value in key.items()]
    return " · ".join(words)


def view(step: Step, known: dict[str, Field], language: Language) -> dict[str, Any]:
    """Return a version's step as the template shows it."""
    cells = []
    for name, old, new in step.cells:
        shown = [cell(value, known.get(name), language) for value in (old, new)]
        both = all(one.kind == "number" for one in shown)
        change = Decimal(str(new)) - Decimal(str(old)) if both else Decimal()
        cells.append(
            {
                "title": titled(name, known, language),
                "old": shown[0],
                "new": shown[1],
                "difference": signed(change.normalize(), language) if both else "",
            }
        )
    return {"version": step.version, "op": step.op.replace(" ", "_"), "cells": cells}
