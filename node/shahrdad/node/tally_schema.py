"""The tallies: how many datasets have the same city, standard, licence and state.

`dataset_tally` counts the catalog, `card_tally` the cards of the lists. SQLite keeps
both with every change, so that what a list counts is a sum over some thousand rows, the
first time after a change too, and no scan of the catalog.
"""

MIGRATIONS = (
    """
CREATE TABLE card_tally(
  city TEXT NOT NULL, family TEXT, license TEXT, state TEXT NOT NULL,
  datasets INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX card_tally_of ON card_tally(
  city, COALESCE(family, ''), COALESCE(license, ''), state
);
INSERT INTO card_tally SELECT city, family, license, state, COUNT(*) FROM card
  GROUP BY 1, COALESCE(family, ''), COALESCE(license, ''), 4;
CREATE TRIGGER card_tally_more AFTER INSERT ON card BEGIN
  INSERT INTO card_tally VALUES(NEW.city, NEW.family, NEW.license, NEW.state, 1)
    ON CONFLICT DO UPDATE SET datasets=datasets+1;
END;
CREATE TRIGGER card_tally_less AFTER DELETE ON card BEGIN
  UPDATE card_tally SET datasets=datasets-1
    WHERE city=OLD.city AND COALESCE(family, '')=COALESCE(OLD.family, '')
      AND COALESCE(license, '')=COALESCE(OLD.license, '') AND state=OLD.state;
END;
CREATE TABLE dataset_tally(
  city TEXT NOT NULL, family TEXT, license TEXT, fiscal_year INTEGER,
  state TEXT NOT NULL, datasets INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX dataset_tally_of ON dataset_tally(
  city, COALESCE(family, ''), COALESCE(license, ''), COALESCE(fiscal_year, 0), state
);
INSERT INTO dataset_tally
  SELECT city, family, license, fiscal_year, state, COUNT(*) FROM dataset
  GROUP BY 1, COALESCE(family, ''), COALESCE(license, ''), COALESCE(fiscal_year, 0), 5;
CREATE TRIGGER dataset_tally_more AFTER INSERT ON dataset BEGIN
  INSERT INTO dataset_tally
    VALUES(NEW.city, NEW.family, NEW.license, NEW.fiscal_year, NEW.state, 1)
    ON CONFLICT DO UPDATE SET datasets=datasets+1;
END;
CREATE TRIGGER dataset_tally_less AFTER DELETE ON dataset BEGIN
  UPDATE dataset_tally SET datasets=datasets-1
    WHERE city=OLD.city AND COALESCE(family, '')=COALESCE(OLD.family, '')
      AND COALESCE(license, '')=COALESCE(OLD.license, '')
      AND COALESCE(fiscal_year, 0)=COALESCE(OLD.fiscal_year, 0) AND state=OLD.state;
END;
CREATE TRIGGER dataset_tally_other
AFTER UPDATE OF city, family, license, fiscal_year, state ON dataset BEGIN
  UPDATE dataset_tally SET datasets=datasets-1
    WHERE city=OLD.city AND COALESCE(family, '')=COALESCE(OLD.family, '')
      AND COALESCE(license, '')=COALESCE(OLD.license, '')
      AND COALESCE(fiscal_year, 0)=COALESCE(OLD.fiscal_year, 0) AND state=OLD.state;
  INSERT INTO dataset_tally
    VALUES(NEW.city, NEW.family, NEW.license, NEW.fiscal_year, NEW.state, 1)
    ON CONFLICT DO UPDATE SET datasets=datasets+1;
END;
""",
)

CLEAR = """
DELETE FROM card_tally; DELETE FROM dataset_tally;
"""
