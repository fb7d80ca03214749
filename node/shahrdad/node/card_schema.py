"""The tables of cards: what the lists say of each dataset, ready to be sent.

A card is a projection of a dataset's newest record, written in the transaction that
shows that record, and made again at will (`cards`). `card` has what lists are filtered
and ordered by; the JSON lies in tables of its own, so that walking an order reads none
of it. Every order has its index, for one city's datasets and for all: a page at any
offset is a walk in an index and a keyed read of its rows.

`card_posting` has what a dataset may have several of: keywords and formats;
`card_count` how many datasets of a city have it. Withdrawn datasets are in no index of
words but `card_gone`.
"""

ORDERS = ("uid", "name", "title_key, uid", "created, uid", "modified, uid")
# What nearly every list asks besides lies at the end, so that the index is enough.
_INDEXES = "\n".join(
    f"CREATE INDEX card_{scope}{order.partition(',')[0]}"
    f" ON card({columns}{order}, state, updated{more});"
    for scope, columns, more in (("", "", ", city"), ("city_", "city, ", ""))
    for order in ORDERS
)

MIGRATIONS = (
    f"""
CREATE TABLE card(
  dataset INTEGER PRIMARY KEY,       -- dataset.id
  mark TEXT NOT NULL,                -- the form that it was made in
  uid TEXT NOT NULL,
  ref TEXT NOT NULL,
  name TEXT NOT NULL,
  city TEXT NOT NULL,
  family TEXT,
  license TEXT,
  fiscal_year INTEGER,
  state TEXT NOT NULL CHECK(state IN('active','deleted')),
  title TEXT NOT NULL,
  title_key BLOB NOT NULL,
  created TEXT NOT NULL,             -- as CKAN writes times
  modified TEXT NOT NULL,
  updated TEXT NOT NULL,
  tags INTEGER NOT NULL,             -- how many
  resources INTEGER NOT NULL,
  version INTEGER NOT NULL,
  log INTEGER NOT NULL,              -- of the version, with its index
  idx INTEGER NOT NULL,
  due TEXT,                          -- the day when the next version is expected
  objects BLOB NOT NULL              -- the first object of each table, 32 bytes each
) STRICT;
{_INDEXES}
CREATE INDEX card_family ON card(family, uid, state, updated, city);
CREATE INDEX card_year ON card(fiscal_year);
CREATE INDEX card_cube ON card(state, city, family, license);
CREATE INDEX card_ref ON card(ref);
CREATE INDEX card_mark ON card(mark);
CREATE TABLE card_form(              -- what the addresses in cards of a form begin with
  mark TEXT PRIMARY KEY, root TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE card_package(           -- CKAN's dictionary
  dataset INTEGER PRIMARY KEY, json BLOB NOT NULL
) STRICT;
CREATE TABLE card_document(          -- the dataset object, but for what time changes
  dataset INTEGER PRIMARY KEY, json BLOB NOT NULL
) STRICT;
CREATE TABLE card_resource(          -- CKAN's resources
  uid TEXT PRIMARY KEY, dataset INTEGER NOT NULL, name TEXT NOT NULL,
  format TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX card_resource_dataset ON card_resource(dataset);
CREATE TABLE card_term(
  id INTEGER PRIMARY KEY, field TEXT NOT NULL, value TEXT NOT NULL,
  folded TEXT NOT NULL, UNIQUE(field, value)
) STRICT;
CREATE INDEX card_term_folded ON card_term(field, folded);
CREATE TABLE card_posting(
  term INTEGER NOT NULL, dataset INTEGER NOT NULL, PRIMARY KEY(term, dataset)
) STRICT, WITHOUT ROWID;
CREATE INDEX card_posting_dataset ON card_posting(dataset, term);
CREATE TABLE card_count(
  term INTEGER NOT NULL, city TEXT NOT NULL, state TEXT NOT NULL,
  datasets INTEGER NOT NULL, PRIMARY KEY(term, city, state)
) STRICT, WITHOUT ROWID;
CREATE INDEX card_count_city ON card_count(city, state, term);
CREATE INDEX dataset_facet_dataset ON dataset_facet(dataset);
CREATE VIRTUAL TABLE card_gone USING fts5(
  title, keywords, fields, description, tokenize='unicode61'
);
""",
    """
ALTER TABLE dataset ADD COLUMN score INTEGER NOT NULL DEFAULT 0;  -- written with cards
CREATE INDEX dataset_score ON dataset(score, ref);
""",
)

CLEAR = """
DELETE FROM card; DELETE FROM card_package; DELETE FROM card_document;
DELETE FROM card_resource; DELETE FROM card_posting; DELETE FROM card_term;
DELETE FROM card_gone; DELETE FROM card_count;
DELETE FROM card_form;
"""
