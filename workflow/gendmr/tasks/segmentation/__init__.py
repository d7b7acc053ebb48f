"""Masks of lesions: which voxels of a person's volume are lesion."""
