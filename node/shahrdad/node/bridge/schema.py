"""The tables of the bridge in the node's database."""

MIGRATIONS = (
    """
CREATE TABLE bridge_source(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  url TEXT NOT NULL,
  settings TEXT NOT NULL             -- JSON, see Settings
) STRICT;
CREATE TABLE bridge_run(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  source INTEGER NOT NULL REFERENCES bridge_source(id),
  started TEXT NOT NULL,
  ended TEXT,
  state TEXT NOT NULL
    CHECK(state IN('listing','held','applying','done','incomplete','abandoned')),
  cursor TEXT NOT NULL,              -- JSON, see listing.Cursor
  complete INTEGER NOT NULL DEFAULT 0,
  brake TEXT,                        -- why it is or was held
  report TEXT                        -- JSON, once it ended or is held
) STRICT;
CREATE TABLE bridge_object(          -- what is held of a source, gone ones too
  source INTEGER NOT NULL REFERENCES bridge_source(id),
  package TEXT NOT NULL,             -- the portal's identifier
  slug TEXT NOT NULL,                -- ours, given once
  name TEXT NOT NULL,                -- the portal's newest name
  digest BLOB,                       -- last applied; NULL = apply again
  live INTEGER NOT NULL,
  error TEXT,                        -- reason of the last failure, NULL after success
  detail TEXT,
  PRIMARY KEY(source, package),
  UNIQUE(source, slug)
) STRICT, WITHOUT ROWID;
CREATE TABLE bridge_seen(            -- what a run enumerated, and decided
  run INTEGER NOT NULL REFERENCES bridge_run(id),
  package TEXT NOT NULL,
  name TEXT NOT NULL,
  digest BLOB,
  turns INTEGER NOT NULL DEFAULT 0,  -- bit n-1: seen in turn n
  decision TEXT,
  outcome TEXT,                      -- NULL = still to be done
  error TEXT,
  detail TEXT,
  faults TEXT,                       -- JSON: files that did not come, or were refused
  PRIMARY KEY(run, package)
) STRICT, WITHOUT ROWID;
CREATE TABLE bridge_file(            -- what a server said of a file
  source INTEGER NOT NULL REFERENCES bridge_source(id),
  package TEXT NOT NULL,
  resource TEXT NOT NULL,
  url TEXT NOT NULL,
  etag TEXT NOT NULL,
  modified TEXT NOT NULL,
  sha256 BLOB NOT NULL,
  size INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  area TEXT NOT NULL,
  PRIMARY KEY(source, package, resource)
) STRICT, WITHOUT ROWID;
CREATE TABLE bridge_pushed(          -- what a portal was given
  source INTEGER NOT NULL REFERENCES bridge_source(id),
  ref TEXT NOT NULL,
  digest BLOB,                       -- of what it was given; NULL = give again
  error TEXT,
  detail TEXT,
  PRIMARY KEY(source, ref)
) STRICT, WITHOUT ROWID;
""",
    """
CREATE TABLE bridge_draft(           -- the newest draft of a dataset, under four eyes
  source INTEGER NOT NULL REFERENCES bridge_source(id),
  package TEXT NOT NULL,
  run INTEGER NOT NULL,              -- that made it
  draft TEXT NOT NULL REFERENCES draft(id),
  digest BLOB,                       -- of the portal's description; NULL = look again
  PRIMARY KEY(source, package)
) STRICT, WITHOUT ROWID;
CREATE INDEX bridge_draft_run ON bridge_draft(run);
CREATE INDEX bridge_draft_draft ON bridge_draft(draft);
""",
)
