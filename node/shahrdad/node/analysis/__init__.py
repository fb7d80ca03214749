"""Figures over the cities, computed from published versions alone (standards 9)."""
