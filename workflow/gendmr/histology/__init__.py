"""Patch features of slides to one bag for each person, with a list of what became of each slide.

Reads the HDF5 files that CLAM, TRIDENT and other feature extractors write, or makes them out of
images of slides; Python objects are never unpickled. Nothing is estimated from several people here.
"""
