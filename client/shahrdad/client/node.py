"""The front door: a node, a mirror or a bundle, or several of them in order."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from shahrdad.client import limits
from shahrdad.client.analysis import Analysis, analysis
from shahrdad.client.cache import Cache
from shahrdad.client.chain import Asked
from shahrdad.client.dataset import Dataset
from shahrdad.client.difference import Difference
from shahrdad.client.family import Family, Union
from shahrdad.client.folders import folder
from shahrdad.client.library import Library
from shahrdad.client.memory import Memory
from shahrdad.client.moments import instant
from shahrdad.client.offline import verify
from shahrdad.client.source import Query, Source, plain_ref
from shahrdad.client.trust import Anchor, read_policy
from shahrdad.client.values import Change, Hit, Version
from shahrdad.client.verdict import Verdict
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.verify.policy import Policy

if TYPE_CHECKING:
    from shahrdad.client.web import Progress

Place = str | Path
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}(:[0-9]+)?/?", re.IGNORECASE)
_PAGES = re.compile(r"/(fa|en|v1|d)(/|$)")


class Node:
    """A reader's view of one or several nodes; made by `connect`.

    Concurrent: every method may be called from several threads.
    """

    def __init__(self, library: Library) -> None:
        self._library = library

    def search(
        self,
        words: str = "",
        *,
        family: str | None = None,
        city: str | None = None,
        fiscal_year: int | None = None,
        withdrawn: bool = False,
        **more: Any,
    ) -> Iterator[Hit]:
        """Yield the datasets that hold some words, as the first node lists them.

        Args:
            words: In Persian or English; a node also knows `"phrase"` and `-word`.
            family: Only of this standard.
            city: Only of this city.
            fiscal_year: Only of this Jalali year.
            withdrawn: The withdrawn ones instead.
            more: Other parameters of the node's search, for example `theme`, `sort`.
        """
        query = Query(words, family, city, fiscal_year, withdrawn, more)
        return self._library.first.hits(query)

    def datasets(self) -> Iterator[Hit]:
        """Yield every dataset, as the first node lists them."""
        return self._library.first.hits(Query())

    def dataset(
        self,
        ref: str,
        *,
        version: int | None = None,
        as_of: str | date | None = None,
    ) -> Dataset:
        """Open a dataset: its record is verified before it is returned.

        Args:
            ref: City and slug, for example "kerman/budget-1404"; also the name
                "kerman--budget-1404", or the address of its page.
            version: That version; else the newest.
            as_of: The version that was current then: a day of either calendar (its end
                in Tehran) or an instant.

        Raises:
            RequestError: DATASET_UNKNOWN, VERSION_UNKNOWN.
            ConflictError: DATASET_WITHDRAWN.
            PeerError: VERIFICATION_FAILED, with the step as `subject`.
            UnavailableError: no node answers.
            ValueError: both a version and a time were given.
        """
        if version is not None and as_of is not None:
            raise ValueError("a version or a time, not both")
        ref = plain_ref(ref)
        moment = None if as_of is None else instant(as_of)
        return Dataset(self._library, self._library.find(Asked(ref, version, moment)))

    def family(self, name: str) -> Family:
        """Return a standard, to read the tables of all cities as one."""
        return Family(self._library, name)

    def table(
        self,
        family: str,
        cities: str | Sequence[str] | None = None,
        *,
        year: int | None = None,
        **how: Any,
    ) -> Union:
        """Return one table over the cities of a standard; see `Family.table`.

        Args:
            family: The standard, for example "budget_lines".
            cities: Only these; None for all.
            year: Only datasets of this Jalali fiscal year.
            how: What `Family.table` takes besides: `as_of`, `columns`, `where`,
                `verify`.

        Raises:
            RequestError: NOT_OFFERED when nothing is left.
        """
        return self.family(family).table(cities, year=year, **how)

    def analysis(self, name: str, *, verify: bool = True, **asked: Any) -> Analysis:
        """Return figures over all cities that the first node computed.

        Args:
            name: For example "budgets", "duplicates", "delays"; `/v1/analyses` lists
                them with their parameters.
            verify: Whether each version that the figures rest on is looked up in its
                city's log. The figures stay the node's word: nobody signed them.
            asked: Parameters, for example `year=1404`, `city="kerman"`.

        Raises:
            RequestError: PARAMETER_UNKNOWN, PARAMETER_VALUE; NOT_OFFERED by a mirror.
            PeerError: NODE_ANSWER; VERIFICATION_FAILED: a log has another record.
        """
        return analysis(self._library, name, asked, verify=verify)

    def history(self, ref: str) -> list[Version]:
        """Return the versions of a dataset, newest first, as its source lists them."""
        return self.dataset(ref).versions()

    def diff(self, ref: str, old: int, new: int) -> Difference:
        """Return what changed between two versions; see `Dataset.diff`."""
        return self.dataset(ref, version=new).diff(old, new)

    def verify(self, file: str | Path, receipt: str | Path | bytes) -> Verdict:
        """Return whether a file is what a city published, by this reader's policy.

        Nothing is asked of a node: it is `shahrdad.client.verify`, which see.
        """
        anchor = self._library.anchor
        return verify(file, receipt, anchor.policy, remembered=anchor.remembered)

    def changes(
        self, after: str | None = None, *, wait_seconds: int = 0
    ) -> Iterator[Change]:
        """Yield what the first node learned after a cursor, until there is no more.

        Args:
            after: `cursor` of the last change that was handled; None for the beginning.
            wait_seconds: How long the node may hold the question while there is
                nothing, at most 50.
        """
        return self._library.first.changes(after, wait_seconds)

    def close(self) -> None:
        """Let connections and files go."""
        self._library.close()

    def __enter__(self) -> "Node":
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Return the places, and whether a policy decides."""
        names = ", ".join(source.name for source in self._library.sources)
        anchored = "policy" if self._library.anchor.policy is not None else "no policy"
        return f"<Node {names}: {anchored}>"


def connect(
    place: Place | Sequence[Place],
    *,
    policy: str | Path | bytes | Policy | None = None,
    cities: Mapping[str, str] | None = None,
    remember: bool | str | Path = False,
    cache: bool | str | Path = True,
    cache_bytes_max: int = limits.CACHE_BYTES_MAX,
    progress: "Progress | None" = None,
) -> Node:
    """Open nodes or mirrors to read from; nothing is sent before the first question.

    Args:
        place: `https://…` of a node, or the name of its host alone; of a static mirror
            when the address ends in `/mirror`; `file://…` or the path of a mirror's
            folder; a bundle `….zip`. Of several, the later ones give records and
            objects that verify when an earlier one fails; lists come from the first.
        policy: A tlog-policy file, its bytes, or as read. Without it everything is
            "signed, not anchored" at best.
        cities: City → origin of its log, where you know it: another log that claims
            the city is then refused.
        remember: Trust on first use: keep the keys and the log of each city that is
            met, and refuse others later. True for the usual folder, or a folder.
        cache: Keep objects by digest in the usual folder, in a given one, or not.
        cache_bytes_max: Above it, what was used longest ago goes.
        progress: Called with (what, bytes so far, bytes in all) during downloads.

    Raises:
        RequestError: PLACE_UNKNOWN, FILE_NOT_FOUND, MALFORMED.
    """
    places = [place] if isinstance(place, str | Path) else list(place)
    kept = {True: folder("cache"), False: None}
    place_of_cache = kept[cache] if isinstance(cache, bool) else Path(cache)
    memory = None
    if remember is not False:
        memory = Memory(
            folder("state") / "known" if remember is True else Path(remember)
        )
    library = Library(
        [_source(str(given), cities, progress) for given in places],
        Anchor(read_policy(policy), memory, cities),
        Cache(place_of_cache, cache_bytes_max),
    )
    return Node(library)


def _source(
    given: str, cities: Mapping[str, str] | None, progress: "Progress | None"
) -> Source:
    """Return the source that a place stands for.

    Raises:
        RequestError: PLACE_UNKNOWN.
    """
    # Loaded here: `import shahrdad.client` costs every notebook its start.
    from shahrdad.client.mirror_files import FolderFiles, WebFiles, ZipFiles
    from shahrdad.client.static_source import StaticSource

    if _HOST.fullmatch(given) and not Path(given).exists():
        given = f"https://{given}"  # as people write it
    parts = urlsplit(given)
    if parts.scheme in {"http", "https"}:
        from shahrdad.client.api_source import ApiSource
        from shahrdad.client.web import Web

        if _PAGES.match(parts.path):  # a node is at the root of its host
            given = f"{parts.scheme}://{parts.netloc}"
        web = Web(given.rstrip("/"), progress=progress)
        if parts.path.rstrip("/").endswith("/mirror"):
            return StaticSource(WebFiles(web), cities)
        return ApiSource(web)
    path = Path(unquote(parts.path) if parts.scheme == "file" else given)
    if path.is_file():
        return StaticSource(ZipFiles(path), cities)
    if (path / "heads").is_file():
        return StaticSource(FolderFiles(path), cities)
    raise RequestError(Reason.PLACE_UNKNOWN, place=given)
