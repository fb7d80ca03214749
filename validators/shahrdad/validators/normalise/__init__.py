"""Persian text, digits, numbers, dates and money in their one form; pure functions."""
