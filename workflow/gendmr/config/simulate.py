"""The section `simulate` of the configuration."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from gendmr.config.base import Section


class SimulateSection(Section):
    """A cohort with planted truth: how many people, what is planted, how the brain is seen."""

    people: int = Field(400, ge=40, le=9000)
    """People with genotypes, half of them cases, before the deliberate faults are added."""
    images: int = Field(62, ge=0)
    """People with an image: a subset, because T1w images are what costs time. 0: none."""
    imaging: Literal["t1w", "measurements"] = "t1w"
    """What an image is: a T1w scan in BIDS form, or the measurements of its regions alone
    (`regions.nc`), which cost nothing and are had for thousands of people."""
    genes: int = Field(300, ge=12, le=300)
    """Genes with typed SNPs. The first of the table are the candidates for planting."""
    snps_per_gene: int = Field(10, ge=3, le=40)
    """Mean number of SNPs that the arrays hold in and around a gene."""
    background_snps: int = Field(4000, ge=100, le=20000)
    """Unlinked SNPs between the genes, for kinship and ancestry components."""
    x_chromosome: bool = True
    """Simulate X, for the check of sex. Without it set `genotypes.sex_check: false`."""
    planted: int = Field(12, ge=1, le=12)
    """Genes that raise the risk. The first is APOE."""
    null_mode: bool = False
    """Plant nothing: diagnosis is independent of genotypes, images and age."""
    strongest_odds_ratio: float = Field(3.0, ge=1.0, le=8.0)
    """Odds ratio per risk allele of the first planted gene, as an association test finds it."""
    odds_ratios: tuple[float, float] = (1.25, 1.5)
    """Odds ratios of the other planted genes: lowest and highest."""
    through_regions: float = Field(0.34, ge=0.0, le=1.0)
    """Share of the other planted genes that act by shrinking a region, not directly."""
    variance_explained: float | None = Field(None, gt=0.0, le=0.1)
    """Share of the variance of its region's volume (of healthy people of one age and head size)
    that a gene acting through it explains; its odds ratio follows. Absent: the gene's odds ratio is
    drawn like that of the others, and the effect on the region follows. With `measurements` only,
    for the spread of volumes among T1w images comes from their anatomy."""
    regions: tuple[str, ...] = ("hippocampus_L", "hippocampus_R", "entorhinal_L", "entorhinal_R")
    """Regions that shrink in cases; names as in the table of regions."""
    atrophy: float = Field(0.18, ge=0.0, le=0.35)
    """Mean share of its volume that such a region loses in cases."""
    susceptibility: float = Field(0.03, gt=0.0, le=0.15)
    """Share of its volume by which such a region is smaller per standard deviation of its
    susceptibility: what was there before the disease, and what genes change."""
    region_effect: float = Field(0.5, gt=0.0, le=2.0)
    """Log odds ratio of the diagnosis per standard deviation of a region's susceptibility."""
    age_effect: float = Field(0.3, ge=-2.0, le=2.0)
    """Log odds ratio of the diagnosis per standard deviation of age. 0: no confounding by age."""
    age_atrophy: float = Field(0.0, ge=0.0, le=0.1)
    """Share of their volume that all regions lose per standard deviation of age. With
    `measurements` only."""
    second_population: float = Field(0.2, ge=0.0, le=0.8)
    """Share of people from a second population (FST about 0.014 to the first)."""
    confounding: float = Field(0.0, ge=-3.0, le=3.0)
    """Log odds ratio of the diagnosis for the second population: stratification to correct for."""
    smaller_regions: float = Field(0.0, ge=-0.2, le=0.2)
    """Share by which all regions are smaller in the second population: stratification of what the
    brain says about genes. With `measurements` only."""
    sites: int = Field(3, ge=1, le=20)
    """Number of recruiting sites."""
    voxel_sizes: tuple[float, float] = (2.0, 3.0)
    """Smallest and largest edge of a voxel, mm. Small voxels look better and cost more."""
    faults: bool = True
    """Add the deliberate faults that a quality control must find; the truth file lists them."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.odds_ratios
        if not 1.0 <= low <= high <= 8.0:
            raise ValueError("odds_ratios: two numbers, 1 <= lowest <= highest <= 8")
        if not 1.0 <= self.voxel_sizes[0] <= self.voxel_sizes[1] <= 5.0:
            raise ValueError("voxel_sizes: two numbers, 1 <= smallest <= largest <= 5 mm")
        if self.imaging == "t1w":
            only = {
                "variance_explained": self.variance_explained is not None,
                "age_atrophy": self.age_atrophy != 0,
                "smaller_regions": self.smaller_regions != 0,
            }
            if wrong := [name for name, used in only.items() if used]:
                raise ValueError(f"{', '.join(wrong)}: only with `imaging: measurements`")
        if self.images > self.people:
            raise ValueError("images: at most as many as `people`")
        if len(set(self.regions)) != len(self.regions):
            raise ValueError("regions: a name appears twice")
        if (
            not self.null_mode
            and self.through_regions > 0
            and self.planted > 1
            and not self.regions
        ):
            raise ValueError("through_regions: needs at least one name in `regions`")
        return self
