"""A threshold of one channel."""
