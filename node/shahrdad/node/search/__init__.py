"""Finding datasets: the index, its engines, facets, suggestions."""
