"""The whole way of one participant, on brains whose truth is known."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import permutations, product

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from gendmr.files.atomic import read_json
from gendmr.imaging.participant import register_participant
from gendmr.imaging.scan import read_image
from gendmr.imaging.template import load_template

OUTPUTS = ("regions.tsv", "quality.json", "registration.png", "warped.nii.gz", "grey.nii.gz")
MARKER = ((-52.0, -10.0, -16.0), 6.0)
SHRUNK = ((-28.0, -20.0, -16.0), 30.0, 0.8)


def _measure(section, template, image, output):
    register_participant(image, "01", template, section, seed=3, output=output)
    table = pd.read_csv(output / "regions.tsv", sep="\t").set_index("region")
    return table["volume"], read_json(output / "quality.json")


@pytest.fixture(scope="module")
def plain(section, template, anatomy, scan_of, tmp_path_factory):
    """The brain as it is: folder, image, volumes, quality."""
    folder = tmp_path_factory.mktemp("plain")
    image = scan_of(folder / "sub-01_T1w.nii.gz", anatomy)
    return folder, image, *_measure(section, template, image, folder / "out")


def test_a_plain_brain_meets_the_template(plain):
    _, _, volumes, quality = plain
    assert quality["dice"] > 0.95
    assert quality["similarity"] > 0.9
    assert 0 < quality["jacobian_min"] < 1 < quality["jacobian_max"] < 3
    assert quality["icv_mm3"] == pytest.approx(1_886_539, rel=0.05)
    # What is modulated in the template's space adds up to what the scan holds.
    assert quality["grey_modulated_mm3"] == pytest.approx(quality["grey_mm3"], rel=0.02)
    parts = [quality[f"{name}_mm3"] for name in ("csf", "grey", "white")]
    assert sum(parts) == pytest.approx(quality["brain_mm3"], rel=0.01)
    assert (volumes > 500).all()
    assert quality["warnings"] == []


def test_killed_in_the_middle_the_same_command_ends_with_the_same_bytes(
    plain, section, template, root, tmp_path
):
    folder, image, _, _ = plain
    command = [sys.executable, "-m", "gendmr", "imaging", "register", "--image", str(image)]
    command += ["--participant", "01", "--template", str(template), "--seed", "3"]
    command += ["--options", section.dump(), "--output", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow")}
    started = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    # The first of five files is there, and the last, which tells that all are, is not.
    while not (tmp_path / "regions.tsv").exists():
        assert started.poll() is None
        time.sleep(0.002)
    started.kill()
    assert started.wait() == -signal.SIGKILL
    assert not (tmp_path / "quality.json").exists()
    subprocess.run(command, check=True, env=environment, capture_output=True)
    for name in OUTPUTS:
        assert (tmp_path / name).read_bytes() == (folder / "out" / name).read_bytes(), name


ORIENTATIONS = [
    "".join(letters) for axes in permutations(("LR", "PA", "IS")) for letters in product(*axes)
]
# All 48 at night; by day the commonest, and one that swaps all axes.
TURNED = ORIENTATIONS if settings.get_current_profile_name() == "nightly" else ["LAS", "LIA"]


@pytest.fixture(scope="module")
def marked(section, template, anatomy, scan_of, tmp_path_factory):
    """Volumes of a brain with a bright ball in its left temporal lobe, stored RAS."""
    folder = tmp_path_factory.mktemp("marked")
    image = scan_of(folder / "t1.nii.gz", anatomy, marker=MARKER)
    volumes, _ = _measure(section, template, image, folder / "out")
    assert _region_of_marker(folder / "out", template) == "temporal_L"
    return volumes


def _region_of_marker(output, template):
    loaded = load_template(template)
    warped = read_image(output / "warped.nii.gz").data
    place = np.unravel_index(np.argmax(warped), warped.shape)
    assert (loaded.affine @ [*place, 1])[0] < -30
    return loaded.regions["region"][loaded.labels[place] - 1]


@pytest.mark.parametrize("axes", TURNED)
def test_a_marker_on_the_left_stays_on_the_left_in_every_orientation(
    marked, section, template, anatomy, scan_of, tmp_path, axes
):
    image = scan_of(tmp_path / "turned.nii.gz", anatomy, axes=axes, marker=MARKER)
    assert "".join(nib.aff2axcodes(nib.load(image).affine)) == axes
    volumes, _ = _measure(section, template, image, tmp_path / "out")
    assert _region_of_marker(tmp_path / "out", template) == "temporal_L"
    # The header keeps 32 bits: places differ by micrometres, and the search by its own noise.
    # A marker on the other side would be off by its whole size; the registration's own random
    # sample depends on the voxels, so that each orientation differs by some percent.
    np.testing.assert_allclose(volumes / marked, 1, atol=0.1)


def test_all_orientations_are_tried():
    assert len(set(ORIENTATIONS)) == 48


def test_volumes_follow_the_size_of_the_head(plain, section, template, anatomy, scan_of, tmp_path):
    image = scan_of(tmp_path / "large.nii.gz", anatomy, scale=1.1)
    volumes, quality = _measure(section, template, image, tmp_path / "out")
    np.testing.assert_allclose(volumes / plain[2], 1.1**3, rtol=0.06)
    assert quality["icv_mm3"] / plain[3]["icv_mm3"] == pytest.approx(1.1**3, rel=0.03)
    for name in ("grey_modulated_mm3", "white_mm3", "affine_determinant"):
        assert quality[name] / plain[3][name] == pytest.approx(1.1**3, rel=0.05)


def test_a_shrunken_left_hippocampus_is_found_on_the_left(
    plain, section, template, anatomy, scan_of, tmp_path
):
    image = scan_of(tmp_path / "shrunk.nii.gz", anatomy, shrink=SHRUNK, axes="LPI")
    volumes, _ = _measure(section, template, image, tmp_path / "out")
    change = volumes / plain[2] - 1
    assert change["hippocampus_L"] < -0.15
    assert change[[name for name in change.index if name.endswith("_R")]].abs().max() < 0.06
    # What shrinks draws its neighbours in: their grey matter in the image grows by 13 and 8 %.
    assert 0 < change["thalamus_L"] < 0.13
    assert 0 < change["temporal_L"] < 0.1


def test_a_whole_head_gives_the_brain_that_is_in_it(
    plain, section, template, anatomy, scan_of, tmp_path
):
    image = scan_of(tmp_path / "head.nii.gz", anatomy, skull=True)
    heads = section.model_copy(update={"brain": "template"})
    volumes, quality = _measure(heads, template, image, tmp_path / "out")
    assert quality["dice"] > 0.95
    assert quality["brain_mm3"] == pytest.approx(1_886_539, rel=0.05)
    assert quality["icv_mm3"] == pytest.approx(1_886_539, rel=0.05)
    np.testing.assert_allclose(volumes / plain[2], 1, atol=0.15)


def test_a_given_mask_does_the_same_as_stripping(
    plain, section, template, anatomy, scan_of, tmp_path
):
    image = scan_of(tmp_path / "head.nii.gz", anatomy, skull=True)
    stripped = nib.load(plain[1])
    data = stripped.get_fdata()
    mask = (data > 0.05 * np.percentile(data[data > 0], 98)).astype(np.uint8)
    nib.save(nib.Nifti1Image(mask, stripped.affine), tmp_path / "mask-01.nii.gz")
    with_mask = section.model_copy(
        update={"brain": "given", "mask": str(tmp_path / "mask-{participant}.nii.gz")}
    )
    volumes, quality = _measure(with_mask, template, image, tmp_path / "out")
    assert quality["icv_mm3"] == pytest.approx(plain[3]["icv_mm3"], rel=0.01)
    np.testing.assert_allclose(volumes / plain[2], 1, atol=0.05)
