"""The code lists are complete, licensed and consistent with each other."""

import csv
import re
from decimal import Decimal

import pytest

from shahrdad.datasets import codelists
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.datasets.standards import families, load
from shared_data import ROOT, SHARED, needs_shared

FILES = sorted(path.stem for path in codelists.FOLDER.glob("*.csv"))


def test_every_file_has_a_sidecar_and_the_other_way() -> None:
    """A list without a source is not shipped."""
    package = codelists.FOLDER / "datapackage.json"

    assert package.exists()
    for name in FILES:
        assert name == codelists.sidecar(name)["name"]
    with pytest.raises(RequestError):
        codelists.sidecar("side")


@pytest.mark.parametrize("name", FILES)
def test_sidecar_tells_source_licence_and_columns(name: str) -> None:
    """Who reads a list learns where it is from and what it may be used for."""
    resource = codelists.sidecar(name)
    with (codelists.FOLDER / resource["path"]).open(
        encoding="utf-8", newline=""
    ) as file:
        header = next(csv.reader(file))
    fields = resource["schema"]["fields"]

    assert header == [field["name"] for field in fields]
    assert all(field["title"] and field["title_en"] for field in fields)
    assert resource["sources"]
    assert all(source["title"] for source in resource["sources"])
    assert resource["licenses"]
    assert all(licence["path"] for licence in resource["licenses"])
    assert resource["shahrdad"]["attribution"]
    assert {resource["shahrdad"][key] for key in ("key", "label", "label_en")} <= set(
        header
    )
    key = resource["schema"]["primaryKey"]
    rows = [tuple(row[part] for part in key) for row in codelists.code_list(name).rows]
    assert sorted(set(rows)) == sorted(rows)


@pytest.mark.parametrize("name", codelists.lists())
def test_every_code_has_both_labels(name: str) -> None:
    """No code is shown bare where a label can be given."""
    found = codelists.code_list(name)

    assert found.title_fa
    assert found.title_en
    for row in found.rows:
        assert row[found.key].strip() or name == "missing_tokens"
        assert row[found.label_fa].strip()
        assert row[found.label_en].strip()


def test_lists_of_a_name_are_one_list() -> None:
    """Two families that refer to a list show the same codes and labels."""
    seen: dict[str, object] = {}
    for family in families():
        for field in load(family).fields:
            if field.code_list is not None:
                assert field.categories == seen.setdefault(
                    field.code_list, field.categories
                )


def test_a_file_of_a_list_in_a_schema_has_its_codes() -> None:
    """`report_period` and `smart_domain` tell more, but no other codes."""
    for family, name in (
        ("budget_lines", "report_period"),
        ("projects", "smart_domain"),
    ):
        found = codelists.code_list(name)
        categories = load(family).field(name).categories

        assert [c.value for c in categories] == [row[found.key] for row in found.rows]
        assert [c.label_fa for c in categories] == [row["label"] for row in found.rows]
        assert [c.label_en for c in categories] == [
            row["label_en"] for row in found.rows
        ]


def test_thirty_one_capitals_the_forum_and_the_sample() -> None:
    """The codes of standards are those of the network."""
    cities = {city.code: city for city in codelists.cities()}
    capitals = [city for city in cities.values() if city.iso]

    assert 33 == len(cities)
    assert 31 == len({city.iso for city in capitals})
    assert [f"IR-{n:02}" for n in range(31)] == sorted(city.iso for city in capitals)
    assert ["9999"] == [city.code for city in cities.values() if not city.publishable]
    assert "forum" == cities["0000"].slug
    expected = {"kerman": "1346", "shiraz": "1309", "mashhad": "1392", "rasht": "1129"}
    for slug, code in {**expected, "qom": "1114", "tehran": "1576"}.items():
        found = codelists.city(slug)
        assert found is not None
        assert code == found.code
        assert found is codelists.city(code)
    assert codelists.city("nowhere") is None
    assert ("کرمان", "Kerman") == (cities["1346"].name("fa"), cities["1346"].name("en"))


def test_cities_lie_in_iran_and_codes_agree() -> None:
    """The ten-digit code ends in the short one, and begins with the province."""
    for row in codelists.code_list("cities").rows:
        if not row["iso_3166_2"]:
            continue
        assert row["sci_code_10"].endswith(row["city_code"])
        assert row["iso_3166_2"] == f"IR-{row['sci_code_10'][:2]}"
        assert 25 < float(row["lat"]) < 39.8
        assert 44 < float(row["lon"]) < 63.4


def test_provinces_have_their_capitals() -> None:
    """A province names the city that the city list puts into it."""
    for row in codelists.code_list("provinces").rows:
        capital = codelists.city(row["capital_city_code"])

        assert capital is not None
        assert row["iso_3166_2"] == capital.iso


def test_money_units_are_powers_of_ten() -> None:
    """Conversion to rial is exact."""
    factors = [
        int(row["rial_factor"]) for row in codelists.code_list("money_units").rows
    ]

    assert 10 == len(factors)
    assert all(factor == 10 ** (len(str(factor)) - 1) for factor in factors)


def test_the_band_is_narrower_than_a_slip() -> None:
    """Any budget that is ten times too large or small leaves the band of its year."""
    for row in codelists.code_list("per_capita_band").rows:
        low, high = int(row["low_rial"]), int(row["high_rial"])
        growth = Decimal("1.35") ** (int(row["fiscal_year"]) - 1404)

        assert high < 10 * low
        assert abs(low - 50_000_000 * growth) <= 50_000
        assert abs(high - 450_000_000 * growth) <= 50_000


def test_five_domains_are_named_in_the_statement() -> None:
    """The text says six and names five; the list says which one is ours."""
    rows = codelists.code_list("smart_domain").rows
    named = [row["domain"] for row in rows if row["in_statement"] == "true"]

    assert ["mobility", "environment", "governance", "economy", "people"] == named
    assert all(
        row["note"] and row["note_en"] for row in rows if row["domain"] not in named
    )


def test_an_unknown_code_is_its_own_label() -> None:
    """A newer list may have it; readers keep what they do not know."""
    units = codelists.code_list("money_units")

    assert "میلیون ریال" == units.label("million_rial", "fa")
    assert "million rial" == units.label("million_rial", "en")
    assert "crore" == units.label("crore", "fa")


def test_an_unknown_list_is_refused() -> None:
    """The answer names what there is."""
    with pytest.raises(RequestError) as caught:
        codelists.code_list("colours")

    assert Reason.CODE_LIST_UNKNOWN == caught.value.reason
    assert "money_units" in str(caught.value)


def test_lists_that_rules_name_exist() -> None:
    """A rule on a list that is not there could not run."""
    for family in families():
        for rule in load(family).rules:
            for key in ("list", "band", "population"):
                if key in rule.params:
                    assert codelists.code_list(rule.params[key])


CODE_OF_U4SSC = re.compile(r"[A-Z]{2}: [A-Z]{1,4}: [A-Z]{1,4}: [0-9]{1,2}[CA]")


def test_every_indicator_in_use_is_listed() -> None:
    """A U4SSC code of an example, a rule, a page or a profile stands in its list."""
    places = [
        *(ROOT / "datasets").rglob("*.csv"),
        *(ROOT / "datasets").rglob("*.json"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "tests" / "profiles").glob("*.json"),
    ]
    used = {
        code
        for path in places
        for code in CODE_OF_U4SSC.findall(path.read_text("utf-8", "ignore"))
    }
    listed = codelists.code_list("u4ssc_indicator")

    assert used
    assert used <= listed.values
    assert all(CODE_OF_U4SSC.fullmatch(code) for code in listed.values)


@needs_shared
def test_cofog_is_complete_to_the_groups() -> None:
    """The ten divisions and all their groups, with the English names of the source."""
    source = SHARED / "data" / "reference" / "cofog.csv"
    with source.open(encoding="utf-8-sig", newline="") as file:
        named = {
            row["Code"]: " ".join(row["Description_EN"].split())
            for row in csv.DictReader(file)
            if row["Code"].count(".") <= 1
        }
    listed = codelists.code_list("cofog")

    assert named == {code: listed.label(code, "en") for code in listed.values}
    assert all(listed.label(code, "fa") != code for code in listed.values)
