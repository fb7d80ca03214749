"""The commands of `shahrdad`, a module for each group, loaded when called."""
