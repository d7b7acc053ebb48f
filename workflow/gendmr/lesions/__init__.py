"""Images with masks of lesions: read, checked, normalised by volume, measured.

Nothing is estimated from several people here: the normalisation of a volume is its own.
"""
