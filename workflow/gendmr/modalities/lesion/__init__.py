"""Measures of lesions: size, parts, extent, contrast."""
