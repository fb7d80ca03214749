"""Tables of our standards in the words of others' (standards 7.3 to 7.7)."""
