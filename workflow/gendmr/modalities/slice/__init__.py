"""Slices of volumes, with masks of lesions."""
