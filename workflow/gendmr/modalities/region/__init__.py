"""Brain regions measured in images."""
