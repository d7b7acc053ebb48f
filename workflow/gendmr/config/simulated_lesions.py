"""The section `simulate.lesions`: images with masks, and expression, with planted truth."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gendmr.config.base import Section


class SimulatedLesionsSection(Section):
    """A cohort with five latent factors that expression and images share.

    Four are seen in the image: how large the core of the lesion is, how bright, how far from the
    middle of the brain it lies, and how much of it is a dark centre. The fifth is how far the
    lesion reaches beyond that core, which the image shows or hides.
    """

    genes: int = Field(120, ge=24, le=5000)
    """Genes of the matrix, 18 % of them for each factor."""
    planted: float = Field(1.0, gt=0.0, le=1.0)
    """Share of the genes of a factor that carry it."""
    loading: float = Field(0.7, ge=0.0, le=0.95)
    """Mean correlation of a planted gene with what expression sees of its factor."""
    expression_reads: float = Field(0.95, ge=0.0, le=1.0)
    """Squared correlation of a factor with what expression sees of it."""
    side: int = Field(48, ge=32, le=256)
    """Pixels of a slice along each edge."""
    slices: int = Field(6, ge=3, le=64)
    """Slices of a person."""
    margin: Literal["hidden", "rim"] = "hidden"
    """What the image shows of how far a lesion reaches beyond its core: nothing, or a rim of half
    the contrast of a mean core. Masks and genes are the same either way."""
    margin_spread: float = Field(0.25, ge=0.0, le=0.4)
    """SD of the width of the margin, over the mean radius of a core; the mean is 0.5."""
    size_spread: float = Field(0.25, ge=0.0, le=0.5)
    """SD of the logarithm of the radius of a core."""
    brightness_spread: float = Field(0.3, ge=0.0, le=1.0)
    """SD of the logarithm of the contrast of a core."""
    depth_spread: float = Field(0.15, ge=0.0, le=0.3)
    """SD of the distance of a lesion from the middle of the brain, over its half axes; the mean is
    0.3, the largest 0.6."""
    necrosis_spread: float = Field(0.2, ge=0.0, le=0.4)
    """SD of the radius of the dark centre, over that of the core; the mean is 0.4, the largest 0.8.
    """
    contrast: float = Field(10.0, gt=0.0, le=50.0)
    """Of a core of mean brightness, in SDs of the noise of a pixel."""
    hospital_intensity: float = Field(0.2, ge=0.0, le=1.0)
    """SD of the logarithm of what a hospital multiplies all intensities with; the SD of the
    logarithm of its noise is the same."""
    hospital_batch: float = Field(0.0, ge=0.0, le=10.0)
    """SD of what each hospital adds to genes, in SDs of a gene."""
