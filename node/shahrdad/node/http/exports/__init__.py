"""A published table in other formats, made from its Parquet parts."""
