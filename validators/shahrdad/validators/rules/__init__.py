"""Rules of the standards: of rows in the pass, of tables and other families after it."""
