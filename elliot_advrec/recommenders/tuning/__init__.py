"""Hyper-parameter search as Elliot's recipes ask for it: lists and distributions in place of values."""
