"""The generated pages of the documentation: a page a part, a page a metric, the reference of recipes."""
