"""A measurement of each person."""
