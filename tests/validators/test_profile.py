"""Mapping profiles: read, checked, recognised by their header."""

from typing import Any

import pytest

from shahrdad.datasets.errors import DataError, Reason
from shahrdad.validators.profile import Profile

KERMAN: dict[str, Any] = {
    "profile": "kerman-budget-1404",
    "version": 3,
    "family": "budget_lines",
    "standard": "1.0.0",
    "source": {
        "kind": "xlsx",
        "sheet": "مصارف",
        "header_rows": [4, 5],
        "skip_rows": ["^جمع"],
        "encoding": None,
        "delimiter": None,
    },
    "signature": ["کد بودجه", "شرح ردیف", "متولی", "مصوب"],
    "money_unit": "million_rial",
    "calendar": "jalali",
    "century": None,
    "date_order": "ymd",
    "decimal": ".",
    "missing": ["-", "ندارد"],
    "columns": [
        {"to": "line_code", "from": "کد بودجه"},
        {"to": "approved_rial", "from": "مصوب 1404"},
        {"to": "org_unit_id", "from": "متولی", "values": {"سازمان فاوا": "fava"}},
        {"to": "side", "constant": "use"},
        {"to": "parent_line_code", "path": ["سرفصل", "زیر موضوع"], "code": "ordinal"},
        {"to": "program_code", "from": "برنامه", "extract": "^([0-9]+)-"},
    ],
    "keep": ["موضوع"],
    "ignore": ["ردیف"],
    "declared": {"budget_municipality_rial": "۱۲ هزار میلیارد تومان"},
    "added_later": {"kept": True},
}


def test_the_profile_of_the_standard() -> None:
    """The example is read whole, and a member that is not known is kept."""
    profile = Profile.of(KERMAN)

    assert ("kerman-budget-1404", 3, (4, 5)) == (
        profile.name,
        profile.version,
        profile.header_rows,
    )
    assert ("million_rial", ("-", "ندارد")) == (
        profile.settings().money_unit,
        profile.settings().missing,
    )
    assert {"سازمان فاوا": "fava"} == profile.columns[2].values
    assert KERMAN == profile.to_dict()


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"money_unit": "billion_rial"}, "money_unit"),
        ({"calendar": "lunar"}, "calendar"),
        ({"decimal": ";"}, "decimal"),
        ({"century": 1200}, "century"),
        ({"version": 0}, "version"),
        ({"totals": "leaf"}, "totals"),
        ({"totals": "subtotal"}, "totals"),
        ({"missing": "-"}, "missing"),
        ({"source": []}, "source"),
        ({"source": {"header_rows": [2, 4]}}, "source.header_rows"),
        ({"source": {"skip_rows": ["(?=x)"]}}, "source.skip_rows[0]"),
        ({"columns": [{"to": "a"}]}, "columns[0]"),
        ({"columns": [{"to": "a", "from": "b", "constant": "c"}]}, "columns[0]"),
        ({"columns": [{"to": "a", "from": "b"}, {"to": "a", "from": "c"}]}, "columns"),
        ({"columns": [{"to": "a", "from": "b", "extract": "x"}]}, "columns[0].extract"),
        (
            {"columns": [{"to": "a", "from": "b", "extract": "(a)(b)"}]},
            "columns[0].extract",
        ),
        (
            {"columns": [{"to": "a", "from": "b", "extract": r"(a)\1"}]},
            "columns[0].extract",
        ),
        ({"columns": [{"to": "a", "from": "b", "scale": "x"}]}, "columns[0].scale"),
        (
            {"columns": [{"to": "a", "from": "b", "split": "-", "part": 0}]},
            "columns[0].split",
        ),
    ],
)
def test_faults_are_named(change: dict[str, Any], place: str) -> None:
    """A profile that cannot be followed says where it is wrong."""
    with pytest.raises(DataError) as caught:
        Profile.of(change)
    assert (Reason.PROFILE_INVALID, place) == (
        caught.value.reason,
        caught.value.values["place"],
    )


def test_header_is_recognised() -> None:
    """A header is that of the profile when nothing is missing, moved or new."""
    profile = Profile.of(KERMAN)
    whole = ["ردیف", "کد بودجه", "شرح ردیف", "متولی", "مصوب 1405", "موضوع"]

    assert profile.knows(whole)
    assert not profile.knows(whole[:3] + whole[4:])
    assert not profile.knows([*whole, "تخصیص"])
    assert not profile.knows(["شرح ردیف", "کد بودجه", "متولی", "مصوب"])
    assert not Profile.of({}).knows(whole)


def test_partial_profile() -> None:
    """A profile may say the unit and the calendar alone."""
    settings = Profile.of({"money_unit": "hemmat", "calendar": "mixed"}).settings()

    assert ("hemmat", "mixed", ".") == (
        settings.money_unit,
        settings.calendar,
        settings.decimal,
    )
