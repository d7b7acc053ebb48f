"""Bags of patches of slides."""
