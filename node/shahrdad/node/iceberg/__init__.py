"""A read-only Iceberg REST catalog over the published Parquet objects, without a copy."""
