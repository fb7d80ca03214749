"""Workbooks: found out before reading, read, and what is noticed in them."""
