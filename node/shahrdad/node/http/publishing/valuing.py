"""What a file leaves open of its values: unit, calendar, texts that name no code.

A form has `unit`, `calendar`, and `label-n` for the unknown text at place n: a code of
the column's list, or empty where the cells are to be mended in the file. All answers
become the profile of the layout; where a saved profile knows the layout already, its
next version.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from shahrdad.datasets import standards
from shahrdad.datasets.errors import Language, Reason, RequestError
from shahrdad.datasets.standards import Standard
from shahrdad.node.accounts.roles import Action
from shahrdad.node.desk.intakes import Intake, Said
from shahrdad.node.http.portal.amounts import toman_in_words
from shahrdad.node.http.publishing.asking import facts, go_on, opened, source_of
from shahrdad.node.http.publishing.counter import Door, Visit
from shahrdad.node.incoming.profiles import FOLDER, Profiles

CALENDARS = ("jalali", "gregorian", "mixed")


def ask(visit: Visit) -> Response:
    """Ask for unit, calendar and codes, each where it is open."""
    intake = opened(visit)
    outline = intake.outline or {}
    questions = outline.get("questions") or {}
    known = bool(outline.get("known"))  # its profile says unit and calendar
    money = None if known else questions.get("money")
    return visit.show(
        "unit.html",
        **facts(visit, intake),
        money=money,
        calendar=None if known else questions.get("calendar"),
        calendars=CALENDARS,
        units=_units(visit.language, outline) if money else [],
        chosen=intake.said.options.get("unit")
        or next(iter(questions.get("stated", ())), ""),
        columns=_columns(visit.language, intake),
    )


def _units(language: Language, outline: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the units, those that the file states first, with a total per head."""
    from shahrdad.datasets.codelists import code_list

    stated = (outline.get("questions") or {}).get("stated", ())
    listed = {row["unit"]: row for row in code_list("money_units").rows}
    per_head = {one["unit"]: one for one in outline.get("per_head", [])}
    units = dict.fromkeys((*stated, *per_head, *listed))
    return [
        {
            "unit": unit,
            "label": listed[unit]["label" if language == "fa" else "label_en"],
            "stated": unit in stated,
            "per_head": " ".join(toman_in_words(per_head[unit]["rial"], language))
            if unit in per_head
            else "",
            "plausible": per_head.get(unit, {}).get("plausible"),
        }
        for unit in units
        if unit in listed
    ]


def _columns(language: Language, intake: Intake) -> list[dict[str, Any]]:
    """Return the columns with unknown texts: each text, and the codes it may be."""
    standard = standards.load(intake.family)
    columns: dict[str, dict[str, Any]] = {}
    for place, one in enumerate((intake.outline or {}).get("unknown", [])):
        field = standard.field(one["field"])
        labels = {
            code.value: code.label_fa if language == "fa" else code.label_en
            for code in field.categories
        }
        column = columns.setdefault(
            field.name, {"title": field.title(language), "texts": []}
        )
        column["texts"].append(
            {
                **one,
                "place": place,
                "codes": [(code, labels[code]) for code in one["nearest"]],
            }
        )
    return [*columns.values()]


def choose(visit: Visit) -> Response:
    """Take what was chosen; it becomes the profile of this layout.

    Raises:
        RequestError: FORM_INCOMPLETE, MEMBER_WRONG.
    """
    intake = opened(visit)
    outline = intake.outline or {}
    said = intake.said
    if not outline.get("known"):
        options = {**said.options, **_chosen(visit, outline.get("questions") or {})}
        said = replace(said, options=options)
    values = _values(visit, intake)
    if values and said.known:
        _remember(visit, said.known, values)
    elif values:
        said = replace(_matched(said, intake), values=values)
    return go_on(visit, replace(intake, said=said, stage="judging"))


def _chosen(visit: Visit, questions: Mapping[str, Any]) -> dict[str, str]:
    """Return unit and calendar of the form, where they were asked for."""
    from shahrdad.datasets.codelists import code_list

    known = {
        "unit": [row["unit"] for row in code_list("money_units").rows],
        "calendar": [*CALENDARS],
    }
    asked = {"unit": questions.get("money"), "calendar": questions.get("calendar")}
    found = {}
    for name, question in asked.items():
        if question:
            found[name] = visit.form.text(name)
            if found[name] not in known[name]:
                expected = " | ".join(known[name])
                raise RequestError(Reason.MEMBER_WRONG, pointer=name, expected=expected)
    return found


def _values(visit: Visit, intake: Intake) -> dict[str, dict[str, str]]:
    """Return code by text, by field, of the texts that were answered.

    Raises:
        RequestError: MEMBER_WRONG: no code of that column.
    """
    standard = standards.load(intake.family)
    found: dict[str, dict[str, str]] = {}
    for place, one in enumerate((intake.outline or {}).get("unknown", [])):
        code = visit.form.text(f"label-{place}", "")
        if not code:
            continue
        _check_code(standard, one["field"], code, place)
        found.setdefault(one["field"], {})[one["label"]] = code
    return found


def _check_code(standard: Standard, field: str, code: str, place: int) -> None:
    codes = [one.value for one in standard.field(field).categories]
    if code not in codes:
        raise RequestError(
            Reason.MEMBER_WRONG, pointer=f"label-{place}", expected=" | ".join(codes)
        )


def _remember(visit: Visit, name: str, values: Mapping[str, Mapping[str, str]]) -> None:
    """Add codes to a saved profile: its next version."""
    from shahrdad.validators.questions import with_values

    store = Profiles(visit.node.config.data / FOLDER)
    store.save(with_values(store.get(name).descriptor, values))


def _matched(said: Said, intake: Intake) -> Said:
    """Return what was said with its columns, also where none had to be asked for.

    Only what names its columns becomes a profile, and without one the codes were lost.
    """
    if said.matched:
        return said
    outline = intake.outline or {}
    questions = outline.get("questions") or {}
    return replace(
        said,
        labels=tuple(outline.get("labels", ())),
        columns=questions.get("certain", {}),
        stated=tuple(questions.get("stated", ())),
        source=source_of(intake),
    )


def doors() -> list[Door]:
    """Return the addresses."""
    write = Action.DRAFT_WRITE
    return [
        Door("Unit", "GET", "/{draft}/unit", write, ask),
        Door("ChooseUnit", "POST", "/{draft}/unit", write, choose, "form"),
    ]
