"""The CKAN Action API v3, read side, as unmodified clients expect it.

`organization` is a city, `group` a family, `tag` a keyword, `package` a dataset.
"""
