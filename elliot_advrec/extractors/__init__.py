"""Extractors: a timm backbone with heads, its training, and the frozen view that attacks run on."""
