"""The node's HTTP service: JSON, files, pages and other catalogs' protocols."""
