"""Training of networks, with a leading replicate axis."""
