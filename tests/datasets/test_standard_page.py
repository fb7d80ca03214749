"""The pages of the standards are current, in both languages."""

from pathlib import Path

import pytest

from shahrdad.datasets import standard_page
from shahrdad.datasets.errors import Language
from shahrdad.datasets.standards import families, load

FOLDER = Path(__file__).parents[2] / "docs" / "standards"


def test_committed_pages_are_current() -> None:
    """Nobody edits them; `python -m shahrdad.datasets.standard_page docs/standards`."""
    committed = {
        str(path.relative_to(FOLDER)): path.read_text("utf-8")
        for path in FOLDER.rglob("*.md")
    }

    assert standard_page.pages() == committed


@pytest.mark.parametrize("language", standard_page.LANGUAGES)
def test_a_page_tells_every_column_code_and_rule(
    language: Language,
) -> None:
    """What the schema knows, the page says, in its language."""
    standard = load("budget_lines")
    text = standard_page.page(standard, language)

    for field in standard.fields:
        assert f"`{field.name}`" in text
        assert field.title(language) in text
        for category in field.categories:
            assert f"| `{category.value}` | {category.label(language)} |" in text
    for rule in standard.rules:
        assert f"**{rule.id}**" in text
    assert standard.digest in text


@pytest.mark.parametrize("language", standard_page.LANGUAGES)
@pytest.mark.parametrize("family", families())
def test_a_page_reads_as_sentences(family: str, language: Language) -> None:
    """No placeholder is left, no empty brackets; columns of a list are codes.

    What a column refers to is said with the other family's page.
    """
    standard = load(family)
    text = standard_page.page(standard, language)
    rules = text.partition(f"## {standard_page.heading('rules', language)}")[2]
    references = [r for r in standard.rules if r.name == "reference-exists"]

    assert "{" not in rules
    assert "(…)" not in rules
    assert "«…»" not in rules
    assert all(f"`{rule.params['column']}` → [" in text for rule in references)


def test_pages_are_written_and_old_ones_go(tmp_path: Path) -> None:
    """A family that is gone leaves no page behind."""
    old = tmp_path / "fa" / "gone.md"
    old.parent.mkdir()
    old.write_text("# Gone\n", "utf-8")

    standard_page.write(tmp_path)

    assert not old.exists()
    assert (tmp_path / "en" / "projects.md").exists()
