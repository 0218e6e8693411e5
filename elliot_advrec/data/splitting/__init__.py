"""Elliot's ways of holding rows out: settings, rules, the order of users, and the folder layout."""
