"""The node's HTTP service: JSON, files, pages and other catalogs' protocols, all views of one record."""
