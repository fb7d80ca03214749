"""The tables of drafts, and the rules that the database itself holds them to.

Four eyes do not rest on the code that asks: a draft becomes `approved` in no other way
than past the trigger `draft_four_eyes`, whichever door the approval came through, and
`published` in no other way than from there. What was submitted can no more be changed.
"""

MIGRATIONS: tuple[str, ...] = (
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
