"""U-Net and UNETR of slices: images alone."""
