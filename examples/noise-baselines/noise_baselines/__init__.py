"""Random noise as an attack and as a defense: the least that any other must beat."""
