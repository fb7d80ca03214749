"""The other nodes: who they are, what they said, and one round with them."""
