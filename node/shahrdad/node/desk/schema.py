"""The tables of the desk in the node's database, by what they hold.

Each constant is a list of scripts in the order they were released; where they stand
among those of the other portions, `database.migrations` says.

Four eyes do not rest on the code that asks: a draft becomes `approved` in no other way
than past the trigger `draft_four_eyes`, whichever door the approval came through, and
`published` in no other way than from there. What was submitted can no more be changed.
"""

SUBMISSIONS: tuple[str, ...] = (
    """
CREATE TABLE submission(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  ref TEXT NOT NULL,
  family TEXT NOT NULL,
  file_name TEXT NOT NULL,
  original BLOB NOT NULL,            -- SHA-256 of the file as it came
  report BLOB,                       -- SHA-256 of the report, once judged
  state TEXT NOT NULL CHECK(state IN('received','refused','published','unchanged')),
  version INTEGER
) STRICT;
""",
)

DRAFTS: tuple[str, ...] = (
    """
CREATE TABLE draft(
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK(kind IN('publish','withdraw','redact')),
  slug TEXT NOT NULL,
  family TEXT,
  state TEXT NOT NULL CHECK(
    state IN('draft','submitted','returned','approved','published','discarded')),
  revision INTEGER NOT NULL,
  answers TEXT NOT NULL,             -- JSON: what was handed in, and said of it
  file_name TEXT,
  original BLOB,                     -- SHA-256 of the file as it came
  original_bytes INTEGER,
  report BLOB,                       -- SHA-256 of the report
  verdict TEXT NOT NULL CHECK(verdict IN('valid','errors','unchanged')),
  content BLOB,                      -- the record, or the intent of a removal: JCS
  digest BLOB,                       -- its SHA-256: what an approver names
  base INTEGER,                      -- log index of the version it was judged against
  created TEXT NOT NULL, updated TEXT NOT NULL,
  author INTEGER NOT NULL REFERENCES account(id),
  submitter INTEGER REFERENCES account(id), submitted TEXT,
  approver INTEGER REFERENCES account(id), approved TEXT, approved_digest BLOB,
  reason TEXT,                       -- of a return
  version INTEGER, idx INTEGER       -- once published
) STRICT;
CREATE INDEX draft_state ON draft(state, updated);
CREATE INDEX draft_digest ON draft(digest);
CREATE TABLE draft_writer(           -- everybody who wrote a byte or an answer
  draft TEXT NOT NULL REFERENCES draft(id),
  account INTEGER NOT NULL REFERENCES account(id),
  PRIMARY KEY(draft, account)
) STRICT, WITHOUT ROWID;
CREATE TABLE upload(
  id TEXT PRIMARY KEY,
  account INTEGER NOT NULL REFERENCES account(id),
  file_name TEXT NOT NULL,
  sha256 BLOB NOT NULL,
  bytes INTEGER NOT NULL,
  created TEXT NOT NULL
) STRICT;
CREATE INDEX upload_object ON upload(sha256, account);
CREATE TRIGGER draft_begins BEFORE INSERT ON draft WHEN NEW.state<>'draft'
BEGIN SELECT RAISE(ABORT, 'a draft begins as a draft'); END;
CREATE TRIGGER draft_author AFTER INSERT ON draft
BEGIN INSERT INTO draft_writer VALUES(NEW.id, NEW.author); END;
CREATE TRIGGER draft_stays BEFORE DELETE ON draft
BEGIN SELECT RAISE(ABORT, 'a draft is discarded, not deleted'); END;
CREATE TRIGGER draft_writer_stays BEFORE DELETE ON draft_writer
BEGIN SELECT RAISE(ABORT, 'who wrote stays known'); END;
CREATE TRIGGER draft_writer_is BEFORE UPDATE ON draft_writer
BEGIN SELECT RAISE(ABORT, 'who wrote stays known'); END;
CREATE TRIGGER draft_steps BEFORE UPDATE OF state ON draft
WHEN NEW.state<>OLD.state AND (OLD.state||'>'||NEW.state) NOT IN (
  'draft>submitted', 'draft>discarded', 'returned>draft', 'returned>submitted',
  'returned>discarded', 'submitted>returned', 'submitted>approved',
  'approved>published')
BEGIN SELECT RAISE(ABORT, 'a draft does not go that way'); END;
CREATE TRIGGER draft_submits BEFORE UPDATE OF state ON draft
WHEN NEW.state='submitted' AND OLD.state<>'submitted' AND
  (NEW.submitter IS NULL OR NEW.verdict<>'valid' OR NEW.digest IS NULL)
BEGIN SELECT RAISE(ABORT, 'nothing that can be approved'); END;
CREATE TRIGGER draft_frozen BEFORE UPDATE ON draft
WHEN OLD.state IN('submitted','approved','published') AND (
  NEW.kind<>OLD.kind OR NEW.slug<>OLD.slug OR NEW.revision<>OLD.revision
  OR NEW.digest IS NOT OLD.digest OR NEW.base IS NOT OLD.base
  OR NEW.submitter IS NOT OLD.submitter OR NEW.author<>OLD.author
  OR (NEW.content IS NOT OLD.content AND NOT (
        OLD.state='published' AND NEW.content IS NULL)))
BEGIN SELECT RAISE(ABORT, 'what was submitted does not change'); END;
CREATE TRIGGER draft_four_eyes BEFORE UPDATE OF state ON draft
WHEN NEW.state='approved' AND OLD.state<>'approved' AND (
  NEW.approver IS NULL OR NEW.approver=OLD.submitter OR NEW.approver=OLD.author
  OR EXISTS(SELECT 1 FROM draft_writer WHERE draft=OLD.id AND account=NEW.approver)
  OR EXISTS(SELECT 1 FROM upload
            WHERE sha256=OLD.original AND account=NEW.approver)
  OR NOT EXISTS(SELECT 1 FROM account
                WHERE id=NEW.approver AND kind='person' AND disabled IS NULL)
  OR NEW.approved_digest IS NULL OR NEW.approved_digest<>OLD.digest
  OR NOT EXISTS(SELECT 1 FROM role_grant g WHERE g.account=NEW.approver
                AND g.role IN('publisher', iif(OLD.kind='redact','admin','publisher'))
                AND (g.prefix='' OR g.prefix=OLD.slug
                     OR substr(OLD.slug,1,length(g.prefix)+1)=g.prefix||'-')))
BEGIN SELECT RAISE(ABORT, 'four eyes'); END;
CREATE TRIGGER draft_redaction BEFORE UPDATE OF state ON draft
WHEN NEW.state='approved' AND OLD.kind='redact' AND NOT (
  (EXISTS(SELECT 1 FROM role_grant WHERE account=OLD.submitter AND role='admin')
   AND EXISTS(SELECT 1 FROM role_grant WHERE account=NEW.approver AND role='publisher'))
  OR
  (EXISTS(SELECT 1 FROM role_grant WHERE account=OLD.submitter AND role='publisher')
   AND EXISTS(SELECT 1 FROM role_grant WHERE account=NEW.approver AND role='admin')))
BEGIN SELECT RAISE(ABORT, 'redaction roles'); END;
CREATE TRIGGER draft_approval_stays BEFORE UPDATE ON draft
WHEN OLD.state IN('approved','published') AND (
  NEW.approver IS NOT OLD.approver OR NEW.approved_digest IS NOT OLD.approved_digest)
BEGIN SELECT RAISE(ABORT, 'who approved stays known'); END
""",
)

JOBS: tuple[str, ...] = (
    """
CREATE TABLE job(
  id TEXT PRIMARY KEY,
  account INTEGER NOT NULL REFERENCES account(id),
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  state TEXT NOT NULL CHECK(state IN('queued','running','done','failed')),
  attempts INTEGER NOT NULL DEFAULT 0,
  done INTEGER NOT NULL DEFAULT 0, total INTEGER,  -- bytes read
  problem TEXT,                      -- JSON: reason and values, once failed
  created TEXT NOT NULL, updated TEXT NOT NULL
) STRICT;
CREATE INDEX job_state ON job(state, created);
CREATE INDEX job_subject ON job(subject, created)
""",
)

INTAKES: tuple[str, ...] = (
    """
CREATE TABLE intake(
  id TEXT PRIMARY KEY,               -- also of the draft that it becomes
  account INTEGER NOT NULL REFERENCES account(id),
  upload TEXT NOT NULL REFERENCES upload(id),
  family TEXT NOT NULL, slug TEXT NOT NULL, fiscal_year INTEGER,
  stage TEXT NOT NULL CHECK(
    stage IN('reading','read','match','unit','judging','drafted','discarded')),
  said TEXT NOT NULL,                -- JSON: the answers
  outline TEXT,                      -- JSON: what the file looks like
  created TEXT NOT NULL, updated TEXT NOT NULL
) STRICT;
CREATE INDEX intake_account ON intake(account, stage, updated);
CREATE TABLE draft_try(              -- every revision that was judged
  draft TEXT NOT NULL REFERENCES draft(id),
  revision INTEGER NOT NULL,
  verdict TEXT NOT NULL, report BLOB, file_name TEXT, original BLOB, at TEXT NOT NULL,
  PRIMARY KEY(draft, revision)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER draft_first_try AFTER INSERT ON draft
BEGIN INSERT INTO draft_try VALUES(NEW.id, NEW.revision, NEW.verdict, NEW.report,
  NEW.file_name, NEW.original, NEW.updated); END;
CREATE TRIGGER draft_next_try AFTER UPDATE OF revision ON draft
WHEN NEW.revision<>OLD.revision
BEGIN INSERT INTO draft_try VALUES(NEW.id, NEW.revision, NEW.verdict, NEW.report,
  NEW.file_name, NEW.original, NEW.updated); END
""",
)

UPLOADS: tuple[str, ...] = (
    """
CREATE TABLE resumable(
  id TEXT PRIMARY KEY,
  account INTEGER NOT NULL REFERENCES account(id),
  file_name TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  expires TEXT NOT NULL
) STRICT
""",
)

DELIVERIES: tuple[str, ...] = (
    """
CREATE TABLE delivery(
  name TEXT PRIMARY KEY,
  at TEXT NOT NULL,                  -- of the last try
  state TEXT NOT NULL,
  sha256 BLOB,                       -- of the last file that was judged
  draft TEXT,
  problem TEXT
) STRICT
""",
)

NOTICES: tuple[str, ...] = (
    """
CREATE TABLE mail_choice(            -- who wants notices, and where
  account INTEGER PRIMARY KEY REFERENCES account(id),
  address TEXT NOT NULL,
  language TEXT NOT NULL CHECK(language IN('fa','en')),
  chosen TEXT NOT NULL
) STRICT;
CREATE TABLE notice(                 -- something happened; not yet letters
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,             -- number of the draft, or name of the delivery
  at TEXT NOT NULL
) STRICT;
CREATE TABLE letter(                 -- one notice for one person
  seq INTEGER NOT NULL, account INTEGER NOT NULL REFERENCES account(id),
  kind TEXT NOT NULL, subject TEXT NOT NULL, at TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0, due TEXT NOT NULL,
  PRIMARY KEY(seq, account)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER draft_notice AFTER UPDATE OF state ON draft
WHEN NEW.state<>OLD.state AND NEW.state IN('submitted','returned','published')
  AND EXISTS(SELECT 1 FROM mail_choice)
BEGIN INSERT INTO notice(kind, subject, at)
  VALUES(NEW.state, NEW.id, strftime('%Y-%m-%dT%H:%M:%SZ','now')); END;
CREATE TRIGGER delivery_notice_first AFTER INSERT ON delivery
WHEN NEW.state='failed' AND EXISTS(SELECT 1 FROM mail_choice)
BEGIN INSERT INTO notice(kind, subject, at) VALUES('delivery-failed', NEW.name, NEW.at);
END;
CREATE TRIGGER delivery_notice AFTER UPDATE OF state ON delivery
WHEN NEW.state='failed' AND OLD.state<>'failed' AND EXISTS(SELECT 1 FROM mail_choice)
BEGIN INSERT INTO notice(kind, subject, at) VALUES('delivery-failed', NEW.name, NEW.at);
END
""",
)

DEFERRED: tuple[str, ...] = (
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

TOKEN_NOTICES: tuple[str, ...] = (
    """
CREATE TABLE token_notice(           -- the last notice of a token's end
  token INTEGER PRIMARY KEY REFERENCES token(id),
  days INTEGER NOT NULL              -- how long before it
) STRICT
""",
)
