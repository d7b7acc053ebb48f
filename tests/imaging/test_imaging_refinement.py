"""Labels that registration left beside their structures, fitted to the intensities of a scan."""

from __future__ import annotations

import math

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from gendmr.imaging.presets import load_preset
from gendmr.imaging.refinement import look_up, refine, sampled
from gendmr.imaging.registration import Mapping, write_field
from gendmr.imaging.scan import Scan, write_image
from gendmr.imaging.tissue import fit_tissues

SHAPE, MM = (48, 48, 48), 2.0
VALUES = {"fluid": 300.0, "grey": 1000.0, "white": 1500.0, "nucleus": 1300.0}
TISSUE_OF = ["csf", "grey", "grey"]
TEMPLATE = np.array([np.nan, 0.5, 0.0])


def _overlap(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def _phantom(affine):
    """A ventricle, a nucleus and a grey ball in white matter within cortex and fluid."""
    place = (np.indices(SHAPE) - 23.5) * MM
    radius = np.sqrt((place**2).sum(axis=0))
    labels = np.zeros(SHAPE, np.int32)
    for row, centre, size in ((1, (-8, 0, 4), 8), (2, (8, 0, 4), 9), (3, (0, 0, -16), 8)):
        away = place - np.array(centre)[:, None, None, None]
        labels[np.sqrt((away**2).sum(axis=0)) < size] = row
    values = np.full(SHAPE, VALUES["white"])
    values[radius > 38] = VALUES["grey"]
    values[radius > 42] = VALUES["fluid"]
    for row, name in ((1, "fluid"), (2, "nucleus"), (3, "grey")):
        values[labels == row] = VALUES[name]
    brain = radius < 45
    noise = np.random.default_rng(5).normal(0, 30, SHAPE)
    image = np.maximum(ndimage.gaussian_filter(values, 0.4) + noise, 0) * brain
    priors = np.stack([(values == VALUES[name]) & brain for name in ("fluid", "grey", "white")])
    return Scan(image.astype(np.float32), affine), brain, labels, priors.astype(np.float32)


@pytest.mark.parametrize("axes", ["RAS", "LIA"])
def test_refine__labels_return_to_their_structures_in_every_orientation(axes):
    wanted = nib.orientations.axcodes2ornt(axes)
    affine = np.eye(4)
    affine[:3, :3] = nib.orientations.inv_ornt_aff(wanted, (1, 1, 1))[:3, :3] * MM
    scan, brain, labels, priors = _phantom(affine)
    moves = (2, -1, 1)
    off = np.roll(labels, moves, axis=(0, 1, 2))
    priors = np.roll(priors, moves, axis=(1, 2, 3))
    preset = load_preset("fast")
    shift = refine(
        scan, brain, off, priors, fit_tissues(scan.data[brain]), TISSUE_OF, TEMPLATE, preset
    )
    along = np.moveaxis(shift @ (affine[:3, :3] / MM), -1, 0)
    fitted = look_up(off, along, scan.zooms)
    for row in (1, 2, 3):
        assert _overlap(off == row, labels == row) < 0.7
        assert _overlap(fitted == row, labels == row) > 0.84
    # What is looked up lies where the labels were moved to.
    np.testing.assert_allclose(
        along[:, labels > 0].mean(axis=1), np.array(moves) * MM, atol=0.5 * MM
    )


def test_refine__what_tells_nothing_moves_nothing():
    scan, brain, labels, priors = _phantom(np.diag([MM, MM, MM, 1]))
    off = np.roll(labels, 2, axis=0)
    model, preset = fit_tissues(scan.data[brain]), load_preset("fast")
    silent = np.full(3, np.nan)
    shift = refine(scan, brain, off, priors, model, ["grey"] * 3, silent, preset)
    assert not shift.any()


def test_sampled__agrees_with_a_slow_twin():
    rng = np.random.default_rng(2)
    values = rng.random((2, 4, 5, 6)).astype(np.float32)
    places = rng.uniform(-1, 6, (3, 30, 1, 1)).astype(np.float32)
    fast = sampled(values, places)
    for number in range(30):
        inside = [min(max(places[a, number, 0, 0], 0), values.shape[a + 1] - 1) for a in range(3)]
        for part in range(2):
            total = 0.0
            for corner in np.ndindex(2, 2, 2):
                index = [math.floor(x) + side for x, side in zip(inside, corner, strict=True)]
                share = math.prod(1 - abs(x - i) for x, i in zip(inside, index, strict=True))
                if share > 0:
                    total += share * float(values[(part, *index)])
            assert fast[part, number, 0, 0] == pytest.approx(total, abs=1e-5)


def test_write_field__ants_looks_up_what_the_displacement_says(tmp_path):
    """A step of 6 mm to the right (of the person) and 4 up is three and two voxels of 2 mm."""
    affine = np.array([[-2.0, 0, 0, 30], [0, 2, 0, -28], [0, 0, 2, -30], [0, 0, 0, 1]])
    image = np.random.default_rng(1).random((16, 15, 17)).astype(np.float32)
    write_image(tmp_path / "image.nii", image, affine)
    shift = np.broadcast_to(np.array([6.0, 0, 4.0]), (*image.shape, 3))
    field = write_field(tmp_path / "field.nii", shift, affine)
    (tmp_path / "still.txt").write_text(
        "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
        "Parameters: 1 0 0 0 1 0 0 0 1 0 0 0\nFixedParameters: 0 0 0\n"
    )
    still = Mapping(tmp_path / "still.txt", None, None, 1.0)
    moved = still.to_scan(
        tmp_path / "image.nii", tmp_path / "image.nii", tmp_path / "out.nii", refinement=field
    )
    # To the right is down the first axis here.
    np.testing.assert_allclose(moved[3:, :, :-2], image[:-3, :, 2:], atol=1e-4)
