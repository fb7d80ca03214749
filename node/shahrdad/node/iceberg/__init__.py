"""A read-only Iceberg REST catalog over the published objects, without a copy."""
