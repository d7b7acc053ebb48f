"""The exact test of Hardy-Weinberg equilibrium against whole numbers."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.statistics import hardy_weinberg
from gendmr.statistics.hardy_weinberg import genotype_counts, hardy_weinberg_test


def slow_hwe(homozygous: int, het: int, other: int) -> float:
    """Enumerate all tables with these allele counts, in whole numbers."""
    n = homozygous + het + other
    rare = 2 * homozygous + het
    weight = {}
    for count in range(rare % 2, rare + 1, 2):
        low, high = (rare - count) // 2, n - count - (rare - count) // 2
        if high >= 0:
            weight[count] = comb(n, low) * comb(n - low, count) * 2**count
    total = sum(weight.values())
    return sum(value for value in weight.values() if value <= weight[het]) / total


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12)))
def test_hwe_is_exact(counts: tuple[int, int, int]) -> None:
    column = np.repeat([2, 1, 0], counts)
    if column.size:
        dosage = column[:, None].astype(np.int8)
        assert hardy_weinberg_test(genotype_counts(dosage))[0] == pytest.approx(
            slow_hwe(*counts), rel=1e-6
        )


def test_hwe_of_nobody_is_one() -> None:
    nobody = genotype_counts(np.full((3, 2), -1, dtype=np.int8))
    assert nobody.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert hardy_weinberg_test(nobody).tolist() == [1.0, 1.0]
    assert hardy_weinberg_test(np.zeros((0, 3), dtype=np.int64)).shape == (0,)


@pytest.mark.parametrize("cells", [1, 7, 900, 1 << 21])
def test_blocks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    """A block is at least one SNP; SNPs with the same counts are told once."""
    random = np.random.default_rng(0)
    counts = random.multinomial(40, [0.3, 0.4, 0.3], 200)
    counts[::7] = counts[0]
    expected = [slow_hwe(*row) for row in counts.tolist()]
    monkeypatch.setattr(hardy_weinberg, "CELLS", cells)
    np.testing.assert_allclose(hardy_weinberg_test(counts), expected, rtol=1e-6)


def test_counts_are_of_those_who_are_called() -> None:
    dosage = np.array([[0, 2, -1], [1, 2, -1], [2, -1, 0], [1, 2, 0]], dtype=np.int8)
    assert genotype_counts(dosage).tolist() == [[1, 2, 1], [0, 0, 3], [2, 0, 0]]
