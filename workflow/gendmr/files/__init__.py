"""Reading and writing: atomic writes, strict tables, checked datasets, code fingerprints."""
