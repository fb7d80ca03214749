"""Bulk work: tasks for a process pool or for Dask; nothing here commits."""
