"""Tissues by intensity and volumes of regions, on voxels and phantoms whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from gendmr.errors import ImageError
from gendmr.imaging import tissue
from gendmr.imaging.fusion import CarriedLabels
from gendmr.imaging.tissue import (
    CLEAR_GAIN,
    GREY_STARTS,
    LEVELS,
    STEPS,
    fit_region,
    fit_tissues,
)
from gendmr.imaging.volumes import reach_of_ventricles, region_volumes

MEANS = np.array([300.0, 1000.0, 1500.0])
NOISE = 50.0


def _voxels(shares, n=40_000, seed=1):
    """Intensities of n voxels of five classes, and the true share of fluid, grey and white."""
    rng = np.random.default_rng(seed)
    sizes = np.round(np.array(shares) * n).astype(int)
    pure = np.repeat(np.eye(3), sizes[:3], axis=0)
    mixed = []
    for low, size in enumerate(sizes[3:]):
        part = np.zeros((size, 3))
        part[:, low + 1] = rng.random(size)
        part[:, low] = 1 - part[:, low + 1]
        mixed.append(part)
    fractions = np.concatenate([pure, *mixed])
    values = fractions @ MEANS + rng.normal(0, NOISE, len(fractions))
    return np.maximum(values, 0), fractions


@given(
    fluid=st.floats(0.05, 0.25),
    white=st.floats(0.2, 0.35),
    mixed=st.floats(0.1, 0.3),
    unit=st.sampled_from([0.001, 1.0, 40.0]),
)
@settings(deadline=None, max_examples=10)
def test_fit_tissues__finds_volumes_in_any_unit(fluid, white, mixed, unit):
    values, fractions = _voxels([fluid, 1 - fluid - white - mixed, white, mixed / 2, mixed / 2])
    model = fit_tissues(values * unit)
    np.testing.assert_allclose(model.means / unit, MEANS, rtol=0.04)
    shares = model.fractions[model.level_of(values * unit)].mean(axis=0)
    np.testing.assert_allclose(shares, fractions.mean(axis=0), atol=0.015)


def test_tissue_model__shares_agree_with_a_slow_twin():
    model = fit_tissues(_voxels([0.1, 0.3, 0.3, 0.15, 0.15])[0])
    for level in range(0, LEVELS, 51):
        x = (level + 0.5) * model.top / LEVELS
        total, sums = 0.0, [0.0, 0.0, 0.0]
        for low in range(5):
            for step in range(STEPS if low > 2 else 1):
                share = [0.0, 0.0, 0.0]
                part = (step + 0.5) / STEPS
                if low > 2:
                    share[low - 3], share[low - 2] = 1 - part, part
                else:
                    share[low] = 1.0
                mean = sum(s * m for s, m in zip(share, model.means, strict=True))
                square = sum(s * d**2 for s, d in zip(share, model.spreads, strict=True))
                distance = min((x - mean) ** 2 / square, 200.0)
                weight = model.weights[low] / (STEPS if low > 2 else 1)
                density = weight * math.exp(-0.5 * distance) / math.sqrt(square)
                total += density
                sums = [a + density * s for a, s in zip(sums, share, strict=True)]
        assert model.fractions[level] == pytest.approx([s / total for s in sums], abs=1e-9)


@pytest.mark.parametrize("values", [np.full(5000, 700.0), np.arange(100.0), np.zeros(5000)])
def test_fit_tissues__refuses_what_has_no_three_tissues(values):
    with pytest.raises(ImageError, match="no three tissues"):
        fit_tissues(values)


def test_fit_region__a_bright_nucleus_is_grey_and_cortex_stays_as_it_is():
    rng = np.random.default_rng(3)
    model = fit_tissues(_voxels([0.1, 0.3, 0.3, 0.15, 0.15])[0])
    nucleus = np.concatenate([rng.normal(1270, NOISE, 3000), rng.normal(1500, NOISE, 1000)])
    counts = np.bincount(model.level_of(nucleus), minlength=LEVELS).astype(float)
    share = fit_region(model, counts).fractions[model.level_of(nucleus)].mean(axis=0)
    np.testing.assert_allclose(share, [0, 0.75, 0.25], atol=0.03)
    # By the brain's own classes a third of it would be white matter.
    assert model.fractions[model.level_of(nucleus)].mean(axis=0)[1] < 0.5
    cortex, fractions = _voxels([0.05, 0.4, 0.1, 0.25, 0.2], n=4000, seed=4)
    counts = np.bincount(model.level_of(cortex), minlength=LEVELS).astype(float)
    share = fit_region(model, counts).fractions[model.level_of(cortex)].mean(axis=0)
    np.testing.assert_allclose(share, fractions.mean(axis=0), atol=0.02)


@settings(max_examples=10, deadline=None)
@given(
    grey=st.floats(900, 1400),
    white=st.floats(0, 0.6),
    voxels=st.integers(5, 3000),
    seed=st.integers(0, 99),
)
def test_fit_region__starts_side_by_side_are_as_one_after_the_other(grey, white, voxels, seed):
    rng = np.random.default_rng(seed)
    model = fit_tissues(_voxels([0.1, 0.3, 0.3, 0.15, 0.15])[0])
    values = np.where(rng.random(voxels) < white, MEANS[2], grey) + rng.normal(0, NOISE, voxels)
    counts = np.bincount(model.level_of(values), minlength=LEVELS).astype(float)
    candidates = []
    with pytest.MonkeyPatch.context() as patch:
        for place in GREY_STARTS:
            patch.setattr(tissue, "GREY_STARTS", (place,))
            solution = fit_region(model, counts)
            fit = float(counts @ np.log(solution.evidence) / counts.sum()) - CLEAR_GAIN * (
                place > 0
            )
            candidates.append((fit, solution))
    best = max(candidates, key=lambda pair: pair[0])[1]
    region = fit_region(model, counts)
    for name in ("means", "spreads", "weights"):
        np.testing.assert_allclose(getattr(region, name), getattr(best, name), rtol=1e-9)


REGIONS = {"ventricle": 1, "nucleus": 2, "hippocampus": 3}
TISSUE_OF = ["csf", "grey", "grey"]


def _phantom(*, loss: float = 0.0):
    """White matter in a shell of cortex and fluid, with a ventricle and two nuclei."""
    rng = np.random.default_rng(6)
    shape = (72, 72, 72)
    place = np.indices(shape) - 35.5
    radius = np.sqrt((place**2).sum(axis=0))
    brain = radius < 34
    tissue = np.full(shape, 2)
    tissue[radius > 28] = 1
    tissue[radius > 31] = 0
    labels = np.zeros(shape, np.int32)
    labels[(np.abs(place[0]) < 6) & (np.abs(place[1]) < 12) & (np.abs(place[2]) < 5)] = 1
    centre = place - np.array([13, 0, 0])[:, None, None, None]
    labels[np.sqrt((centre**2).sum(axis=0)) < 6] = 2
    centre = place - np.array([0, 0, -16])[:, None, None, None]
    ball = np.sqrt((centre**2).sum(axis=0))
    labels[ball < 7] = 3
    tissue[labels == 1], tissue[labels > 1] = 0, 1
    # Of the hippocampus remains the inner part, the rest is fluid.
    tissue[(labels == 3) & (ball >= 7 * (1 - loss) ** (1 / 3))] = 0
    values = np.where(labels == 2, 1250.0, MEANS[tissue]) * brain
    image = ndimage.gaussian_filter(values, 0.6) + rng.normal(0, 30, shape)
    priors = np.stack([(tissue == k) & brain for k in range(3)]).astype(np.float32)
    truth = [float((tissue[labels == 1] == 0).sum())]
    truth += [float((tissue[labels == row] == 1).sum()) for row in (2, 3)]
    return np.maximum(image, 0).astype(np.float32) * brain, brain, labels, priors, truth


def _measured(image, brain, labels, priors):
    model = fit_tissues(image[brain])
    brightness = np.array([np.nan, 0.5, 0.0])
    deep = reach_of_ventricles(priors[0], brain, np.ones(3))
    volumes, fractions, _ = region_volumes(
        image, brain, CarriedLabels.of(labels), priors, deep, model, TISSUE_OF, brightness,
        np.ones(3), refined=True,
    )  # fmt: skip
    return volumes, fractions


@pytest.fixture(scope="module")
def whole():
    phantom = _phantom()
    return phantom, *_measured(*phantom[:4])


def test_region_volumes__of_a_phantom_are_the_true_ones(whole):
    (_, brain, _, priors, truth), volumes, fractions = whole
    np.testing.assert_allclose(volumes, truth, rtol=0.06)
    np.testing.assert_allclose(fractions.sum(axis=0)[brain], 1, atol=1e-4)
    assert fractions[:, ~brain].max() == 0
    np.testing.assert_allclose(fractions.sum(axis=(1, 2, 3)), priors.sum(axis=(1, 2, 3)), rtol=0.05)


def test_region_volumes__labels_that_are_off_by_a_voxel_change_little(whole):
    (image, brain, labels, priors, truth), *_ = whole
    shifted = np.roll(labels, (1, 1), axis=(0, 1))
    volumes, _ = _measured(image, brain, shifted, priors)
    np.testing.assert_allclose(volumes, truth, rtol=0.13)


def test_region_volumes__see_a_loss_that_the_labels_do_not(whole):
    (_, _, labels, priors, _), before, _ = whole
    image, brain, labels_after, _, truth = _phantom(loss=0.3)
    assert (labels_after == labels).all()
    after, _ = _measured(image, brain, labels, priors)
    change = after / before - 1
    lost = 1 - truth[2] / (labels == 3).sum()
    assert 0.3 < lost < 0.35
    # A film of fluid between two tissues is in part as bright as grey matter; it is told from it
    # only where ventricles may reach to, which is half of this structure.
    assert -lost - 0.02 < change[2] < -0.12
    assert abs(change[1]) < 0.02
    # Part of the new fluid lies next to the ventricle, which takes it for its own.
    assert 0 <= change[0] < 0.1


def test_region_volumes__a_region_outside_of_the_scan_measures_nothing(whole):
    (image, brain, labels, priors, _), volumes, _ = whole
    without = np.where(labels == 3, 0, labels)
    measured, _ = _measured(image, brain, without, priors)
    assert measured[2] == 0
    np.testing.assert_allclose(measured[:2], volumes[:2], rtol=0.02)


BALLS = ((10, -18, -8, 3.0), (-16, 12, 10, 4.0), (-14, -14, -10, 2.5))


@pytest.fixture(scope="module")
def with_lesions(whole):
    """The phantom with balls in its white matter that are as dark as grey matter, or halfway."""
    (image, brain, labels, priors, _), *_ = whole
    place = np.indices(image.shape) - 35.5
    changed, volume = image.copy(), 0.0
    for x, y, z, radius in BALLS:
        away = np.sqrt(((place - np.array([x, y, z])[:, None, None, None]) ** 2).sum(axis=0))
        # A voxel at the rim is lesion in part.
        share = np.clip(radius + 0.5 - away, 0, 1)
        darkness = MEANS[1] if radius > 2.6 else 0.8 * MEANS[1] + 0.2 * MEANS[2]
        changed -= (share * (MEANS[2] - darkness)).astype(np.float32)
        volume += 4 / 3 * math.pi * radius**3
    return changed, brain, labels, priors, volume


def test_region_volumes__lesions_of_white_matter_are_white_and_have_a_volume(whole, with_lesions):
    (image, *_), before, fractions = whole
    changed, brain, labels, priors, volume = with_lesions
    model = fit_tissues(changed[brain])
    brightness, deep = (
        np.array([np.nan, 0.5, 0.0]),
        reach_of_ventricles(priors[0], brain, np.ones(3)),
    )
    arguments = (brain, CarriedLabels.of(labels), priors, deep, model, TISSUE_OF, brightness)
    after, with_them, hypointense = region_volumes(changed, *arguments, np.ones(3), refined=True)
    _, _, none = region_volumes(image, *arguments, np.ones(3), refined=True)
    assert none == 0
    assert hypointense == pytest.approx(volume, rel=0.1)
    sums = [part.sum(axis=(1, 2, 3)) for part in (fractions, with_them)]
    # Grey matter keeps its volume; without the rule it would grow by that of the lesions.
    np.testing.assert_allclose(sums[1], sums[0], atol=0.1 * volume)
    np.testing.assert_allclose(after, before, rtol=0.02)
    *_, unknown = region_volumes(changed, *arguments, np.full(3, 3.0), refined=True)
    assert unknown is None


def test_region_volumes__a_lesion_that_touches_a_nucleus_is_not_told_from_it(whole):
    (image, brain, labels, priors, _), *_ = whole
    changed = image.copy()
    box = (slice(42, 45), slice(30, 36), slice(34, 37))
    # Between ventricle and nucleus.
    changed[box] = np.where(labels[box] == 0, MEANS[1], image[box])
    deep, brightness = reach_of_ventricles(priors[0], brain, np.ones(3)), np.array([np.nan, 0.5, 0])
    *_, hypointense = region_volumes(
        changed, brain, CarriedLabels.of(labels), priors, deep, fit_tissues(changed[brain]),
        TISSUE_OF, brightness, np.ones(3), refined=True,
    )  # fmt: skip
    assert hypointense == 0
