"""Typed SNPs of simulated people: what an array would type on haplotypes of the coalescent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from gendmr.seeds import derive, generator
from gendmr.simulate.coalescent import RECOMBINATION, Ancestry, simulate_ancestry
from gendmr.simulate.reference import CHROMOSOME_LENGTHS

GENE_WINDOW = 120_000  # bp: longer genes are typed in one interval of this length
FLANK = 10_000  # bp typed on either side of a gene
SEGMENT, SPACING = 50, 40_000  # unlinked SNPs: so many to a segment, so many bp apart
X_SNPS, X_SPACING = 1_000, 120_000  # so many that a woman's inbreeding coefficient is 0 +- 0.04
SPARSE = 4e-9  # mutation rate between genes: one common SNP per bin is all that is kept
NON_PAR = (2_800_000, 154_800_000)  # between the two pseudo-autosomal regions of X, GRCh37
FROM, UNTIL = 20_000_000, 3_000_000  # bp kept free at both ends: short arms, telomeres
CLEAR = 100_000  # bp without background SNPs around a gene of the table
COMMON, UNCOMMON = 0.05, 0.01  # minor allele frequencies
UNCOMMON_SHARE = 0.1  # of the typed SNPs, as on arrays
RARE_EVERY = 8  # one variant below UNCOMMON for so many genes: arrays carry some


class _Gene(NamedTuple):
    symbol: str
    chromosome: str
    start: int
    end: int


class _Window(NamedTuple):
    """What is typed of a gene, bp, 0-based and half-open."""

    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length


@dataclass(frozen=True)
class SnpPanel:
    """Typed variants of a pool of people.

    Attributes
    ----------
    variants : pandas.DataFrame
        `snp`, `chromosome` (1 to 22, X), `position` (bp, 1-based, GRCh37), `gene` (empty between
        genes), `inside` (in the gene's body), `rare`; sorted by chromosome and position.
    haplotypes : ndarray of int8, shape (variants, people, 2)
        Derived alleles. On X the second haplotype of a man is to be ignored.
    """

    variants: pd.DataFrame
    haplotypes: np.ndarray


def simulate_panel(
    genes: pd.DataFrame,
    people: tuple[int, int],
    *,
    snps_per_gene: int,
    background_snps: int,
    x_chromosome: bool = True,
    linked: bool = False,
    seed: int,
) -> SnpPanel:
    """Simulate the typed variants of a pool of people.

    Parameters
    ----------
    genes : pandas.DataFrame
        As `reference.read_genes` returns.
    people : tuple of two int
        People of population A and B, in this order in the result.
    snps_per_gene, background_snps : int
        Mean number of SNPs per gene; number of unlinked SNPs between genes.
    x_chromosome : bool
        Simulate X too.
    linked : bool
        The genes of a chromosome have one ancestry, with hotspots of recombination, so that
        linkage crosses from gene to gene: for genes that stand close together.
    seed : int
        Each gene has its own stream, so that a gene is the same however many others there are,
        unless they are linked.
    """
    pieces = [
        *_gene_pieces(genes, people, snps_per_gene, linked, seed),
        *_background_pieces(genes, people, background_snps, seed),
        *(_x_pieces(people, seed) if x_chromosome else ()),
    ]
    variants = pd.concat([piece.variants for piece in pieces], ignore_index=True)
    haplotypes = np.concatenate([piece.haplotypes for piece in pieces])
    chromosomes = list(CHROMOSOME_LENGTHS)
    order = variants["chromosome"].map(chromosomes.index).astype("int64")
    sequence = np.lexsort((variants["position"], order))
    variants = variants.iloc[sequence].reset_index(drop=True)
    haplotypes = haplotypes[sequence]
    is_first = ~variants.duplicated(["chromosome", "position"]).to_numpy()
    variants, haplotypes = variants[is_first].reset_index(drop=True), haplotypes[is_first]
    variants.insert(
        0, "snp", "sim" + variants["chromosome"] + "_" + variants["position"].astype(str)
    )
    return SnpPanel(variants, haplotypes)


def _listed(genes: pd.DataFrame) -> list[_Gene]:
    columns = (genes[name].tolist() for name in _Gene._fields)
    return [_Gene(*row) for row in zip(*columns, strict=True)]


def _gene_pieces(
    genes: pd.DataFrame, people: tuple[int, int], snps: int, linked: bool, seed: int
) -> Iterator[SnpPanel]:
    listed = _listed(genes)
    streams = [generator(seed, "simulate", "gene", gene.symbol) for gene in listed]
    windows = [_window(gene, random) for gene, random in zip(listed, streams, strict=True)]
    ancestries = (
        _shared_ancestries(listed, windows, people, seed)
        if linked
        else _own_ancestries(listed, windows, people, seed)
    )
    # Linked genes come by chromosome, and each has the stream that it would have alone.
    for number, ancestry in ancestries:
        yield _typed_gene(
            listed[number],
            windows[number],
            ancestry,
            snps,
            streams[number],
            with_rare=number % RARE_EVERY == 0,
        )


def _window(gene: _Gene, random: np.random.Generator) -> _Window:
    """Return what is typed of a gene: all of it, or a stretch of a long one, and both flanks."""
    length = min((gene.end - gene.start) + 1, GENE_WINDOW)
    inner = gene.start + int(random.integers(0, (gene.end - gene.start) + 2 - length))
    return _Window(max(1, inner - FLANK), length + 2 * FLANK)


def _own_ancestries(
    listed: list[_Gene], windows: list[_Window], people: tuple[int, int], seed: int
) -> Iterator[tuple[int, Ancestry]]:
    """Yield the number of each gene and an ancestry of its own."""
    for number, (gene, window) in enumerate(zip(listed, windows, strict=True)):
        yield (
            number,
            simulate_ancestry(
                people, window.length, derive(seed, "simulate", "coalescent", gene.symbol)
            ),
        )


def _shared_ancestries(
    listed: list[_Gene], windows: list[_Window], people: tuple[int, int], seed: int
) -> Iterator[tuple[int, Ancestry]]:
    """Yield the number of each gene and its stretch of the ancestry of its chromosome."""
    for chromosome in dict.fromkeys(gene.chromosome for gene in listed):
        numbers = [number for number, gene in enumerate(listed) if gene.chromosome == chromosome]
        start = min(windows[number].start for number in numbers)
        length = max(windows[number].end for number in numbers) - start
        whole = simulate_ancestry(
            people,
            length,
            derive(seed, "simulate", "coalescent", "chromosome", chromosome),
            hotspots=generator(seed, "simulate", "hotspots", chromosome),
        )
        for number in numbers:
            offset = windows[number].start - start
            inside = (whole.positions >= offset) & (
                whole.positions < offset + windows[number].length
            )
            yield (
                number,
                Ancestry(
                    whole.frequency[inside], whole.sites[inside], whole.positions[inside] - offset
                ),
            )


def _typed_gene(
    gene: _Gene,
    window: _Window,
    ancestry: Ancestry,
    snps: int,
    random: np.random.Generator,
    *,
    with_rare: bool,
) -> SnpPanel:
    """Return the typed variants of a gene."""
    frequency, sites, positions = ancestry
    n_sites = max(3, int(random.poisson(snps)))
    selected = _typed(frequency, positions, n_sites, window.length / (3 * n_sites), random)
    rare = np.flatnonzero((frequency > 0) & (frequency < UNCOMMON))
    if with_rare and len(rare):
        selected = np.append(selected, random.choice(rare))
    where = window.start + positions[selected]
    return SnpPanel(
        pd.DataFrame(
            {
                "chromosome": gene.chromosome,
                "position": where,
                "gene": gene.symbol,
                "inside": (where >= gene.start) & (where <= gene.end),
                "rare": frequency[selected] < UNCOMMON,
            }
        ),
        sites[selected],
    )


def _background_pieces(
    genes: pd.DataFrame, people: tuple[int, int], snps: int, seed: int
) -> Iterator[SnpPanel]:
    random = generator(seed, "simulate", "background")
    autosomes = [name for name in CHROMOSOME_LENGTHS if name != "X"]
    lengths = np.array([CHROMOSOME_LENGTHS[name] for name in autosomes], dtype=float)
    for segment, first in enumerate(range(0, snps, SEGMENT)):
        size = SEGMENT * SPACING
        name = autosomes[random.choice(len(autosomes), p=lengths / lengths.sum())]
        start = int(random.integers(FROM, CHROMOSOME_LENGTHS[name] - UNTIL - size))
        frequency, sites, positions = simulate_ancestry(
            people,
            size,
            derive(seed, "simulate", "coalescent", "background", segment),
            mutation=SPARSE,
        )
        n_sites = min(SEGMENT, snps - first)
        selected = _one_per_bin(frequency, positions, n_sites, SPACING, random, least=0.15)
        where = start + positions[selected]
        near = genes[genes["chromosome"] == name]
        clear = np.ones(len(where), dtype=bool)
        for gene in _listed(near):
            clear &= (where < gene.start - CLEAR) | (where > gene.end + CLEAR)
        yield _between(name, where[clear], sites[selected][clear])


def _x_pieces(people: tuple[int, int], seed: int) -> Iterator[SnpPanel]:
    random = generator(seed, "simulate", "x")
    segments = X_SNPS // SEGMENT
    starts = np.linspace(*NON_PAR, segments, endpoint=False).astype(int)
    for segment, start in enumerate(starts):
        frequency, sites, positions = simulate_ancestry(
            people,
            SEGMENT * X_SPACING,
            derive(seed, "simulate", "coalescent", "x", segment),
            mutation=SPARSE,
            scale=0.75,
        )
        selected = _one_per_bin(frequency, positions, SEGMENT, X_SPACING, random, least=0.2)
        yield _between("X", start + positions[selected], sites[selected])


def _between(chromosome: str, positions: np.ndarray, sites: np.ndarray) -> SnpPanel:
    return SnpPanel(
        pd.DataFrame(
            {
                "chromosome": chromosome,
                "position": positions,
                "gene": "",
                "inside": False,
                "rare": False,
            }
        ),
        sites,
    )


def _typed(
    frequency: np.ndarray,
    positions: np.ndarray,
    n_sites: int,
    apart: float,
    random: np.random.Generator,
) -> np.ndarray:
    """Choose sites as an array does: common ones, some uncommon, spread out."""
    common = random.permutation(np.flatnonzero(frequency >= COMMON))
    uncommon = random.permutation(np.flatnonzero((frequency >= UNCOMMON) & (frequency < COMMON)))
    n_uncommon = int(random.binomial(n_sites, UNCOMMON_SHARE))
    selected: list[int] = []
    for group, enough in ((common, n_sites - n_uncommon), (uncommon, n_sites)):
        for site in group:
            if len(selected) >= enough:
                break
            if all(abs(positions[site] - positions[earlier]) >= apart for earlier in selected):
                selected.append(int(site))
    return np.sort(np.array(selected, dtype=np.int64))


def _one_per_bin(
    frequency: np.ndarray,
    positions: np.ndarray,
    n_sites: int,
    spacing: int,
    random: np.random.Generator,
    *,
    least: float,
) -> np.ndarray:
    """Choose one common site in the middle half of each bin of `spacing` bp."""
    common = np.flatnonzero(frequency >= least)
    bins = positions[common] // spacing
    middle = np.abs(positions[common] % spacing - spacing // 2) < spacing // 4
    selected = []
    for number in range(n_sites):
        inside = common[(bins == number) & middle]
        if len(inside):
            selected.append(int(random.choice(inside)))
    return np.array(selected, dtype=np.int64)


def make_offspring(
    variants: pd.DataFrame,
    mother: np.ndarray,
    father: np.ndarray,
    boy: bool,
    random: np.random.Generator,
) -> np.ndarray:
    """Return a child's haplotypes by gene dropping, crossovers by Haldane's map function.

    Parameters
    ----------
    variants : pandas.DataFrame
        `chromosome` and `position`, sorted.
    mother, father : ndarray, shape (variants, 2)
    boy : bool
        A boy gets no X of his father; his second haplotype there repeats the first.
    random : numpy.random.Generator

    Returns
    -------
    ndarray, shape (variants, 2)
        From the mother, from the father.
    """
    chromosome = variants["chromosome"].to_numpy()
    position = variants["position"].to_numpy(dtype=np.int64)
    starts_chromosome = np.r_[True, chromosome[1:] != chromosome[:-1]]
    distance = np.r_[0, np.diff(position)]
    crossing = np.where(
        starts_chromosome, 0.5, (1 - np.exp(-2 * RECOMBINATION * np.abs(distance))) / 2
    )
    on_x = chromosome == "X"

    def gamete(parent: np.ndarray) -> np.ndarray:
        strand = np.cumsum(random.random(len(starts_chromosome)) < crossing) % 2
        return np.asarray(parent[np.arange(len(starts_chromosome)), strand])

    from_mother = gamete(mother)
    from_father = np.where(on_x, father[:, 0], gamete(father))
    if boy:
        from_father = np.where(on_x, from_mother, from_father)
    return np.stack([from_mother, from_father], axis=1)
