"""What N4 leaves of the shading, told from the brightness of tissues."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from gendmr.errors import ImageError
from gendmr.imaging.scan import Scan
from gendmr.imaging.shading import without_shading

SHAPE, FLUID, GREY, WHITE = (48, 48, 48), 250.0, 650.0, 1000.0


@pytest.fixture(scope="module")
def phantom():
    """A ball of white matter with folds of grey matter and fluid around, at 3 mm, and its mask."""
    rng = np.random.default_rng(3)
    away = np.sqrt(((np.indices(SHAPE) - 23.5) ** 2).sum(axis=0))
    folds = ndimage.gaussian_filter(rng.normal(0, 1, SHAPE), 2.0)
    place = away + 20 * folds / np.abs(folds).max()
    brain = away < 21
    tissue = np.select([place < 13, place < 18], [WHITE, GREY], FLUID)
    # Partial volume, then noise.
    image = ndimage.gaussian_filter(tissue, 0.6) + rng.normal(0, 20, SHAPE)
    return image.astype(np.float32) * brain, brain, tissue


def _shading(strength):
    ramp = (np.indices(SHAPE)[2] - 23.5) / 48
    return np.exp(strength * np.sin(np.pi * ramp)).astype(np.float32)


def _spread(image, brain, tissue):
    """Largest spread over the ball of the brightness within a tissue, per cent."""
    half = np.indices(SHAPE)[2] < 24
    spreads = []
    for value in (GREY, WHITE):
        members = brain & (tissue == value)
        low, high = (np.median(image[members & side]) for side in (half, ~half))
        spreads.append(100 * abs(np.log(low / high)))
    return max(spreads)


def test_without_shading__strong_shading_is_mostly_gone(phantom):
    image, brain, tissue = phantom
    shaded = Scan(image * _shading(0.15), np.diag([3.0, 3.0, 3.0, 1.0]))
    before = _spread(shaded.data, brain, tissue)
    after = _spread(without_shading(shaded, brain, 3), brain, tissue)
    assert before > 15
    assert after < 0.35 * before


def test_without_shading__an_even_image_stays_even_and_the_background_empty(phantom):
    image, brain, tissue = phantom
    even = Scan(image, np.diag([3.0, 3.0, 3.0, 1.0]))
    result = without_shading(even, brain, 3)
    assert _spread(result, brain, tissue) < _spread(image, brain, tissue) + 1.0
    assert not result[~brain].any()
    np.testing.assert_array_equal(without_shading(even, brain, 0), image)


def test_without_shading__of_no_brain_is_refused():
    flat = Scan(np.full((20, 20, 20), 500, np.float32), np.eye(4))
    with pytest.raises(ImageError, match="no three tissues"):
        without_shading(flat, np.ones((20, 20, 20), bool), 1)
