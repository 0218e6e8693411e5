"""A campaign of faults: recipes, pictures, files and moments that nobody would wish for; see ``__main__``."""
