"""Where a node keeps bytes: objects named by their SHA-256, and the static mirror."""
