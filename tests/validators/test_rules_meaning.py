"""What rules mean: empty operands, tolerance, waivers, references, personal data."""

import hashlib
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from shahrdad.validators import Context, Options, Ref, Report, validate
from shahrdad.validators.bulk import masked
from shahrdad.validators.rules.asking import Asking
from shahrdad.validators.rules.conditions import certain, holds
from shahrdad.validators.rules.detect import broken_character, detected
from shahrdad.validators.rules.tolerance import allowed, printed_decimals, step_of
from shared_data import SHARED, needs_shared

MADRID = SHARED / "data" / "budget" / "madrid" / "2023" / "gastos.csv"


def checked(
    text: str, rules: list[dict[str, Any]], fields: str = "a b c", **more: Any
) -> Report:
    """Validate a table of integer columns with some rules."""
    schema = {
        "fields": [{"name": name, "type": "integer"} for name in fields.split()],
        "custom_checks": rules,
    }
    return validate(
        text.encode(), schema=schema, options=Options(delimiter=","), **more
    )


def outcomes(report: Report) -> dict[str, str]:
    """Return the outcome of each rule."""
    return {rule.id: rule.outcome for rule in report.rules}


class Columns:
    """A few columns for conditions."""

    def __init__(self, **columns: list[Any]) -> None:
        self.columns = columns

    def column(self, name: str) -> pa.Array:
        """Return a column."""
        return pa.array(self.columns[name], pa.int64())


@pytest.mark.parametrize(
    ("condition", "where", "then"),
    [
        (
            {"column": "a", "op": ">", "value": 1},
            [False, True, False],
            [False, True, True],
        ),
        (
            {"not": {"column": "a", "op": ">", "value": 1}},
            [True, False, False],
            [True, False, True],
        ),
        ({"column": "a", "op": "empty"}, [False, False, True], [False, False, True]),
        (
            {"column": "a", "op": "not-in", "value": [1]},
            [False, True, False],
            [False, True, True],
        ),
        (
            {
                "any": [
                    {"column": "a", "op": "=", "value": 1},
                    {"column": "a", "op": "empty"},
                ]
            },
            [True, False, True],
            [True, False, True],
        ),
        (
            {
                "all": [
                    {"column": "a", "op": "=", "value": 1},
                    {"column": "a", "op": "empty"},
                ]
            },
            [False, False, False],
            [False, False, True],
        ),
    ],
)
def test_empty_cells_are_unknown(
    condition: dict[str, Any], where: list[bool], then: list[bool]
) -> None:
    """A comparison with an empty cell is false in `where` and passes in `then`."""
    found = holds(condition, Columns(a=[1, 2, None]), lambda name: None)

    assert where == certain(found, unknown=False).tolist()
    assert then == certain(found, unknown=True).tolist()


def test_sums_with_an_empty_operand_are_not_judged() -> None:
    """An empty addend is not zero."""
    rule = {
        "name": "sum-columns-value",
        "params": {"column": "c", "columns": ["a", "b"]},
    }

    report = checked("a,b,c\n1,2,3\n1,,5\n1,2,4\n", [rule])

    assert [4] == [issue.row for issue in report.issues]


def test_sums_do_not_wrap() -> None:
    """Whole numbers near the end of int64 are added exactly."""
    most = 2**63 - 1
    rule = {
        "name": "sum-columns-value",
        "params": {"column": "c", "columns": ["a", "b"]},
    }

    report = checked(f"a,b,c\n{most},{most},-2\n{most - 1},1,{most}\n", [rule])

    assert [2] == [issue.row for issue in report.issues]


def test_table_sums_do_not_wrap() -> None:
    """Four times 2^62 is not zero."""
    rule = {
        "name": "balance",
        "params": {
            "by": [],
            "terms": [
                {
                    "sign": 1,
                    "column": "a",
                    "where": {"column": "b", "op": "=", "value": 1},
                }
            ],
        },
    }
    rows = "\n".join(f"{2**62},1,0" for _ in range(4))

    report = checked(f"a,b,c\n{rows}\n", [rule])

    assert {"balance#1": "violated"} == outcomes(report)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,224.000", 3),
        ("۱۲۰٫۵", 1),
        ("0.000", None),
        ("", None),
        ("12", 0),
        ("(1.50)", 2),
        ("1.234.567", 0),
    ],
)
def test_decimals_as_printed(text: str, expected: int | None) -> None:
    """Trailing zeros count, zero does not."""
    assert expected == printed_decimals(text)


def test_rounding_tolerance_follows_the_printed_figures() -> None:
    """Three figures in thousandths may differ by two of their last digits."""
    step = step_of(["120.000", "104.000", "0.000", "224.001"], ".", 10**9)

    assert 10**6 == step
    assert 2 * 10**6 == allowed({"abs": 1, "rounding": 1}, step * 224, 3, step)
    assert 0 == step_of(["120", "104"], ".", 1)


def test_unknown_rule_never_passes_silently() -> None:
    """A rule that nobody knows is reported, and so is one that is recognised only."""
    report = checked(
        "a,b,c\n1,2,3\n", [{"name": "guess"}, {"name": "phone-number-value"}]
    )

    assert {"guess#1": "not-run", "phone-number-value#2": "not-run"} == outcomes(report)
    assert ["schema-rule"] == [issue.code for issue in report.issues]


def test_malformed_rule_is_not_run() -> None:
    """Parameters of a wrong shape say why, and raise nothing."""
    rules = [
        {
            "name": "row-condition",
            "params": {"then": {"column": "a", "op": "~", "value": 1}},
        },
        {
            "name": "allowed-pairs",
            "params": {"column": "a", "column2": "b", "pairs": [1]},
        },
        {"name": "balance", "params": {"terms": "x"}},
        {"name": "code-list", "params": {"column": "a", "list": "nowhere"}},
    ]

    report = checked("a,b,c\n1,2,3\n", rules)

    assert ["not-run"] * 4 == [rule.outcome for rule in report.rules]


def test_context_value_that_is_lacking_skips() -> None:
    """A rule on `@city_code` without a city is skipped with that reason."""
    rule = {
        "name": "row-condition",
        "params": {"then": {"column": "a", "op": "=", "value": "@city_code"}},
    }

    report = checked("a,b,c\n1,2,3\n", [rule])

    assert [("skipped", "@city_code is not given")] == [
        (r.outcome, r.why) for r in report.rules
    ]


def test_table_rule_with_wrong_cells_is_skipped() -> None:
    """A sum is not computed on the rest when a needed cell is wrong."""
    rule = {
        "id": "T",
        "name": "contiguous",
        "params": {"column": "a", "by": [], "start": 1},
    }

    report = checked("a,b,c\n1,2,3\nx,2,3\n", [rule])

    assert [("skipped", "column a has wrong cells")] == [
        (r.outcome, r.why) for r in report.rules
    ]


def test_rows_are_counted_without_a_look_at_any_column() -> None:
    """A rule that names no column still sees how many rows there are."""
    outcomes = [
        checked(
            "a,b,c\n1,2,3\n4,5,6\n",
            [{"id": "N", "name": "count-between", "params": {"min": least}}],
        )
        .rules[0]
        .outcome
        for least in (2, 3)
    ]

    assert ["passed", "violated"] == outcomes


def test_row_rule_says_how_many_rows_it_left() -> None:
    """A row whose needed cell is wrong is not judged, and the report says so."""
    rule = {
        "name": "compare-columns-value",
        "params": {"column": "a", "op": "<", "column2": "b"},
    }

    report = checked("a,b,c\n1,2,3\nx,2,3\n", [rule])

    assert "1 rows with wrong cells were not judged" == report.rules[0].why


def test_waiver_lowers_a_waivable_error_alone() -> None:
    """A waived error no longer blocks; a rule that is not waivable stays an error."""
    rules = [
        {
            "id": n,
            "name": "contiguous",
            "waivable": n == "W",
            "params": {"column": "a", "by": [], "start": 5},
        }
        for n in ("W", "N")
    ]

    report = checked(
        "a,b,c\n1,2,3\n", rules, context=Context(waived={"W": "دلیل", "N": "دلیل"})
    )

    assert [("W", "warning"), ("N", "error")] == [
        (i.rule, i.severity) for i in report.issues
    ]
    assert ["دلیل", None] == [rule.waived for rule in report.rules]


def test_confirmed_rows_are_not_asked_again() -> None:
    """`needs-confirmation` warns until the approver ticks it."""
    rule = {
        "id": "S9",
        "name": "needs-confirmation",
        "severity": "warning",
        "params": {"if": {"column": "a", "op": "=", "value": 1}},
    }
    text = "a,b,c\n1,2,3\n"

    assert {"S9": "violated"} == outcomes(checked(text, [rule]))
    assert {"S9": "passed"} == outcomes(
        checked(text, [rule], context={"confirmed": frozenset({"S9"})})
    )


def test_references_are_pinned_by_their_hash(tmp_path: Path) -> None:
    """A reference of another hash is refused; a right one stands in the report."""
    path = tmp_path / "other.csv"
    path.write_text("k\n1\n2\n", "utf-8")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    rule = {
        "name": "reference-exists",
        "params": {
            "column": "a",
            "family": "other",
            "column2": "k",
            "if_family_missing": "skip",
        },
    }
    text = "a,b,c\n1,2,3\n9,2,3\n"

    refused = checked(text, [rule], refs={"other": Ref(path, "0" * 64)})
    taken = checked(text, [rule], refs={"other": Ref(path, digest, "r1")})

    assert ["schema-reference"] == [issue.code for issue in refused.issues]
    assert [3] == [issue.row for issue in taken.issues]
    assert [{"family": "other", "release": "r1", "sha256": digest}] == list(taken.refs)


@pytest.mark.parametrize("missing", ["skip", "fail"])
def test_missing_family(missing: str) -> None:
    """Without the other family a rule is skipped or fails, as it declares."""
    rule = {
        "id": "R",
        "name": "reference-exists",
        "params": {
            "column": "a",
            "family": "other",
            "column2": "k",
            "if_family_missing": missing,
        },
    }

    report = checked("a,b,c\n1,2,3\n", [rule])

    assert {"R": "skipped" if missing == "skip" else "violated"} == outcomes(report)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("کد ملی ۰۰۰۰۰۰۰۰۱۹", "national-id"),
        ("تماس: ۰۹۰۰۰۰۰۰۰۰۰", "mobile"),
        ("+989121234567", "mobile"),
        ("6037-9911-1111-1111", None),
        ("4111 1111 1111 1111", "card-number"),
        ("IR820540102680020817909002", "sheba"),
        ("someone@gmail.com", "personal-email"),
        ("info@kerman.ir", None),
        ("نشانی ۱۹۲.۱۶۸.۱.۲۰ است", "private-ip"),
        ("192.168.1.2000", None),
        ("8.8.8.8", None),
        ("srv.local", "internal-host"),
        ("password: x", "credential"),
        ("رمز عبور: ۱۲۳", "credential"),
        ("12345678901234", None),
        ("1111111111", None),
    ],
)
def test_detection(text: str, name: str | None) -> None:
    """Personal data and secrets are found in any digits, and their like are not."""
    names = [
        "national-id",
        "mobile",
        "card-number",
        "sheba",
        "personal-email",
        "private-ip",
    ]

    assert name == detected(text, [*names, "internal-host", "credential"])


def test_personal_data_is_never_shown_whole() -> None:
    """The value of a detection is masked in every form of the report."""
    schema = {
        "fields": [{"name": "t", "type": "string", "constraints": {"maxLength": 5}}],
        "custom_checks": [
            {
                "id": "G4",
                "name": "no-sensitive-text",
                "params": {"columns": "*text", "detect": ["mobile"]},
                "message": "«{value}»",
                "message_en": "{value}",
            }
        ],
    }

    report = validate("t\nتماس 09121234567\n".encode(), schema=schema)

    assert ["rule:G4", "value-max-length"] == sorted(
        issue.code for issue in report.issues
    )
    for shown in (
        report.to_json(),
        report.to_text("fa"),
        report.to_html("fa"),
        str(report.error_table.to_pydict()),
    ):
        assert "09121234567" not in shown
    assert "091…67" == masked("09121234567")


def test_broken_characters() -> None:
    """Replacement, private-use and unassigned characters are found, Persian is not."""
    assert "U+FFFD" == broken_character("شهر\ufffd")
    assert "U+E000" == broken_character("\ue000")
    assert "U+10FC1A" == broken_character("a\U0010fc1a")
    assert broken_character("می‌خواهم ۱۲۳ «ـ» …") is None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/hostname')",
        "COPY (SELECT 1) TO 'x.csv'",
        "INSTALL httpfs",
        "SET threads = 4",
        "ATTACH 'x.db'",
    ],
)
def test_the_rules_connection_reaches_nothing(sql: str) -> None:
    """No file, no extension and no setting can be reached from a rule."""
    asking = Asking()

    with pytest.raises(duckdb.Error):
        asking.rows(sql)
    asking.close()


def test_rule_groups_spill_within_the_memory_limit() -> None:
    """Many groups are answered although they do not fit beside each other."""
    asking = Asking()
    asking.register("t", pa.table({"a": pa.array(range(300_000), pa.int64())}))

    [(count,)] = asking.rows(
        "SELECT count(*) FROM (SELECT a, count(*) FROM t GROUP BY a)"
    )

    assert 300_000 == count
    asking.close()


@needs_shared
@pytest.mark.parametrize("number", range(4))
def test_schemas_of_others_run_unchanged(number: int) -> None:
    """The schemas of SCDL load, and every rule of theirs has an outcome."""
    paths = sorted((SHARED / "data" / "schemas").glob("scdl-*.schema.json"))
    schema = json.loads(paths[number].read_text("utf-8"))
    labels = [field["name"] for field in schema["fields"]]
    text = ",".join(labels) + "\n" + ",".join("" for _ in labels[1:]) + "x\n"

    report = validate(text.encode(), schema=schema, options=Options(delimiter=","))

    assert len(schema["custom_checks"]) == len(report.rules)
    assert not any(issue.code.startswith("schema-") for issue in report.issues)


@needs_shared
def test_siret_and_interval_of_others() -> None:
    """Luhn and intervals of years judge as Validata does."""
    schema = {
        "fields": [
            {"name": "siret", "type": "string"},
            {"name": "year", "type": "string"},
        ],
        "custom_checks": [
            {"name": "french-siret-value", "params": {"column": "siret"}},
            {
                "name": "year-interval-value",
                "params": {"column": "year", "allow-year-only": "yes"},
            },
        ],
    }
    rows = [
        "73282932000074,2020",
        "73282932000075,2020/2021",
        "73282932000074,2021/2020",
        ",20",
    ]

    report = validate(("siret,year\n" + "\n".join(rows)).encode(), schema=schema)

    assert [(3, "siret"), (4, "year"), (5, "year")] == [
        (i.row, i.field) for i in report.issues
    ]


@needs_shared
def test_madrid_has_two_sums_that_do_not_add_up() -> None:
    """Of 9,211 real budget lines two do not add up exactly, and both are named."""
    number = {"type": "number", "decimalChar": ","}
    labels = MADRID.read_bytes().splitlines()[0].decode("cp1252").split(";")
    sums = {"CRED_INICIAL", "MOD_CREDITO", "C_DEFINITIVO", "OBL_RECONOC"}
    schema = {
        "fields": [
            {"name": n, **(number if n in sums else {"type": "string"})} for n in labels
        ],
        "custom_checks": [
            {
                "id": "B3",
                "name": "sum-columns-value",
                "params": {
                    "column": "C_DEFINITIVO",
                    "columns": ["CRED_INICIAL", "MOD_CREDITO"],
                },
            },
            {
                "id": "B4",
                "name": "compare-columns-value",
                "severity": "warning",
                "params": {
                    "column": "OBL_RECONOC",
                    "op": "<=",
                    "column2": "C_DEFINITIVO",
                },
            },
        ],
    }

    report = validate(
        MADRID, schema=schema, options=Options(encoding="cp1252", delimiter=";")
    )

    assert 9_211 == report.rows
    assert {"rule:B3": 2, "rule:B4": 2_162} == dict(report.findings.by_code)
    assert [223, 2573] == [issue.row for issue in report.issues if issue.rule == "B3"]
