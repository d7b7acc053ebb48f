"""Maps of grey matter, voxel by voxel."""
