"""Frequencies, linkage disequilibrium, populations, inheritance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gendmr.simulate.haplotypes import CLEAR, NON_PAR, SnpPanel, make_offspring, simulate_panel
from gendmr.simulate.reference import read_genes, side_by_side


@pytest.fixture(scope="module")
def genes(tables: tuple[Path, Path]) -> pd.DataFrame:
    return read_genes(tables[0], 60, 12)


@pytest.fixture(scope="module")
def panel(genes: pd.DataFrame) -> SnpPanel:
    return simulate_panel(genes, (150, 100), snps_per_gene=12, background_snps=400, seed=3)


def test_positions_are_sorted_unique_and_where_they_should_be(
    panel: SnpPanel, genes: pd.DataFrame
) -> None:
    variants = panel.variants
    assert variants["snp"].is_unique
    for _, group in variants.groupby("chromosome"):
        assert (np.diff(group["position"]) > 0).all()
    x = variants.loc[variants["chromosome"] == "X", "position"]
    assert len(x) > 700
    assert x.between(*NON_PAR).all()
    by_gene = genes.set_index("symbol")
    typed = variants[variants["gene"] != ""]
    assert set(typed["gene"]) == set(genes["symbol"])
    body = by_gene.loc[typed["gene"]]
    inside = (typed["position"].to_numpy() >= body["start"].to_numpy()) & (
        typed["position"].to_numpy() <= body["end"].to_numpy()
    )
    assert (inside == typed["inside"].to_numpy()).all()
    assert 8 < typed.groupby("gene").size().mean() < 13
    for gene in genes.itertuples():
        near = variants[
            (variants["chromosome"] == gene.chromosome)
            & variants["position"].between(gene.start - CLEAR, gene.end + CLEAR)
        ]
        assert set(near["gene"]) <= {gene.symbol}


def test_frequencies_are_those_of_an_array(panel: SnpPanel) -> None:
    frequency = panel.haplotypes.mean(axis=(1, 2))
    minor = np.minimum(frequency, 1 - frequency)[~panel.variants["rare"].to_numpy()]
    assert minor.min() >= 0.01
    assert 0.85 < (minor >= 0.05).mean() < 0.99
    assert 0.15 < minor.mean() < 0.35
    # Ancestral alleles are commoner, but not always: derived frequencies span the whole range.
    assert 0.1 < (frequency > 0.5).mean() < 0.45
    rare = np.minimum(frequency, 1 - frequency)[panel.variants["rare"].to_numpy()]
    assert len(rare) >= 5
    assert rare.max() < 0.01


def test_linkage_decays_with_distance(panel: SnpPanel) -> None:
    near, far, apart = [], [], []
    variants = panel.variants
    common = (np.abs(panel.haplotypes.mean(axis=(1, 2)) - 0.5) < 0.4) & (variants["gene"] != "")
    one_population = panel.haplotypes[:, :150].reshape(len(variants), -1)
    for _, group in variants[common].groupby("gene"):
        squared = np.atleast_2d(np.corrcoef(one_population[group.index])) ** 2
        position = group["position"].to_numpy()
        distance = np.abs(position[:, None] - position)
        upper = np.triu(np.ones_like(distance, dtype=bool), 1)
        near += squared[upper & (distance < 5_000)].tolist()
        far += squared[upper & (distance > 50_000)].tolist()
    firsts = variants[common].groupby("gene").head(1).index
    squared = np.corrcoef(one_population[firsts]) ** 2
    apart = squared[np.triu(np.ones_like(squared, dtype=bool), 1)]
    assert np.nanmean(near) > 0.2
    assert np.nanmean(near) > 1.5 * np.nanmean(far)
    assert np.nanmean(apart) < 0.01  # 1/300 is what 300 haplotypes show by chance


def squared_correlations(panel: SnpPanel, least: float, most: float) -> np.ndarray:
    """Return r^2 between common SNPs of different genes of a chromosome, so many bp apart."""
    variants = panel.variants
    common = (np.abs(panel.haplotypes.mean(axis=(1, 2)) - 0.5) < 0.4) & (variants["gene"] != "")
    squares = []
    for _, group in variants[common].groupby("chromosome"):
        strands = panel.haplotypes[group.index].reshape(len(group), -1)
        distance = np.abs(np.subtract.outer(*[group["position"].to_numpy()] * 2))
        other_gene = group["gene"].to_numpy()[:, None] != group["gene"].to_numpy()
        wanted = np.triu(other_gene & (distance >= least) & (distance < most), 1)
        squares.append((np.atleast_2d(np.corrcoef(strands)) ** 2)[wanted])
    return np.concatenate(squares)


def test_linkage_crosses_linked_genes_and_ends(genes: pd.DataFrame) -> None:
    options: dict[str, Any] = {"snps_per_gene": 12, "background_snps": 50, "seed": 3}
    dense = side_by_side(genes, 20_000)
    linked = simulate_panel(dense, (150, 0), x_chromosome=False, linked=True, **options)
    assert linked.variants["snp"].is_unique
    assert set(linked.variants["gene"]) - {""} == set(genes["symbol"])
    near = squared_correlations(linked, 0, 40_000)
    assert near.mean() > 0.15 and (near > 0.5).mean() > 0.1
    assert squared_correlations(linked, 400_000, 5_000_000).mean() < 0.02
    # As close together, but each with an ancestry of its own.
    unlinked = simulate_panel(dense, (150, 0), x_chromosome=False, **options)
    assert squared_correlations(unlinked, 0, 40_000).mean() < 0.02


def test_two_populations_differ_mildly(panel: SnpPanel) -> None:
    first, second = panel.haplotypes[:, :150], panel.haplotypes[:, 150:]
    p, q = first.mean(axis=(1, 2)), second.mean(axis=(1, 2))
    # Hudson's estimator as ratio of averages (Bhatia et al. 2013).
    numerator = (
        (p - q) ** 2 - p * (1 - p) / (first[0].size - 1) - q * (1 - q) / (second[0].size - 1)
    )
    assert 0.007 < numerator.sum() / (p * (1 - q) + q * (1 - p)).sum() < 0.025


def test_a_gene_does_not_depend_on_the_others(panel: SnpPanel, genes: pd.DataFrame) -> None:
    alone = simulate_panel(
        genes[genes["symbol"] == "APOE"], (150, 100), snps_per_gene=12, background_snps=50, seed=3
    )
    in_panel = (panel.variants["gene"] == "APOE").to_numpy()
    in_alone = (alone.variants["gene"] == "APOE").to_numpy()
    assert (panel.haplotypes[in_panel] == alone.haplotypes[in_alone]).all()


@pytest.mark.parametrize("boy", [True, False])
def test_a_child_carries_one_haplotype_of_each_parent(boy: bool) -> None:
    size = 2_000
    variants = pd.DataFrame(
        {
            "chromosome": ["1"] * size + ["X"] * size,
            "position": np.tile(np.arange(1, size + 1) * 100_000, 2),
        }
    )
    # The parents' four strands are numbered: what the child carries tells where it came from.
    mother = np.tile([0, 1], (2 * size, 1))
    father = np.tile([2, 3], (2 * size, 1))
    child = make_offspring(variants, mother, father, boy, np.random.default_rng(1))
    autosome, x = child[:size], child[size:]
    assert set(autosome[:, 0]) == {0, 1}
    assert set(autosome[:, 1]) == {2, 3}
    crossings = (np.diff(autosome[:, 0]) != 0).sum()
    assert 0 < crossings < 10  # 2 Morgans: two are expected
    assert set(x[:, 0]) <= {0, 1}
    assert (x[:, 1] == (x[:, 0] if boy else 2)).all()
