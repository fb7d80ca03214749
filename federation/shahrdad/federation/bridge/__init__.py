"""The bridge to CKAN portals: what to ask them, and what their answers mean."""
