"""Tables as published: Parquet parts cut by key, read back, compared, exported."""
