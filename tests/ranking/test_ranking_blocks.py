"""Genes in linkage disequilibrium are one block; a slow twin agrees."""

from __future__ import annotations

import numpy as np
import pytest

from gendmr.ranking import blocks
from gendmr.statistics.association import impute


def by_pairs(dosage, chromosome, position, genes, r2, window_bp):
    """Slow twin: every pair of SNPs of every pair of genes; returns the set of blocks."""
    values = impute(dosage)
    joined = {name: {name} for name in genes}

    def linked(first, second):
        if first == second:
            return True
        if chromosome[first] != chromosome[second]:
            return False
        if abs(int(position[first]) - int(position[second])) > window_bp:
            return False
        x, y = values[:, first], values[:, second]
        if x.std() == 0 or y.std() == 0:
            return False
        return np.corrcoef(x, y)[0, 1] ** 2 >= r2

    for a in genes:
        for b in genes:
            if any(linked(snp, candidate) for snp in genes[a] for candidate in genes[b]):
                together = joined[a] | joined[b]
                for name in together:
                    joined[name] = together
    return {frozenset(group) for group in joined.values()}


def ld_blocks(dosage, *arguments):
    """Give genotypes some SNPs at a time, as a file does."""
    return blocks.ld_blocks(lambda columns: dosage[:, columns], *arguments)


def groups(block_of):
    members = {}
    for gene, block in block_of.items():
        members.setdefault(block, set()).add(gene)
    return {frozenset(group) for group in members.values()}


def haplotypes(rng, people, snps, keep):
    """Genotypes whose neighbours share a latent Gaussian, 3 % missing, one SNP that is constant."""
    dosage = np.zeros((people, snps), dtype=np.int8)
    for _ in range(2):
        latent = rng.normal(size=(people, snps))
        for column in range(1, snps):
            step = np.sqrt(1 - keep[column] ** 2)
            latent[:, column] = keep[column] * latent[:, column - 1] + step * latent[:, column]
        dosage += (latent < rng.normal(size=snps) * 0.5).astype(np.int8)
    dosage[rng.random(dosage.shape) < 0.03] = -1
    dosage[:, snps // 2] = 1
    return dosage


@pytest.mark.parametrize("seed", range(6))
def test_blocks_are_those_of_the_slow_twin(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    snps = 90
    dosage = haplotypes(rng, 150, snps, rng.choice([0.0, 0.9, 0.97], snps, p=[0.3, 0.4, 0.3]))
    chromosome = np.sort(rng.choice(["1", "2", "X"], snps))
    position = rng.permutation(rng.integers(1, 400_000, snps))
    genes = {f"G{i:02d}": sorted(rng.choice(snps, rng.integers(1, 4), False)) for i in range(25)}
    # Chunks shorter than a window: pairs lie across their borders.
    monkeypatch.setattr(blocks, "CHUNK", int(rng.integers(1, 20)))
    arguments = (dosage, chromosome, position, genes, 0.3, 60_000)
    block_of = groups(ld_blocks(*arguments))
    assert block_of == by_pairs(*arguments)
    assert 1 < len(block_of) < len(genes)


@pytest.fixture
def five():
    """Five SNPs of chromosome 19 and one of 2: 0 and 1 are copies, 3 is 1 turned round."""
    rng = np.random.default_rng(1)
    dosage = rng.integers(0, 3, (200, 6)).astype(np.int8)
    dosage[:, 1] = dosage[:, 0]
    dosage[:, 3] = 2 - dosage[:, 1]
    position = np.array([1_000_000, 1_010_000, 1_020_000, 1_600_000, 1_605_000, 1_000_000])
    return dosage, np.array(["19"] * 5 + ["2"]), position


def test_copies_within_the_window_join_and_beyond_it_do_not(five):
    genes = {"A": [0], "B": [1, 2], "C": [3], "D": [5]}
    near = ld_blocks(*five, genes, 0.99, 500_000)
    assert groups(near) == {frozenset("AB"), frozenset("C"), frozenset("D")}
    far = ld_blocks(*five, genes, 0.99, 600_000)
    assert groups(far) == {frozenset("ABC"), frozenset("D")}


def test_copies_on_another_chromosome_do_not_join(five):
    dosage, chromosome, position = five
    dosage[:, 5] = dosage[:, 0]
    block_of = ld_blocks(dosage, chromosome, position, {"A": [0], "D": [5]}, 0.5, 10**9)
    assert len(set(block_of.values())) == 2


def test_copies_are_copies_at_r2_of_one(five):
    block_of = ld_blocks(*five, {"A": [0], "B": [1]}, 1.0, 500_000)
    assert block_of["A"] == block_of["B"]


def test_a_shared_snp_joins_whatever_the_correlation(five):
    block_of = ld_blocks(*five, {"A": [2], "B": [2, 4]}, 1.0, 0)
    assert block_of == {"A": "19:1.02-1.60Mb", "B": "19:1.02-1.60Mb"}


def test_names_tell_place_and_do_not_depend_on_order(five):
    genes = {"B": [1, 2], "A": [0], "C": [3, 4]}
    block_of = ld_blocks(*five, genes, 0.99, 100_000)
    assert block_of == {"B": "19:1.00-1.02Mb", "A": "19:1.00-1.02Mb", "C": "19:1.60-1.60Mb"}
    reversed_blocks = ld_blocks(*five, dict(reversed(genes.items())), 0.99, 100_000)
    assert list(reversed_blocks) == ["C", "A", "B"]
    assert reversed_blocks == block_of


def test_blocks_of_the_same_span_get_different_names(five):
    dosage, chromosome, position = five
    position[1:3] = [1_000_100, 1_000_200]
    block_of = ld_blocks(dosage, chromosome, position, {"Z": [0], "B": [1], "C": [2]}, 0.99, 10_000)
    assert block_of == {
        "Z": "19:1.00-1.00Mb (B)",
        "B": "19:1.00-1.00Mb (B)",
        "C": "19:1.00-1.00Mb (C)",
    }


def test_a_gene_without_snps_is_a_block_of_its_own(five):
    block_of = ld_blocks(*five, {"A": [0], "NONE": []}, 0.3, 500_000)
    assert block_of == {"A": "19:1.00-1.00Mb", "NONE": "NONE"}
    assert ld_blocks(*five, {}, 0.3, 500_000) == {}


def test_missing_everywhere_joins_nothing(five):
    dosage, chromosome, position = five
    dosage[:, :2] = -1
    block_of = ld_blocks(dosage, chromosome, position, {"A": [0], "B": [1]}, 0.1, 500_000)
    assert len(set(block_of.values())) == 2


def test_ld_blocks__asks_for_neighbours_only():
    rng = np.random.default_rng(0)
    snps = 20_000
    dosage = rng.integers(0, 3, (200, snps)).astype(np.int8)
    genes = {f"G{i}": range(i * 10, i * 10 + 10) for i in range(snps // 10)}
    block_sizes = []

    def dosage_of(columns):
        block_sizes.append(len(columns))
        return dosage[:, columns]

    position = np.arange(snps) * 5_000
    chromosome = np.full(snps, "1", dtype=object)
    joined = blocks.ld_blocks(dosage_of, chromosome, position, genes, 0.3, 500_000)
    assert len(set(joined.values())) == len(genes)
    # A window holds 100 SNPs: all pairs would be 2e8 products of 200 people.
    assert max(block_sizes) <= blocks.CHUNK + 100
    assert sum(block_sizes) <= 1.25 * snps
