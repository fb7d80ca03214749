"""What an import asks: on a terminal, as flags, and never twice for one layout."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node_world import make_node
from shahrdad.datasets.errors import DataError, Reason, RequestError
from shahrdad.datasets.standards import load
from shahrdad.node.city import Node
from shahrdad.node.commands.import_file import Answered, Import
from shahrdad.node.console import Common
from shahrdad.node.incoming.handing import handed_of
from shahrdad.node.incoming.profiles import FOLDER, Profiles
from shahrdad.node.publish import Handed, publish
from shahrdad.validators import Options
from shahrdad.validators.money_question import per_head, total

LINES = load("budget_lines")
QUIET = Common(quiet=True, lang="en")
HEADER = "کد ردیف,شرح ردیف,مصوب ۱۴۰۴,سمت,تاریخ وضعیت,یادداشت داخلی\n"
ROWS = "1101,عوارض,۱۲۰۰,منابع,۱۴۰۴/۰۶/۳۱,x\n2101,حقوق,۱۲۰۰,مصارف,۱۴۰۴/۰۶/۳۱,y\n"
CONSTANTS = ("budget_stage=approved", "org_unit_id=mali")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node that is ready to publish."""
    with make_node(tmp_path) as made:
        yield made


def write(folder: Path, header: str = HEADER, rows: str = ROWS) -> Path:
    """Write the file of a unit that knows no standard."""
    path = folder / "بودجه.csv"
    path.write_text(header + rows, "utf-8")
    return path


def started(
    node: Node, file: Path, answers: list[str] | None = None, **more: Any
) -> Import:
    """Begin an import, with a person who gives these answers one by one."""
    known = handed_of(node.config, file, family="budget_lines", fiscal_year=1404)
    given = iter(answers or [])
    return Import(
        QUIET,
        file,
        LINES,
        known.profile,
        more.pop("options", Options()),
        more.pop("answered", Answered()),
        Profiles(node.config.data / FOLDER),
        537_718,
        None if answers is None else lambda question: next(given) + "\n",
        **more,
    )


def test_open_questions_name_the_flags(node: Node, tmp_path: Path) -> None:
    """Where nobody can be asked, the error lists each question with its flag."""
    with pytest.raises(DataError) as caught:
        started(node, write(tmp_path)).settle()
    text = str(caught.value.values["questions"])

    assert Reason.SOURCE_QUESTIONS == caught.value.reason
    assert "--unit" in text
    assert '--keep "یادداشت داخلی"' in text
    assert '--set "org_unit_id=…"' in text
    assert "city_code" not in text
    assert "fiscal_year" not in text
    assert not list(Profiles(node.config.data / FOLDER))


def test_flags_answer_and_are_kept(node: Node, tmp_path: Path) -> None:
    """Answered once by flags, the same layout is published without a question.

    Another header, or a unit stated in it, asks again.
    """
    answered = Answered(
        map=("مصوب ۱۴۰۴=approved_rial",),
        keep=("یادداشت داخلی",),
        set=(*CONSTANTS, "economic_class=revenue"),
    )
    file = write(tmp_path)
    first = started(node, file, answered=answered, options=Options(unit="million_rial"))
    profile, _ = first.settle()
    again, _ = started(node, write(tmp_path, rows=ROWS * 2)).settle()
    (saved,) = Profiles(node.config.data / FOLDER)

    assert ("million_rial", 1) == (saved.descriptor["money_unit"], saved.version)
    assert saved.path.parent.name == "budget_lines"
    assert profile["columns"] == again["columns"]
    for other in (
        HEADER.replace("شرح", "متن"),
        HEADER.replace("۴,", "۴ (میلیون تومان),"),
    ):
        with pytest.raises(DataError):
            started(node, write(tmp_path, other)).settle()


def test_a_person_is_asked_on_a_terminal(node: Node, tmp_path: Path) -> None:
    """Each question is asked until it has an answer that can be taken; then published.

    With the unit wrong by a zero the same file is refused by B7 alone.
    """
    file = write(tmp_path, rows="2101,حقوق,۱۲۰۰۰,مصارف,۱۴۰۴/۰۶/۳۱,y\n")
    asked: list[str] = []
    answers = {
        "مصوب": "approved_rial",
        "یادداشت": "k",
        "Budget stage": "approved",
        "Unit in charge": "mali",
        "Economic class": "current_expense",
        "In which unit": "milliard_toman",
    }

    def answer(question: str) -> str:
        asked.append(question)
        if len(asked) == 1:
            return "no such field\n"
        return next(text for key, text in answers.items() if key in question) + "\n"

    profile, _ = replace(started(node, file), read=answer).settle()
    units = [saved.descriptor["money_unit"] for saved in kept(node)]
    slip = {**profile, "money_unit": "milliard_rial"}
    refused, report = publish(node, handed(node, file, slip))
    published, _ = publish(node, handed(node, file, profile))
    errors = {issue.rule for issue in report.issues if issue.severity == "error"}

    assert asked[0] == asked[1]
    assert ["milliard_toman"] == units
    assert ("published", "refused") == (published.state, refused.state)
    assert {"B7"} == errors


def kept(node: Node) -> Profiles:
    """Return the profiles of a node."""
    return Profiles(node.config.data / FOLDER)


def handed(node: Node, file: Path, profile: dict[str, Any]) -> Handed:
    """Hand a file of uses in; its sources are in another file."""
    return handed_of(
        node.config,
        file,
        family="budget_lines",
        fiscal_year=1404,
        profile=profile,
        waived={"B1": "منابع در فایل دیگری است"},
    )


def test_the_slip_of_a_zero_shows_in_the_question() -> None:
    """Of rial and toman, at most one total per head lies in the band of the year."""
    amount = total(["۱۲٬۰۰۰٬۰۰۰", "x", ""], ".")
    found = per_head(amount, ["million_rial", "million_toman"], 537_718, 1404)

    assert [False, True] == [one.plausible for one in found]
    assert [22_316_530, 223_165_302] == [one.rial for one in found]


def test_profiles_are_versioned_and_found(tmp_path: Path) -> None:
    """The same profile again is no version; another one is; an unknown name says so."""
    store = Profiles(tmp_path)
    profile = {"profile": "a", "family": "projects", "version": 1, "columns": []}
    versions = [
        store.save(given).version
        for given in (profile, profile, {**profile, "calendar": "gregorian"})
    ]

    assert [1, 1, 2] == versions
    assert "gregorian" == store.get("projects/a").descriptor["calendar"]
    with pytest.raises(RequestError) as caught:
        store.get("b")
    assert Reason.PROFILE_UNKNOWN == caught.value.reason
    assert "projects/a" in str(caught.value.values["profiles"])


def test_constants_of_the_node_give_way_to_columns(node: Node, tmp_path: Path) -> None:
    """A city code in the file is judged; the node fills only what is not there."""
    header = "city_code," + HEADER
    rows = "".join(f"1309,{row}\n" for row in ROWS.splitlines())
    file = write(tmp_path, header, rows)
    known = handed_of(node.config, file, family="budget_lines", fiscal_year=1404)
    _, report = publish(node, known)
    missing = {i.field for i in report.issues if i.code == "label-missing"}

    assert "G1" in {issue.rule for issue in report.issues}
    assert not missing & {"city_code", "fiscal_year"}


def test_commands_list_show_and_export(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kept profiles are listed, shown and written out as they are."""
    from shahrdad.node.commands.profiles import export, list_profiles, show

    profile = {"profile": "a", "family": "projects", "version": 1, "columns": []}
    saved = Profiles(node.config.data / FOLDER).save(profile)
    common = Common(config=node.config.folder, quiet=True)
    list_profiles(common=common)
    listed = capsys.readouterr().out
    show("a", common=common)
    shown = capsys.readouterr().out
    export("a", tmp_path / "a.json", common=common)

    assert "projects\ta\t1" in listed
    assert profile == json.loads(shown)
    assert saved.path.read_bytes() == (tmp_path / "a.json").read_bytes()


def test_sheet_is_asked(node: Node, tmp_path: Path) -> None:
    """A workbook with two such sheets asks which; the answer is part of the profile."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for name in ("مصارف", "منابع"):
        sheet = book.create_sheet(name)
        for line in (HEADER + ROWS).splitlines():
            sheet.append([*line.split(","), name])
    content = io.BytesIO()
    book.save(content)
    file = tmp_path / "two.xlsx"
    file.write_bytes(content.getvalue())
    with pytest.raises(DataError) as caught:
        started(node, file).settle()

    assert "--sheet" in str(caught.value.values["questions"])
