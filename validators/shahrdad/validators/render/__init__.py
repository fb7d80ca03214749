"""Renders a report for people: terminal text and a self-contained page."""
