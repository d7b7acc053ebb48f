"""The section `simulate` of the configuration."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from gendmr.config.base import Section
from gendmr.config.simulated_lesions import SimulatedLesionsSection
from gendmr.config.tumours import TumoursSection
from gendmr.errors import first_few

# Columns that participants.tsv has anyway, or that the stage `cohort` adds.
RESERVED_COLUMNS = frozenset(
    {
        *("participant_id", "diagnosis", "age", "sex", "site", "motion"),
        *("has_snp", "has_region", "has_edge", "has_amplitude", "family"),
    }
)
NETWORKS = (
    *("subcortical", "auditory", "sensorimotor", "visual", "control", "default", "cerebellar"),
)
ColumnName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
ClassLabel = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_+-]{0,19}$")]


class SimulatedOutcome(Section):
    """What every further outcome has: a liability, standardised, and where it comes from."""

    kind: str
    """What is made of the liability."""
    heritability: float = Field(0.25, ge=0.0, le=0.9)
    """Share of the variance of the liability that the planted genes explain, those that act through
    a region included."""
    regional: float = Field(0.2, ge=0.0, le=0.9)
    """Share of it that the susceptibilities of the named regions explain, again with the genes that
    act through them."""
    shared: float = Field(0.5, ge=0.0, le=1.0)
    """How much of the liability is that of the diagnosis. Genes and regions have the weights that
    they have for the diagnosis (1), random weights of their own, of either sign (0), or a mixture;
    likewise the rest is what else decides the diagnosis, or noise of its own."""
    missing: float = Field(0.05, ge=0.0, le=0.9)
    """Share of people without a value (`n/a`), missing completely at random."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of participants.tsv, where named; else the outcome's name is the column."""
        return ()

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        if self.heritability + self.regional > 1 + 1e-9:
            yield "heritability and regional: together at most 1"


class SimulatedQuantitative(SimulatedOutcome):
    """A score that falls, or a measure that rises, in proportion to the liability."""

    kind: Literal["quantitative"] = "quantitative"
    """A number per person, in a column called like the outcome."""
    mean: float = Field(50.0, ge=-1e6, le=1e6)
    """Mean of the score."""
    sd: float = Field(10.0, gt=0.0, le=1e6)
    """Standard deviation of the score."""
    worse: Literal["lower", "higher"] = "lower"
    """Where a high liability puts a person: `lower` for a cognitive score."""


class SimulatedSurvival(SimulatedOutcome):
    """Time to an event: Weibull proportional hazards, the liability as logarithm of the hazard."""

    kind: Literal["survival"] = "survival"
    """A time in months and an event."""
    time: ColumnName = "months"
    """Column of the time to the event or to censoring, months, at least 0.1."""
    event: ColumnName = "converted"
    """Column with 1 where the event was seen, 0 where the time is censored."""
    median: float = Field(36.0, ge=1.0, le=1200.0)
    """Median time to the event of a person of mean liability, months."""
    shape: float = Field(1.5, ge=0.3, le=5.0)
    """Shape of the Weibull distribution; above 1 the hazard rises with time."""
    log_hazard: float = Field(1.0, ge=0.0, le=3.0)
    """Logarithm of the hazard ratio per standard deviation of the liability."""
    censoring: float = Field(0.4, ge=0.0, le=0.95)
    """Share of times that are censored."""
    administrative: float = Field(0.5, ge=0.0, le=1.0)
    """Share of the censoring that the end of the study would reach alone; the rest of the censored
    left before, at a constant rate that does not depend on liability."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Time and event."""
        return self.time, self.event

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        yield from super().contradictions()
        if self.time == self.event:
            yield "time and event: two columns"


class SimulatedMulticlass(SimulatedOutcome):
    """Classes along two axes, so that they are no mere steps of one liability.

    The last label is of those whose liability is highest. The others are steps of a second axis,
    which has weights and noise of its own.
    """

    kind: Literal["multiclass"] = "multiclass"
    """A label per person, in a column called like the outcome."""
    labels: tuple[ClassLabel, ...] = Field(("CN", "MCI", "AD"), min_length=3, max_length=20)
    """The classes: steps of the second axis from low to high, and last the one of the first."""
    shares: tuple[float, ...] = ()
    """Share of the people in each class; absent: all alike."""
    overlap: float = Field(0.5, ge=0.0, lt=1.0)
    """Correlation of the second axis with the liability. Near 1 classes are steps of one axis."""

    @property
    def class_shares(self) -> tuple[float, ...]:
        """Share of the people in each class."""
        return self.shares or (1 / len(self.labels),) * len(self.labels)

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        yield from super().contradictions()
        if twice := [label for label, count in Counter(self.labels).items() if count > 1]:
            yield f"labels: {first_few(twice)} appears twice"
        if self.shares and len(self.shares) != len(self.labels):
            yield f"shares: {len(self.shares)} of them for {len(self.labels)} labels"
        if min(self.class_shares) <= 0 or not math.isclose(sum(self.class_shares), 1, abs_tol=1e-6):
            yield "shares: each above 0, their sum 1"


AnySimulatedOutcome = Annotated[
    SimulatedQuantitative | SimulatedSurvival | SimulatedMulticlass, Field(discriminator="kind")
]


class SimulateSection(Section):
    """A cohort with planted truth: how many people, what is planted, how the brain is seen."""

    people: int = Field(400, ge=40, le=20_000)
    """People with genotypes, half of them cases, before the deliberate faults are added."""
    images: int = Field(62, ge=0)
    """People with an image: a subset, because T1w images are what costs time. 0: none."""
    imaging: Literal["t1w", "measurements"] = "t1w"
    """What an image is: a T1w scan in BIDS form, or the measurements of its regions alone
    (`regions.nc`), which cost nothing and are had for thousands of people."""
    maps: bool = False
    """Write a grey-matter map of everybody with an image besides (`maps.tsv`, in MNI space), as
    CAT12 would have made it: its regions are as large as the measurements say. With `measurements`
    only."""
    genes: int = Field(300, ge=12, le=300)
    """Genes with typed SNPs. The first of the table are the candidates for planting."""
    gene_gap: int | None = Field(None, ge=20_000, le=200_000)
    """Absent: genes lie where they truly do, far apart, and are independent of one another. A
    number: the genes of a chromosome are moved together, so many bp from one to the next, and have
    one ancestry with hotspots of recombination: blocks of linkage then span several genes."""
    snps_per_gene: int = Field(10, ge=3, le=40)
    """Mean number of SNPs that the arrays hold in and around a gene."""
    background_snps: int = Field(4000, ge=100, le=20000)
    """Unlinked SNPs between the genes, for kinship and ancestry components."""
    x_chromosome: bool = True
    """Simulate X, for the check of sex. Without it set `genotypes.sex_check: false`."""
    planted: int = Field(12, ge=1, le=12)
    """Genes that raise the risk. The first is APOE."""
    planted_where: Literal["anywhere", "clustered"] = "anywhere"
    """`anywhere`: genes of the list of candidates, which lie all over the genome, with a causal SNP
    anywhere in the gene. `clustered`: the first candidate and its nearest neighbours on its
    chromosome, each with the SNP nearest to the start of its transcription, so that position says
    where causal SNPs are."""
    null_mode: bool = False
    """Plant nothing: diagnosis is independent of genotypes, images and age."""
    strongest_odds_ratio: float = Field(3.0, ge=1.0, le=8.0)
    """Odds ratio per risk allele of the first planted gene, as an association test finds it."""
    odds_ratios: tuple[float, float] = (1.25, 1.5)
    """Odds ratios of the other planted genes: lowest and highest."""
    gene_action: Literal["additive", "recessive", "dominant", "epistatic"] = "additive"
    """How copies of a risk allele add up: `additive`, each as the last; `recessive`, two are needed
    and one does nothing; `dominant`, one suffices; `epistatic`, genes act in pairs, and only where
    both have a copy. A gene that is left over acts additively. Odds ratios above are those of
    additive genes: the others are given effects that explain as much of the variance of the logit,
    or of their region, and the truth file says what an association test of copies finds of them."""
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
    functional: bool = False
    """Simulate signals of 35 regions in 7 networks for everybody (`series.npz`)."""
    connections: tuple[str, ...] = ()
    """Pairs of networks (`default ~ control`) whose correlation is weaker in cases, in the way in
    which `regions` are smaller: by `atrophy`, `susceptibility` and `region_effect`, where a share
    of volume is a difference of correlations. Genes act through them as through regions."""
    volumes: int = Field(150, ge=20, le=2000)
    """Volumes of a functional scan."""
    motion_of_cases: float = Field(0.0, ge=-2.0, le=2.0)
    """By how many SDs the logarithm of the motion of cases is higher: confounding by motion, which
    raises all correlations of a person."""
    site_connectivity: float = Field(0.0, ge=0.0, le=0.2)
    """SD of what a site adds to the correlations of each pair of networks."""
    sites: int = Field(3, ge=1, le=20)
    """Number of recruiting sites."""
    voxel_sizes: tuple[float, float] = (2.0, 3.0)
    """Smallest and largest edge of a voxel, mm. Small voxels look better and cost more."""
    faults: bool = True
    """Add the deliberate faults that a quality control must find; the truth file lists them."""
    outcomes: dict[ColumnName, AnySimulatedOutcome] = Field(default_factory=dict)
    """Further outcomes beside the diagnosis, by name; the truth file says what drives each. With
    `null_mode` nothing that is planted or seen of a brain does."""
    tumours: TumoursSection | None = None
    """Another cohort in place of all this: people with a tumour, its expression and its slides. Of
    the options above `people`, `sites` and `null_mode` count."""
    lesions: SimulatedLesionsSection | None = None
    """Another cohort in place of all this: people with a lesion, its images and masks, and its
    expression. Of the options above `people`, `sites` and `null_mode` count."""

    @property
    def mediators(self) -> tuple[str, ...]:
        """What the disease weakens and genes may act through: regions, then connections."""
        return (*self.regions, *self.connections)

    def contradictions(self) -> Iterator[str]:
        """Yield what of its entries does not go together."""
        yield from self._of_ranges()
        yield from self._of_regions()
        yield from self._of_connections()
        yield from self._of_outcomes()

    def _of_ranges(self) -> Iterator[str]:
        low, high = self.odds_ratios
        if not 1.0 <= low <= high <= 8.0:
            yield "odds_ratios: two numbers, 1 <= lowest <= highest <= 8"
        if not 1.0 <= self.voxel_sizes[0] <= self.voxel_sizes[1] <= 5.0:
            yield "voxel_sizes: two numbers, 1 <= smallest <= largest <= 5 mm"
        if self.imaging == "t1w":
            measurements_only = {
                "variance_explained": self.variance_explained is not None,
                "age_atrophy": self.age_atrophy != 0,
                "smaller_regions": self.smaller_regions != 0,
                "maps": self.maps,
            }
            if misplaced := [name for name, used in measurements_only.items() if used]:
                yield f"{', '.join(misplaced)}: only with `imaging: measurements`"
        if self.tumours is not None and self.lesions is not None:
            yield "tumours and lesions: two cohorts; leave one of them out"
        lesion_cohort = self.tumours is not None or self.lesions is not None
        if not lesion_cohort and self.images > self.people:
            yield "images: at most as many as `people`"
        if self.maps and not self.images:
            yield "maps: of people with an image, and `images` is 0"

    def _of_regions(self) -> Iterator[str]:
        if len(set(self.regions)) != len(self.regions):
            yield "regions: a name appears twice"
        if (
            not self.null_mode
            and self.through_regions > 0
            and self.planted > 1
            and not self.mediators
        ):
            yield "through_regions: needs at least one name in `regions`"

    def _of_connections(self) -> Iterator[str]:
        if self.connections and not self.functional:
            yield "connections: only with `functional: true`"
        if self.connections and self.outcomes:
            yield "connections: drive the diagnosis alone; leave `outcomes` out"
        pairs = [frozenset(name.split(" ~ ")) for name in self.connections]
        invalid = [
            name
            for name, pair in zip(self.connections, pairs, strict=True)
            if " ~ " not in name or not pair <= set(NETWORKS)
        ]
        if invalid or len(set(pairs)) != len(pairs):
            yield (
                f"connections: each once, `first ~ second` of {', '.join(NETWORKS)};"
                f" wrong: {first_few(invalid) if invalid else 'one pair twice'}"
            )

    def _of_outcomes(self) -> Iterator[str]:
        if self.outcomes and self.gene_action != "additive":
            yield (
                f"gene_action: {self.gene_action} genes drive the diagnosis alone; leave `outcomes`"
                " out"
            )
        columns = Counter(
            column for name, item in self.outcomes.items() for column in item.columns or (name,)
        )
        if reserved := sorted(RESERVED_COLUMNS & set(columns)):
            yield f"outcomes: {first_few(reserved)} are columns of something else"
        if twice := sorted(column for column, count in columns.items() if count > 1):
            yield f"outcomes: {first_few(twice)} are columns of two outcomes"
        if not self.regions and not self.null_mode:
            regional = [name for name, item in self.outcomes.items() if item.regional > 0]
            if regional:
                yield (
                    f"outcomes: {first_few(regional)} need at least one name in `regions`,"
                    " or `regional: 0`"
                )
