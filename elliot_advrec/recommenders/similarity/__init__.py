"""How alike items are by who interacted with them, a block of items at a time and only the strongest kept."""
