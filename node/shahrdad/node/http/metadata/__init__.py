"""A dataset in the vocabularies of other catalogs: DCAT-AP, schema.org, Croissant."""
