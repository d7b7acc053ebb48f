"""Files that other programs read, made from the results of a study.

Each module writes one kind of file into `results/<study>/export/` and says which of its kind could
not be made, and why. Nothing of a study depends on them.
"""
