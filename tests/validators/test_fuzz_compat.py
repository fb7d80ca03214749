"""Compat mode against frictionless: invented schemas and files, equal reports.

300 cases; SHAHRDAD_LONG=1 tries 20,000, and SHAHRDAD_FUZZ=N another number, from the
seed that `--hypothesis-seed` names. What was found once stands in `FOUND`.
"""

import os
import warnings
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from compat_cases import Case, cases
from compat_comparison import differences

EXAMPLES = int(os.environ.get("SHAHRDAD_FUZZ", 0)) or (
    20_000 if os.environ.get("SHAHRDAD_LONG") else 150
)
ROUTES: Counter[str] = Counter()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the invented files."""
    return tmp_path_factory.mktemp("fuzz")


def check(folder: Path, case: Case) -> tuple[str, str | None]:
    """Compare both reports; return the route and its reason."""
    case.write(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of frictionless about its own files
        route, reason, _, different = differences(
            lambda: case.resource(folder),
            limit_errors=case.limit,
            block_bytes=case.block_bytes,
        )

    assert different is None, f"{route} {reason}\n{case!r}\n{different}"
    return route, reason


FOUND = {
    # A bound in text is read with the field's own marks: "1.5" is 15 here.
    "bound_with_marks": Case(
        schema={
            "fields": [
                {
                    "name": "amount",
                    "type": "number",
                    "decimalChar": ",",
                    "groupChar": ".",
                    "constraints": {"minimum": "1.5"},
                }
            ]
        },
        data=b'amount\n"1,5"\n15\n"2.000,5"\n',
        path="table.csv",
        more={},
        limit=1_000,
        block_bytes=333,
    )
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once(folder: Path, name: str) -> None:
    """The two reports are equal now."""
    check(folder, FOUND[name])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(case=cases())
def test_report_is_that_of_frictionless(folder: Path, case: Case) -> None:
    """Whatever the schema, the file and the limit are, the two reports are equal."""
    ROUTES[check(folder, case)[0]] += 1


def test_kernels_did_most_of_it() -> None:
    """An engine that always falls back is identical, and worthless."""
    assert ROUTES["kernels"] > 2 * ROUTES["oracle"], ROUTES
