"""Pruning by linkage disequilibrium against a slow loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.statistics.linkage import BLOCK, Linkage, prune
from made_up_genotypes import draw_genotypes


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), r2=st.sampled_from([0.05, 0.2, 0.8]))
def test_pruning_keeps_what_the_slow_loop_keeps(seed: int, r2: float) -> None:
    random = np.random.default_rng(seed)
    dosage = draw_genotypes(60, 12, seed)
    dosage[:, 3], dosage[:, 9] = dosage[:, 1], dosage[:, 8]
    chromosome = random.choice(["1", "10", "2"], 12)
    position = random.integers(1, 3_000_000, 12)
    priority = random.permutation(12)
    remaining: list[int] = []
    for column in np.argsort(priority):
        if all(
            chromosome[column] != chromosome[neighbour]
            or abs(position[column] - position[neighbour]) > 1_000_000
            or np.corrcoef(dosage[:, column], dosage[:, neighbour])[0, 1] ** 2 <= r2
            for neighbour in remaining
        ):
            remaining.append(int(column))
    assert prune(dosage, chromosome, position, priority, r2).tolist() == remaining
    assert prune(dosage, chromosome, position, priority, r2, stop_after=2).tolist() == remaining[:2]


def slow_prune(
    filled: np.ndarray, chromosome: np.ndarray, position: np.ndarray, order: np.ndarray, r2: float
) -> list[int]:
    remaining: list[int] = []
    for index, column in enumerate(order):
        if all(
            chromosome[column] != chromosome[order[neighbour]]
            or abs(position[column] - position[order[neighbour]]) > 1_000_000
            or np.corrcoef(filled[:, column], filled[:, order[neighbour]])[0, 1] ** 2 <= r2
            for neighbour in remaining
        ):
            remaining.append(index)
    return remaining


@pytest.mark.parametrize("snps", [1, BLOCK - 1, BLOCK, BLOCK + 1])
def test_linkage_found_once_serves_every_order(snps: int) -> None:
    random = np.random.default_rng(snps)
    dosage = draw_genotypes(50, snps, snps, missing=0.05)
    copies = random.integers(0, snps, snps // 2)
    dosage[:, random.integers(0, snps, snps // 2)] = dosage[:, copies]
    chromosome = random.choice(["1", "2"], snps)
    position = random.integers(1, 8_000_000, snps)
    filled = np.where(dosage < 0, np.nan, dosage.astype(float))
    filled = np.where(np.isnan(filled), np.nanmean(filled, axis=0), filled)
    by_snp = np.ascontiguousarray(dosage.T)
    linkage = Linkage(lambda columns: by_snp[columns], chromosome, position, 0.3)
    for size in (snps, snps // 2 + 1, snps):
        order = random.permutation(snps)[:size]
        expected = slow_prune(filled, chromosome, position, order, 0.3)
        assert linkage.prune(order).tolist() == expected
        assert linkage.prune(order, 3).tolist() == expected[:3]


def test_neighbours_are_looked_at_only_when_they_are_needed() -> None:
    snps = 3 * BLOCK
    dosage = draw_genotypes(50, snps, 1)
    columns_read: list[int] = []

    def rows(columns: np.ndarray) -> np.ndarray:
        columns_read.extend(columns.tolist())
        return np.ascontiguousarray(dosage.T[columns])

    linkage = Linkage(rows, np.full(snps, "1"), np.arange(snps) * 100_000, 0.3)
    linkage.prune(np.arange(5))
    # SNPs of the first block, and those within 1 Mb of them.
    assert set(columns_read) == set(range(BLOCK + 10))
    before = len(columns_read)
    linkage.prune(np.arange(BLOCK))
    assert len(columns_read) == before
    assert Linkage(rows, np.full(snps, "1"), np.arange(snps), 1.0).prune(np.arange(9)).size == 9
    assert len(columns_read) == before  # with a limit of 1, none is in LD
