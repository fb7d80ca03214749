"""The bridge to CKAN portals: what a node takes from them, and what it gives them."""
