"""Catalogs, pictures, pixels and interactions: everything between a folder of files and arrays."""
