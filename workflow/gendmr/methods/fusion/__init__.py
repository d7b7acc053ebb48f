"""Plain networks over modalities side by side."""
