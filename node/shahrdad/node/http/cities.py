"""Cities as the doors name them: by the list, or by the node's configuration."""

from dataclasses import dataclass
from functools import lru_cache

from shahrdad.datasets import codelists
from shahrdad.datasets.errors import Language
from shahrdad.node.config import Config


@dataclass(frozen=True, slots=True)
class CityName:
    """A city's code and names."""

    slug: str
    code: str | None
    name_fa: str
    name_en: str

    def name(self, language: Language) -> str:
        """Return the name in a language."""
        return self.name_fa if language == "fa" else self.name_en

    def document(self) -> dict[str, object]:
        """Return the city as JSON answers show it."""
        return {
            "slug": self.slug,
            "code": self.code,
            "name": {"fa": self.name_fa, "en": self.name_en},
        }


@lru_cache(maxsize=2_048)
def listed(slug: str) -> codelists.City | None:
    """Return a city of the list; every dataset that is shown asks for one."""
    return codelists.city(slug)


def city_name(slug: str, config: Config) -> CityName:
    """Return a city by slug; one of no list is called by its slug."""
    own = config.node
    if slug == own.city and (own.name_fa or own.name_en):
        known = listed(slug)
        code = own.city_code or (known.code if known else None)
        return CityName(slug, code, own.name_fa or slug, own.name_en or slug)
    known = listed(slug)
    if known is not None:
        return CityName(slug, known.code, known.name_fa, known.name_en)
    return CityName(slug, None, slug, slug)
