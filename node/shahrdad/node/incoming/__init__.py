"""A file on its way in: where it lies, how it looks, which profile reads it."""
