"""Typed configuration: one module per stage, `study` puts them together.

Nothing is imported here: a step imports the section it needs, so that an edit of one section's
code changes the fingerprint of its own rules only.
"""
