"""A log on this node's disk: its tables, its one writer, its guard."""
