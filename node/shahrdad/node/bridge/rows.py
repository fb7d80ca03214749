"""What the bridge remembers, as values: sources, runs, datasets, files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shahrdad.federation.bridge.decisions import Decision
from shahrdad.federation.bridge.listing import Cursor
from shahrdad.federation.bridge.packages import Known
from shahrdad.federation.verify.digest import Digest

Applied = Literal["published", "unchanged", "withdrawn", "kept", "failed", "skipped"]
Outcome = Applied | Literal["submitted", "waiting"]  # by this run, and by one before


@dataclass(frozen=True, slots=True)
class Conversion:
    """Which files of a source become tables of a standard.

    Attributes:
        pattern: A dataset's name, `*` for anything; `name/resource` for one file of it.
        family: The standard.
        profile: A mapping profile for the columns.
    """

    pattern: str
    family: str
    profile: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a source is read or written.

    Attributes:
        fq: What it is limited to, in the portal's query language.
        files: `keep` fetches files, `link` leaves them where they are.
        maps: What becomes a table.
        file_bytes_max: The largest file that is fetched.
        key_file: The file that holds the token for writing.
        organization: The organization there that gets our datasets.
        send_ids: Create datasets with our identifiers; a sysadmin's right.
    """

    fq: str = ""
    files: Literal["keep", "link"] = "keep"
    maps: tuple[Conversion, ...] = ()
    file_bytes_max: int = 0
    key_file: str = ""
    organization: str = ""
    send_ids: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A portal, by the name that the operator gave it."""

    id: int
    name: str
    url: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Run:
    """One look at a source, and what came of it."""

    id: int
    source: int
    started: str
    ended: str | None
    state: str
    cursor: Cursor
    complete: bool
    brake: str | None
    report: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of one dataset of a portal."""

    package: str
    slug: str
    name: str
    digest: Digest | None
    live: bool
    error: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """One dataset in a run."""

    package: str
    name: str
    digest: Digest | None
    decision: Decision | None
    outcome: str | None
    error: str | None
    detail: str | None
    faults: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file that was fetched, and lies in the store."""

    resource: str
    url: str
    known: Known
    digest: Digest
    size: int
    media_type: str
    area: str
