"""Kernels: one question for each cell of a column, surely valid or not sure."""
