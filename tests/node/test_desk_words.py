"""The desk speaks of files as the city's offices do, not as their tables do."""

import pytest

from shahrdad.datasets import standards
from shahrdad.datasets.errors import Language
from shahrdad.node.http.texts import texts


@pytest.mark.parametrize("language", ["fa", "en"])
def test_every_standard_is_offered_in_plain_words(language: Language) -> None:
    """No name of a column or a code stands where a newcomer chooses what a file is."""
    said = [texts(language)[f"family.{one}"] for one in standards.families()]

    assert [] == [text for text in said if "_" in text or "=" in text]
