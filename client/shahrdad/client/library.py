"""Where a reader gets bytes: the cache first, then the sources in order, each verified.

A source that is away, or that gives what does not verify, is passed over and named in
`refused`; the next one is asked. When no source is left, the gravest failure is raised.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from shahrdad.client.cache import Cache
from shahrdad.client.chain import Asked
from shahrdad.client.source import Found, Source
from shahrdad.client.trust import Anchor
from shahrdad.client.verdict import Verdict
from shahrdad.datasets.errors import (
    PeerError,
    Reason,
    RequestError,
    ShahrdadError,
    UnavailableError,
)
from shahrdad.federation.verify.digest import Digest

Answer = TypeVar("Answer")

_ORDER = (PeerError, UnavailableError, RequestError)


@dataclass(frozen=True, slots=True)
class Verified:
    """A version whose record stands in its city's log."""

    found: Found
    verdict: Verdict
    source: Source
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectName:
    """An object that a verified record names."""

    name: str
    digest: Digest
    bytes: int


class Library:
    """The sources of one reader, in order.

    Args:
        sources: At least one.
        anchor: What is believed.
        cache: What was read before.
    """

    def __init__(self, sources: Sequence[Source], anchor: Anchor, cache: Cache) -> None:
        if not sources:
            raise ValueError("a library needs a source")
        self.sources = tuple(sources)
        self.anchor = anchor
        self.cache = cache

    @property
    def first(self) -> Source:
        """The source that is asked for what cannot be verified: lists and changes."""
        return self.sources[0]

    def find(self, asked: Asked) -> Verified:
        """Return a version that verifies.

        Raises:
            RequestError: no source has it.
            ConflictError: DATASET_WITHDRAWN, VERSION_REDACTED.
            PeerError: what came does not verify.
            UnavailableError: no source answers.
        """

        def ask(source: Source) -> tuple[Found, Verdict, Source]:
            found = source.find(asked.ref, asked.version, asked.moment)
            exact = Asked(asked.ref, found.version, asked.moment)
            verdict = self.anchor.check(found, source, exact)
            if not verdict:
                verdict.raise_failure()
            return found, verdict, source

        answer, refused = _first_good(self.sources, ask)
        return Verified(*answer, refused)

    def read_object(
        self, name: ObjectName, verified: Verified
    ) -> tuple[bytes, Literal["cache", "whole"]]:
        """Return an object's bytes, every one of them compared with its digest.

        Raises:
            PeerError: VERIFICATION_FAILED with subject "file".
            RequestError: no source has it.
            UnavailableError: no source answers.
        """
        held = self.cache.get(name.digest)
        if held is not None:
            return held, "cache"

        def ask(source: Source) -> bytes:
            data = source.read_object(name.digest, name.bytes, verified.found)
            actual = Digest.of(data)
            if actual != name.digest:
                raise PeerError(
                    Reason.VERIFICATION_FAILED,
                    subject="file",
                    detail=f"{name.name} of {source.name} has the digest {actual},"
                    f" its record says {name.digest}",
                )
            return data

        others = [source for source in self.sources if source is not verified.source]
        data, _ = _first_good([verified.source, *others], ask)
        self.cache.put(name.digest, data)
        return data, "whole"

    def close(self) -> None:
        """Let all sources go."""
        for source in self.sources:
            source.close()


def _first_good(
    sources: Sequence[Source], ask: Callable[[Source], Answer]
) -> tuple[Answer, tuple[str, ...]]:
    """Return the first answer that holds, and who was passed over before."""
    failures: list[ShahrdadError] = []
    refused: list[str] = []
    for source in sources:
        try:
            return ask(source), tuple(refused)
        except (PeerError, UnavailableError, RequestError) as error:
            failures.append(error)
            refused.append(f"{source.name}: {error}")
    # A wrong answer tells more than no answer, and that more than "not here".
    worst = next(
        error for kind in _ORDER for error in failures if isinstance(error, kind)
    )
    for line in refused:
        worst.add_note(line)
    raise worst
