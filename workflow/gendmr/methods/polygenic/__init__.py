"""A polygenic score."""
