"""The tables of accounts, tokens, sessions, linked persons and the audit.

What is secret is stored so that the database alone gives nothing away: passwords as
argon2id, tokens and sessions as HMACs under a key that lies beside the database, the
second factor's seed encrypted under that key. Account numbers are never used again.
"""

MIGRATIONS: tuple[str, ...] = (
    """
CREATE TABLE account(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK(kind IN('person','service')),
  password TEXT,                     -- argon2id, PHC string
  totp BLOB,                         -- seed of the second factor, encrypted
  totp_counter INTEGER NOT NULL DEFAULT 0,  -- the last time step accepted
  created TEXT NOT NULL,
  disabled TEXT
) STRICT;
CREATE TABLE role_grant(
  account INTEGER NOT NULL REFERENCES account(id),
  role TEXT NOT NULL CHECK(role IN('editor','publisher','admin','auditor')),
  prefix TEXT NOT NULL,              -- of dataset slugs; '' = all
  PRIMARY KEY(account, role, prefix)
) STRICT, WITHOUT ROWID;
CREATE TABLE recovery_code(
  account INTEGER NOT NULL REFERENCES account(id),
  mac BLOB NOT NULL,
  PRIMARY KEY(account, mac)
) STRICT, WITHOUT ROWID;
CREATE TABLE token(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account INTEGER NOT NULL REFERENCES account(id),
  mac BLOB NOT NULL UNIQUE,          -- HMAC-SHA256 of the token
  shown TEXT NOT NULL,               -- its first eight characters after the prefix
  name TEXT NOT NULL,
  scopes TEXT NOT NULL,              -- separated by spaces
  created TEXT NOT NULL,
  expires TEXT NOT NULL,
  revoked TEXT,
  used_day TEXT, used_network TEXT
) STRICT;
CREATE TABLE session(
  mac BLOB PRIMARY KEY,
  account INTEGER NOT NULL REFERENCES account(id),
  created TEXT NOT NULL,
  authenticated TEXT NOT NULL,       -- when the password was given last
  expires TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_account ON session(account);
CREATE TABLE login_try(
  who BLOB PRIMARY KEY,              -- HMAC of a name, known or not
  failures INTEGER NOT NULL,
  until TEXT NOT NULL                -- no try before
) STRICT, WITHOUT ROWID;
CREATE TABLE idempotency(
  account INTEGER NOT NULL, key TEXT NOT NULL,
  request BLOB NOT NULL,             -- SHA-256 of method, address and body
  at TEXT NOT NULL,
  status INTEGER, headers TEXT, body BLOB,  -- NULL while it runs
  PRIMARY KEY(account, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit(
  seq INTEGER PRIMARY KEY,
  row TEXT NOT NULL,                 -- JCS
  hash BLOB NOT NULL                 -- SHA-256 of the hash before and of row
) STRICT;
CREATE TABLE audit_person(           -- dropped after two years; the chain still holds
  seq INTEGER NOT NULL, member TEXT NOT NULL,
  salt BLOB NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY(seq, member)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_never_shrinks BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
""",
)

LINKING: tuple[str, ...] = (
    """
CREATE TABLE identity(               -- of the city's sign-in service
  issuer TEXT NOT NULL, subject TEXT NOT NULL,
  account INTEGER NOT NULL UNIQUE REFERENCES account(id),
  linked TEXT NOT NULL,
  PRIMARY KEY(issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE TABLE sign_in_flow(
  state BLOB PRIMARY KEY,            -- HMAC of what the service gives back
  browser BLOB NOT NULL,             -- HMAC of the browser's cookie
  sealed BLOB NOT NULL,              -- nonce and verifier, encrypted
  again INTEGER NOT NULL,            -- whether the password is asked for once more
  wanted TEXT NOT NULL, language TEXT NOT NULL, expires TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE sign_in_half(           -- the service vouched; the second factor is due
  browser BLOB PRIMARY KEY,
  account INTEGER NOT NULL REFERENCES account(id),
  proved TEXT,
  wanted TEXT NOT NULL, expires TEXT NOT NULL
) STRICT, WITHOUT ROWID
""",
)
