"""Packed genotypes against plain arrays of dosages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.statistics import genotypes as module
from gendmr.statistics.association import impute, score_test
from gendmr.statistics.genotypes import PackedGenotypes
from made_up_genotypes import draw_genotypes

sizes = given(people=st.integers(1, 40), snps=st.integers(0, 30), seed=st.integers(0, 999))


def damaged(people: int, snps: int, seed: int) -> np.ndarray:
    """Return genotypes, some of them missing; one SNP constant, one missing in everybody."""
    dosage = draw_genotypes(people, snps, seed, missing=0.1)
    dosage[:, :1] = 1
    dosage[:, 1:2] = -1
    return dosage


def same(first: PackedGenotypes, second: PackedGenotypes) -> bool:
    if first.absent is None or second.absent is None:
        return first.absent is second.absent and np.array_equal(first.codes, second.codes)
    return np.array_equal(first.codes, second.codes) and np.array_equal(first.absent, second.absent)


@settings(max_examples=20, deadline=None)
@sizes
def test_rows_dosages_and_counts_are_those_that_were_packed(
    people: int, snps: int, seed: int
) -> None:
    dosage, random = damaged(people, snps, seed), np.random.default_rng(seed)
    packed = PackedGenotypes.pack(dosage)
    assert len(packed) == snps and packed.codes.shape == (snps, -(-people // 4))
    columns = random.permutation(snps)[: snps // 2 + 1]
    np.testing.assert_array_equal(packed.rows(columns), dosage.T[columns])
    np.testing.assert_array_equal(packed.rows(slice(1, 3)), dosage.T[1:3])
    np.testing.assert_array_equal(packed.dosage(columns), dosage[:, columns])
    who = random.uniform(size=people) < 0.5
    counts = [[int((dosage[who, snp] == copies).sum()) for copies in range(3)] for snp in columns]
    assert packed.counts(columns, who).tolist() == counts
    missing = [[snp, person] for snp in range(snps) for person in range(people)
               if dosage[person, snp] < 0]  # fmt: skip
    assert packed.absent is not None and packed.absent.tolist() == missing


@settings(max_examples=20, deadline=None)
@sizes
def test_collecting_blocks_is_packing_the_whole(people: int, snps: int, seed: int) -> None:
    dosage, random = damaged(people, snps, seed), np.random.default_rng(seed)
    edges = np.sort(random.integers(0, snps + 1, 3))  # blocks may be empty
    blocks = np.split(dosage, edges, axis=1)
    assert same(PackedGenotypes.collect(iter(blocks), people), PackedGenotypes.pack(dosage))
    assert len(PackedGenotypes.collect((), people)) == 0


@settings(max_examples=20, deadline=None)
@sizes
def test_the_test_of_packed_genotypes_is_the_plain_one(people: int, snps: int, seed: int) -> None:
    dosage, random = damaged(people, snps, seed), np.random.default_rng(seed)
    packed = PackedGenotypes.pack(dosage)
    phenotypes = random.normal(size=(people, 3))
    covariates = random.normal(size=(people, int(random.integers(0, 4))))
    expected, _ = score_test(dosage, phenotypes, covariates)
    statistics = packed.associate(phenotypes, covariates)
    assert statistics.dtype == np.float32
    # Rounding of few people, whose covariates explain a SNP all but wholly, is not told apart.
    wide = people > covariates.shape[1] + 3
    if wide:
        np.testing.assert_allclose(statistics, expected, rtol=1e-3, atol=5e-3)
    assert (statistics[:2] == 0).all() and np.isfinite(statistics).all()


def test_missing_genotypes_are_decoded_as_the_mean() -> None:
    dosage = damaged(31, 20, 4)
    decoded = PackedGenotypes.pack(dosage).decode(0, 20).T + 1
    called = (dosage >= 0).any(axis=0)
    np.testing.assert_allclose(decoded[:, called], impute(dosage)[:, called], atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 3, 4096])
@pytest.mark.parametrize("most", [0, 5, 10_000])
def test_neither_chunks_nor_how_missing_ones_are_kept_change_anything(
    monkeypatch: pytest.MonkeyPatch, chunk: int, most: int
) -> None:
    """Where too many are missing to be listed, they are looked for in every block."""
    dosage = damaged(30, 25, 2)
    phenotypes = np.random.default_rng(0).normal(size=(30, 2))
    covariates = np.random.default_rng(1).normal(size=(30, 2))
    plain = PackedGenotypes.pack(dosage)
    z = plain.associate(phenotypes, covariates)
    monkeypatch.setattr(module, "CHUNK", chunk)
    monkeypatch.setattr(module, "MOST_LISTED", most)
    packed = PackedGenotypes.pack(dosage)
    assert (packed.absent is None) == (most < int((dosage < 0).sum()))
    np.testing.assert_array_equal(packed.codes, plain.codes)
    np.testing.assert_array_equal(packed.dosage(np.arange(25)), dosage)
    np.testing.assert_array_equal(packed.decode(3, 9), plain.decode(3, 9))
    np.testing.assert_allclose(packed.associate(phenotypes, covariates), z, atol=1e-5)
