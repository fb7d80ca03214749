"""Rules of the standards: of rows in the pass, of tables after it."""
