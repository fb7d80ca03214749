"""What an operator asks for: backup, examination, upkeep of the objects."""
