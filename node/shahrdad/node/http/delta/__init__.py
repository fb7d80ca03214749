"""The Delta Sharing door (interfaces 11): read only, the objects of the records."""
