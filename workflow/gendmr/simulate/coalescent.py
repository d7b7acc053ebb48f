"""Haplotypes by coalescent simulation, with a history and hotspots like those of Europeans."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import msprime

RECOMBINATION = 1e-8  # per bp and generation: 1 cM/Mb
MUTATION = 1.5e-8  # per bp and generation
SPLIT = 400  # generations since the two populations parted: FST about 0.014
# Recombination between linked genes: most of it in hotspots, one in some 50 kb (Myers et al. 2005,
# Science 310:321, doi:10.1126/science.1117196), so that linkage comes in blocks.
HOTSPOT_EVERY, HOTSPOT_WIDTH, IN_HOTSPOTS = 50_000, 2_000, 0.8  # bp, bp, share


class Ancestry(NamedTuple):
    """Variants of one ancestry: minor allele frequencies, alleles, 0-based positions in bp."""

    frequency: np.ndarray  # (sites,)
    sites: np.ndarray  # (sites, people, 2)
    positions: np.ndarray  # (sites,)


def demography(two_populations: bool, *, scale: float = 1.0) -> msprime.Demography:
    """Return a European-like history: ancient size, bottlenecks, exponential growth.

    Sizes and times are those of Europeans in Gravel et al. 2011 (PNAS 108:11983,
    doi:10.1073/pnas.1019276108), without the other continents.

    Parameters
    ----------
    two_populations : bool
        Two populations `A` and `B` that parted `SPLIT` generations ago; else `A` alone.
    scale : float
        Factor of all sizes; 0.75 for X, of which men carry one copy.
    """
    import msprime

    rate, present_size = 0.0038, 34_000 * scale
    history = msprime.Demography()
    history.add_population(name="A", initial_size=present_size, growth_rate=rate)
    ancestral = "A"
    if two_populations:
        history.add_population(name="B", initial_size=present_size, growth_rate=rate)
        history.add_population(
            name="P", initial_size=present_size * np.exp(-rate * SPLIT), growth_rate=rate
        )
        history.add_population_split(time=SPLIT, derived=["A", "B"], ancestral="P")
        ancestral = "P"
    for time, size in ((920, 1_861), (2_040, 14_474), (5_920, 7_310)):
        history.add_population_parameters_change(
            time=time, initial_size=size * scale, growth_rate=0, population=ancestral
        )
    return history


def simulate_ancestry(
    people: tuple[int, int],
    length: int,
    seed: int,
    *,
    mutation: float = MUTATION,
    scale: float = 1.0,
    hotspots: np.random.Generator | None = None,
) -> Ancestry:
    """Simulate an ancestry and its mutations; recombination is even, or in hotspots."""
    import msprime

    number = seed % (2**32 - 1) + 1
    ancestry = msprime.sim_ancestry(
        samples={"A": people[0], "B": people[1]} if people[1] else {"A": people[0]},
        demography=demography(people[1] > 0, scale=scale),
        sequence_length=length,
        recombination_rate=RECOMBINATION if hotspots is None else _rates(length, hotspots),
        random_seed=number,
    )
    mutated = msprime.sim_mutations(
        ancestry, rate=mutation, model=msprime.BinaryMutationModel(), random_seed=number
    )
    sites = mutated.genotype_matrix().astype(np.int8)
    derived = sites.mean(axis=1)
    frequency = np.minimum(derived, 1 - derived)
    positions = mutated.tables.sites.position.astype(np.int64)
    return Ancestry(frequency, sites.reshape(len(sites), -1, 2), positions)


def _rates(length: int, random: np.random.Generator) -> msprime.RateMap:
    """Return a map of recombination whose mean is `RECOMBINATION`, most of it in hotspots."""
    import msprime

    gaps = HOTSPOT_WIDTH + random.exponential(
        HOTSPOT_EVERY - HOTSPOT_WIDTH, 2 + 4 * length // HOTSPOT_EVERY
    )
    starts = np.cumsum(gaps).astype(np.int64)
    starts = starts[starts + HOTSPOT_WIDTH < length]
    edges = np.stack([starts, starts + HOTSPOT_WIDTH], axis=1).reshape(-1)
    cold = (1 - IN_HOTSPOTS) * RECOMBINATION * HOTSPOT_EVERY / (HOTSPOT_EVERY - HOTSPOT_WIDTH)
    hot = IN_HOTSPOTS * RECOMBINATION * HOTSPOT_EVERY / HOTSPOT_WIDTH
    return msprime.RateMap(
        position=np.array([0, *edges, length]), rate=np.array([*[cold, hot] * len(starts), cold])
    )
