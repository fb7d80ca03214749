"""The table of writes that are answered later; `http.write.deferring` fills it."""

MIGRATIONS: tuple[str, ...] = (
    """
CREATE TABLE deferred(               -- a request that is answered later
  id TEXT PRIMARY KEY,               -- subject of its job
  writing TEXT NOT NULL,             -- the operation
  path TEXT NOT NULL,                -- JSON: the variables of the address
  query BLOB NOT NULL, revision TEXT NOT NULL, language TEXT NOT NULL,
  body TEXT NOT NULL,                -- JSON
  token INTEGER,                     -- by which it was asked; NULL = a session
  created TEXT NOT NULL,
  answer TEXT                        -- JSON {status, headers, body}, once done
) STRICT
""",
)
