"""Images and genes aligned by contrastive pre-training, then lesions segmented."""
