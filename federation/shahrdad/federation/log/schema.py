"""The tables of the logs, and the plain values that their rows become.

Own and mirrored logs share the tables. Entries, tiles and bodies are kept for ever or
until a redaction; `live`, `gone` and `body_ref` are projections of the entries.
"""

from dataclasses import dataclass
from enum import StrEnum

from shahrdad.federation.verify.digest import Digest

MIGRATIONS: tuple[str, ...] = (
    """
CREATE TABLE log(
  id INTEGER PRIMARY KEY,
  origin TEXT NOT NULL UNIQUE,
  own INTEGER NOT NULL DEFAULT 0,
  status TEXT NOT NULL DEFAULT 'active'
    CHECK(status IN('active','frozen','paused','quarantined','closed')),
  size INTEGER NOT NULL DEFAULT 0,            -- entries verified and stored
  frontier BLOB NOT NULL DEFAULT x'',         -- popcount(size) hashes, widest first
  head_size INTEGER NOT NULL DEFAULT 0,
  checkpoint BLOB,                            -- complete head
  confirmed BLOB,                             -- newest head with quorum, for receipts
  seq INTEGER NOT NULL UNIQUE,                -- position in ListHeads
  verified_at TEXT,
  evidence BLOB,
  body_bytes INTEGER NOT NULL DEFAULT 0,      -- of all bodies that ever came
  missing_bodies INTEGER NOT NULL DEFAULT 0,  -- live ones, when the head was complete
  cosigners INTEGER NOT NULL DEFAULT 0,       -- of the complete head
  cosigned INTEGER NOT NULL DEFAULT 0,        -- Unix time of its newest cosignature
  listed_size INTEGER NOT NULL DEFAULT 0,     -- of the head, when seq last advanced
  listed_cosigners INTEGER NOT NULL DEFAULT 0,
  listed_cosigned INTEGER NOT NULL DEFAULT 0,
  listed_at INTEGER NOT NULL DEFAULT 0        -- when it last did for cosignatures alone
) STRICT;
CREATE TABLE entry(
  log INTEGER, idx INTEGER, raw BLOB NOT NULL, PRIMARY KEY(log,idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE tile(
  log INTEGER, level INTEGER, n INTEGER, hashes BLOB NOT NULL, PRIMARY KEY(log,level,n)
) STRICT;
CREATE TABLE live(
  log INTEGER, key TEXT, idx INTEGER NOT NULL, sha256 BLOB NOT NULL,
  PRIMARY KEY(log,key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX live_idx ON live(log,idx);
CREATE TABLE gone(                            -- keys that were deleted: prev, receipts
  log INTEGER, key TEXT, idx INTEGER NOT NULL, PRIMARY KEY(log,key)
) STRICT, WITHOUT ROWID;
CREATE TABLE body(sha256 BLOB PRIMARY KEY, content BLOB NOT NULL) STRICT;
CREATE TABLE body_ref(
  sha256 BLOB, log INTEGER, idx INTEGER,
  state TEXT NOT NULL CHECK(state IN('held','missing','redacted','pruned')),
  PRIMARY KEY(sha256,log,idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX body_ref_missing ON body_ref(log,idx) WHERE state='missing';
CREATE INDEX body_ref_redacted ON body_ref(log,sha256) WHERE state='redacted';
CREATE TABLE growth(                          -- what was held when an hour began
  log INTEGER, hour INTEGER, size INTEGER NOT NULL, body_bytes INTEGER NOT NULL,
  PRIMARY KEY(log,hour)
) STRICT, WITHOUT ROWID;
CREATE TABLE seen_head(
  log INTEGER, size INTEGER, root BLOB NOT NULL, note BLOB NOT NULL,
  PRIMARY KEY(log,size,root)
) STRICT;
CREATE TABLE witnessed(
  origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL
) STRICT;
CREATE TABLE peer(
  name TEXT PRIMARY KEY, cursor TEXT NOT NULL DEFAULT '',
  failures INTEGER NOT NULL DEFAULT 0, next_try TEXT, last_ok TEXT
) STRICT;
CREATE TABLE outbox(id INTEGER PRIMARY KEY, entry TEXT NOT NULL) STRICT;
CREATE TABLE problem(
  at TEXT, peer TEXT, origin TEXT, idx INTEGER, reason TEXT, detail TEXT
) STRICT;
CREATE TABLE epoch(value TEXT NOT NULL) STRICT;
INSERT INTO epoch VALUES(lower(hex(randomblob(8))));
""",
    # Digests are random: a row of `body_ref` costs a page of its own. So it says who
    # names a body, and nothing else; only bodies that are not here have a state.
    """
ALTER TABLE body_ref RENAME TO body_ref_before;
DROP INDEX body_ref_missing;
DROP INDEX body_ref_redacted;
CREATE TABLE body_ref(
  sha256 BLOB, log INTEGER, idx INTEGER, PRIMARY KEY(sha256,log,idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE absent(
  log INTEGER, idx INTEGER,
  state TEXT NOT NULL CHECK(state IN('missing','redacted','pruned')),
  PRIMARY KEY(log,idx)
) STRICT, WITHOUT ROWID;
CREATE INDEX absent_missing ON absent(log,idx) WHERE state='missing';
CREATE INDEX absent_redacted ON absent(log,idx) WHERE state='redacted';
INSERT INTO body_ref SELECT sha256,log,idx FROM body_ref_before;
INSERT INTO absent SELECT log,idx,state FROM body_ref_before
  WHERE state<>'held' ORDER BY log,idx;
DROP TABLE body_ref_before;
ALTER TABLE problem ADD COLUMN detail_fa TEXT NOT NULL DEFAULT '';
""",
    # Sorted in one by one, they still cost a page each. They wait here as they come,
    # and are sorted in by the hundred thousand, or when somebody looks a digest up.
    """
CREATE TABLE body_ref_waiting(
  sha256 BLOB NOT NULL, log INTEGER NOT NULL, idx INTEGER NOT NULL
) STRICT;
""",
)


class Status(StrEnum):
    """What a node still does with a log; reading goes on in every status."""

    ACTIVE = "active"
    FROZEN = "frozen"  # its key is suspended
    PAUSED = "paused"  # it grew above its quota
    QUARANTINED = "quarantined"  # it has two histories
    CLOSED = "closed"  # another log continues it


class BodyState(StrEnum):
    """Whether a body that an entry names is here, and if not, why."""

    HELD = "held"
    MISSING = "missing"
    REDACTED = "redacted"
    PRUNED = "pruned"


@dataclass(frozen=True, slots=True)
class LogState:
    """One log, as this node holds it.

    Attributes:
        size: Entries verified and stored.
        head_size: Size of the complete head `checkpoint`, at most `size`.
        checkpoint: Newest signed note with all its entries held; None before the first.
        confirmed: Newest note with a quorum of cosignatures.
        seq: Position in ListHeads.
        missing_bodies: Live bodies that are not held, at the complete head.
        body_bytes: Bytes of all bodies that ever came.
    """

    id: int
    origin: str
    own: bool
    status: Status
    size: int
    head_size: int
    checkpoint: bytes | None
    confirmed: bytes | None
    seq: int
    verified_at: str | None
    evidence: bytes | None
    body_bytes: int
    missing_bodies: int


@dataclass(frozen=True, slots=True)
class WrongPrev:
    """An entry whose `prev` is not the entry of its key that came before it."""

    index: int
    key: str
    given: int | None
    actual: int | None


@dataclass(frozen=True, slots=True)
class Appended:
    """What a transaction added to a log.

    Attributes:
        size: Entries stored now.
        dropped: Digests whose content a redaction removed from this node.
        wrong_prevs: Entries that were applied, and are worth a warning.
    """

    size: int
    dropped: tuple[Digest, ...]
    wrong_prevs: tuple[WrongPrev, ...] = ()


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A validly signed head of a log, and the note that says so."""

    size: int
    root: bytes
    note: bytes


@dataclass(frozen=True, slots=True)
class PeerState:
    """What is remembered of a peer between rounds."""

    name: str
    cursor: str = ""
    failures: int = 0
    next_try: str | None = None  # RFC 3339
    last_ok: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One line of the problem ledger."""

    at: str  # RFC 3339
    peer: str
    origin: str
    index: int | None
    reason: str
    detail: str  # English
    detail_fa: str = ""
