"""Whoever hands in a file reads in words what was changed in it."""

import pytest

from shahrdad.datasets.errors import Language
from shahrdad.node.http.publishing.checking import step_name
from shahrdad.node.http.texts import texts
from shahrdad.validators.normalise.text import CLEAN_STEPS, CODE_STEPS

STEPS = {
    *(name for name, _ in (*CLEAN_STEPS, *CODE_STEPS)),
    *("boolean", "date", "default", "label", "money-unit", "number", "profile"),
}


@pytest.mark.parametrize("language", ["en", "fa"])
@pytest.mark.parametrize("step", sorted(STEPS))
def test_step_has_words(step: str, language: Language) -> None:
    """No page shows the name that the report uses because a text is missing."""
    words = step_name(step, language)
    assert words == texts(language)[f"publish.norm_{step}"]
    assert language == "en" or not words.isascii()
