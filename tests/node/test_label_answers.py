"""Which code a city's own label is: asked once, kept in the profile, used again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node_world import make_node
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.datasets.standards import load
from shahrdad.node.city import Node
from shahrdad.node.commands.import_file import Answered, Import
from shahrdad.node.console import Common
from shahrdad.node.incoming.handing import handed_of
from shahrdad.node.incoming.profiles import FOLDER, Profiles
from shahrdad.node.publish import publish
from shahrdad.validators import Options, validate

UNITS = load("org_units")
QUIET = Common(quiet=True, lang="en")
HEADER = "شناسه واحد,نام واحد,نوع واحد,شماره منطقه,سازمان فاوا است؟\n"
ROWS = (
    "shahrdari,شهرداری,شهرداری مرکزی,,خیر\n"
    "fava,فاوا,سازمان وابسته به شهرداری,,بله\n"
    "m1,منطقه یک,منطقهٔ شهرداری,1,خیر\n"
    "m2,منطقه دو,منطقهٔ شهرداری,2,خیر\n"
)
CODES = {
    "شهرداری مرکزی": "municipality",
    "سازمان وابسته به شهرداری": "organization",
    "منطقهٔ شهرداری": "district",
}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node that is ready to publish."""
    with make_node(tmp_path) as made:
        yield made


def write(folder: Path, rows: str = ROWS) -> Path:
    """Write the list of units as a city keeps it."""
    path = folder / "units.csv"
    path.write_text(HEADER + rows, "utf-8")
    return path


def started(
    node: Node, file: Path, answers: list[str] | None = None, **answered: Any
) -> Import:
    """Begin an import, with a person who gives these answers one by one."""
    known = handed_of(node.config, file, family="org_units")
    given = iter(answers or [])
    return Import(
        QUIET,
        file,
        UNITS,
        known.profile,
        Options(),
        Answered(**answered),
        Profiles(node.config.data / FOLDER),
        None,
        None if answers is None else lambda question: next(given) + "\n",
    )


def saved(node: Node) -> list[tuple[int, dict[str, str]]]:
    """Return version and answered labels of the kept profiles."""
    return [
        (
            one.version,
            next(
                rule.get("values", {})
                for rule in one.descriptor["columns"]
                if rule["to"] == "unit_type"
            ),
        )
        for one in Profiles(node.config.data / FOLDER)
    ]


def published(node: Node, file: Path, profile: dict[str, Any]) -> str:
    """Publish a file by a profile, and return what became of it."""
    handed = handed_of(node.config, file, family="org_units", profile=profile)
    return publish(node, handed)[0].state


def test_a_person_answers_by_number_or_code(node: Node, tmp_path: Path) -> None:
    """Each label is asked once, an answer that is no code again; then it is published.

    The second time the same layout asks nothing.
    """
    file = write(tmp_path)
    answers = ["1", "no such code", "organization", "۱"]
    profile, _ = started(node, file, answers).settle()
    again, _ = started(node, file, []).settle()

    assert [(1, CODES)] == saved(node)
    assert "published" == published(node, file, profile)
    assert again == profile


def test_a_new_label_in_a_known_layout_is_asked_alone(
    node: Node, tmp_path: Path
) -> None:
    """Next quarter's file has one more label: only that is asked, and added."""
    started(node, write(tmp_path), ["1", "organization", "1"]).settle()
    more = write(tmp_path, ROWS + "m3,منطقه سه,منطقه جدید,3,خیر\n")
    profile, _ = started(node, more, ["district"]).settle()

    assert [(2, {**CODES, "منطقه جدید": "district"})] == saved(node)
    assert "published" == published(node, more, profile)


def test_a_slip_is_left_to_be_mended(node: Node, tmp_path: Path) -> None:
    """An empty answer maps nothing: the cell is refused, and nothing is kept."""
    file = write(tmp_path)
    profile, _ = started(node, file, ["", "", ""]).settle()

    assert [] == saved(node)
    assert "refused" == published(node, file, profile)


def test_without_a_terminal_the_report_names_label_count_and_codes(
    node: Node, tmp_path: Path
) -> None:
    """The flags that it names answer, and the answers are kept like a person's."""
    file = write(tmp_path)
    profile, _ = started(node, file, no_input=True).settle()
    report = validate(file, schema="org_units", profile=profile)
    unknown = {
        issue.value: (issue.values["rows"], issue.values["expected"])
        for issue in report.issues
        if issue.code == "label-unknown"
    }
    flags = tuple(f"unit_type:{label}={code}" for label, code in CODES.items())
    answered, _ = started(node, file, value=flags, no_input=True).settle()

    assert {label: 1 + (code == "district") for label, code in CODES.items()} == {
        label: count for label, (count, _) in unknown.items()
    }
    assert unknown["منطقهٔ شهرداری"][1].startswith("district (")
    assert [(1, CODES)] == saved(node)
    assert "published" == published(node, file, answered)


def test_flags_add_to_a_known_layout(node: Node, tmp_path: Path) -> None:
    """A flag for one label keeps the columns and labels that are known."""
    file = write(tmp_path)
    started(node, file, ["1", "", "1"]).settle()
    label = "سازمان وابسته به شهرداری"
    started(node, file, value=(f"unit_type:{label}=organization",)).settle()

    assert [(2, CODES)] == saved(node)


def test_columns_answered_anew_keep_the_labels(node: Node, tmp_path: Path) -> None:
    """Another answer about a column does not ask for the labels again."""
    file = write(tmp_path)
    started(node, file, ["1", "organization", "1"]).settle()
    started(node, file, ignore=("شماره منطقه",)).settle()

    assert [(2, CODES)] == saved(node)


@pytest.mark.parametrize(
    "flag", ["unit_type:x=no_code", "name_fa:x=y", "unit_type", "unit_type:x"]
)
def test_a_flag_that_names_no_code_is_refused(
    flag: str, node: Node, tmp_path: Path
) -> None:
    """The error says which codes or fields there are."""
    with pytest.raises(RequestError) as caught:
        started(node, write(tmp_path), value=(flag,)).settle()

    assert Reason.PARAMETER_VALUE == caught.value.reason
    assert "unit_type:TEXT=CODE" in str(
        caught.value.values["expected"]
    ) or "municipality" in str(caught.value.values["expected"])
