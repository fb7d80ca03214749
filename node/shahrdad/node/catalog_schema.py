"""The catalog's tables: a projection of the logs, dropped and rebuilt at will.

`dataset` is the current state, one row a reference (`kerman/budget-1404`);
`dataset_version` has every `put` of its key in log order, `change_feed` what this node
learned, in its own order. `search` is the full-text index over folded words.
"""


def search_table(name: str) -> str:
    """Return the statement that makes a full-text index of this name."""
    return f"""CREATE VIRTUAL TABLE {name} USING fts5(
  title, keywords, fields, description,
  title_x, keywords_x, fields_x, description_x, tokenize='unicode61'
)"""


MIGRATIONS = (
    f"""
CREATE TABLE projection(
  log INTEGER PRIMARY KEY,
  size INTEGER NOT NULL              -- entries applied to the tables below
) STRICT;
CREATE TABLE dataset(
  id INTEGER PRIMARY KEY,
  log INTEGER NOT NULL,
  key TEXT NOT NULL,
  ref TEXT NOT NULL UNIQUE,
  city TEXT NOT NULL,
  slug TEXT NOT NULL,
  family TEXT,
  license TEXT,
  fiscal_year INTEGER,
  rows INTEGER,
  bytes INTEGER,
  state TEXT NOT NULL CHECK(state IN('pending','live','withdrawn')),
  version INTEGER NOT NULL,          -- newest version whose record is held; 0 = none
  idx INTEGER NOT NULL,              -- its log index
  first_published TEXT,
  updated TEXT NOT NULL,
  reason TEXT,                       -- of a withdrawal
  replaced_by TEXT,
  title_fa TEXT NOT NULL,
  title_en TEXT NOT NULL,
  sort_fa BLOB NOT NULL,
  sha256 BLOB,                       -- digest of the record
  UNIQUE(log,key)
) STRICT;
CREATE INDEX dataset_city ON dataset(city, family);
CREATE INDEX dataset_updated ON dataset(updated, ref);
CREATE INDEX dataset_title ON dataset(sort_fa, ref);
CREATE INDEX dataset_cube ON dataset(state, city, family, license, fiscal_year);
CREATE TABLE dataset_version(
  dataset INTEGER NOT NULL,
  n INTEGER NOT NULL,                -- position among the key's puts, from 1
  log INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  time TEXT NOT NULL,
  sha256 BLOB NOT NULL,
  rows INTEGER,
  change TEXT,
  state TEXT NOT NULL CHECK(state IN('held','missing','redacted')),
  PRIMARY KEY(dataset, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX dataset_version_missing ON dataset_version(state) WHERE state='missing';
CREATE INDEX dataset_version_body ON dataset_version(sha256);
CREATE TABLE dataset_facet(
  facet TEXT NOT NULL, value TEXT NOT NULL, dataset INTEGER NOT NULL,
  PRIMARY KEY(facet, value, dataset)
) STRICT, WITHOUT ROWID;
CREATE TABLE change_feed(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  ref TEXT NOT NULL, op TEXT NOT NULL, version INTEGER, log INTEGER NOT NULL,
  idx INTEGER NOT NULL, time TEXT NOT NULL, sha256 BLOB, reason TEXT
) STRICT;
CREATE TABLE feed_epoch(epoch TEXT NOT NULL) STRICT;
INSERT INTO feed_epoch VALUES(lower(hex(randomblob(8))));
CREATE TABLE term(                   -- words as typed, folded: the vocabulary
  word TEXT PRIMARY KEY, df INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE term_key(               -- search keys: how many datasets a word finds
  word TEXT PRIMARY KEY, df INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE search_change(          -- the last change of each indexed dataset
  seq INTEGER PRIMARY KEY AUTOINCREMENT, dataset INTEGER NOT NULL UNIQUE
) STRICT;
{search_table("search")};
""",
)

# The index is dropped: FTS5 would take its rows out of it one by one.
CLEAR = f"""
DELETE FROM projection; DELETE FROM dataset; DELETE FROM dataset_version;
DELETE FROM dataset_facet; DELETE FROM change_feed;
UPDATE feed_epoch SET epoch=lower(hex(randomblob(8)));
DELETE FROM term; DELETE FROM term_key;
DROP TABLE search; {search_table("search")};
DELETE FROM search_change;
DELETE FROM object_ref WHERE kind='body';
"""  # noqa: S608 - a name from here
