"""Three cities on one computer: what `shahrdad demo` and its tests run."""
