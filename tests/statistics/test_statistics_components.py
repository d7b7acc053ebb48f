"""Ancestry components: two populations, newcomers, and both ways to compute them."""

from __future__ import annotations

import numpy as np
import pytest

from gendmr.statistics import components as module
from gendmr.statistics.association import mean_dosage
from gendmr.statistics.components import Components
from made_up_genotypes import draw_genotypes


def fit(dosage: np.ndarray, *, apart: int = 2_000_000, **options: float) -> Components:
    """Fit on everybody; SNPs lie `apart` from each other."""
    people, snps = dosage.shape
    return Components.fit(
        mean_dosage(dosage),
        lambda columns: dosage[:, columns],
        people,
        np.full(snps, "1"),
        np.arange(snps) * apart + 1,
        **({"count": 2, "r2": 0.5, "variants": 1000} | options),  # type: ignore[arg-type]
    )


def scores(fitted: Components, dosage: np.ndarray) -> np.ndarray:
    return fitted.apply(dosage[:, fitted.columns])


def two_populations(people: int, snps: int, missing: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    first, second = random.uniform(0.1, 0.9, (2, snps))
    group = np.arange(people) % 2
    dosage = random.binomial(2, np.where(group[:, None] == 1, first, second)).astype(np.int8)
    dosage[random.uniform(size=dosage.shape) < missing] = -1
    return dosage, group


def test_components_find_two_populations_and_project_newcomers() -> None:
    dosage, group = two_populations(80, 300)
    fitted = fit(dosage[:60])
    newcomers = scores(fitted, dosage[60:])[:, 0]
    assert abs(np.corrcoef(newcomers, group[60:])[0, 1]) > 0.95
    assert scores(fitted, dosage[:60]).std(axis=0) == pytest.approx([1, 1], rel=0.05)


def test_scores_are_principal_components_of_scaled_genotypes() -> None:
    dosage, _ = two_populations(60, 150, missing=0.05)
    fitted = fit(dosage, count=3, r2=1.0)
    frequency = fitted.mean / 2
    assert (np.minimum(frequency, 1 - frequency) >= 0.05).all()
    selected = dosage[:, fitted.columns]
    values = (selected - fitted.mean) / np.sqrt(2 * frequency * (1 - frequency))
    values[selected < 0] = 0
    left_vectors, _, _ = np.linalg.svd(values, full_matrices=False)
    projected = scores(fitted, dosage)
    for component in range(3):
        agreement = np.corrcoef(projected[:, component], left_vectors[:, component])[0, 1]
        assert abs(agreement) == pytest.approx(1, abs=1e-9)


def test_many_people_get_the_components_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of people, only the leading eigenvectors are looked for."""
    dosage, _ = two_populations(120, 400, missing=0.02)
    exact = fit(dosage, count=3)
    monkeypatch.setattr(module, "MOST_FOR_GRAM", 119)
    quick = fit(dosage, count=3)
    assert quick.loadings.dtype == np.float64
    np.testing.assert_array_equal(quick.columns, exact.columns)
    for component in range(3):
        reference, approximated = exact.loadings[:, component], quick.loadings[:, component]
        # The largest loading is positive, but which one that is may be a matter of rounding.
        sign = np.sign(reference @ approximated)
        np.testing.assert_allclose(
            sign * approximated, reference, atol=2e-3 * np.abs(reference).max()
        )
    again = fit(dosage, count=3)
    np.testing.assert_array_equal(again.loadings, quick.loadings)
    monkeypatch.setattr(module, "PEOPLE", 7)
    np.testing.assert_allclose(scores(quick, dosage), scores(again, dosage), rtol=1e-12)


def test_as_many_components_as_there_are() -> None:
    dosage, _ = two_populations(6, 40)
    assert fit(dosage, count=50, r2=1.0).loadings.shape[1] == 5
    repeated = np.repeat(dosage[:3], 2, axis=0)
    assert fit(repeated, count=50, r2=1.0).loadings.shape[1] == 2


@pytest.mark.parametrize(
    ("people", "snps", "count"), [(50, 100, 0), (2, 100, 2), (50, 1, 2), (50, 0, 2)]
)
def test_none_where_there_is_nothing_to_make_them_of(people: int, snps: int, count: int) -> None:
    dosage = draw_genotypes(people, snps, 3)
    fitted = fit(dosage, count=count)
    assert fitted.columns.size == 0
    assert scores(fitted, dosage).shape == (people, 0)


def test_variants_are_common_evenly_spread_and_not_in_ld() -> None:
    dosage = draw_genotypes(200, 600, 5)
    dosage[:, ::2] = 0
    dosage[:4, ::2] = 1  # a frequency of 1 %
    dosage[:, 3] = dosage[:, 1]
    fitted = fit(dosage, apart=100, r2=0.9)
    assert (fitted.columns % 2 == 1).all() and len(fitted.columns) == 299
    assert not {1, 3} <= set(fitted.columns.tolist())
    few = fit(dosage, apart=100, r2=0.9, variants=30)
    assert 25 <= len(few.columns) <= 30 and few.columns.max() - few.columns.min() > 550
