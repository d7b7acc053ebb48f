"""The whole way of one participant, on brains whose truth is known."""

from __future__ import annotations

import os
import subprocess
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from gendmr.files.atomic import read_json
from gendmr.imaging.participant import register_participant

OUTPUTS = ("regions.tsv", "quality.json", "registration.png", "warped.nii.gz", "grey.nii.gz")
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


def test_the_same_bytes_again_by_the_command_line(plain, section, template, root, tmp_path):
    folder, image, _, _ = plain
    command = [sys.executable, "-m", "gendmr", "imaging", "register", "--image", str(image)]
    command += ["--participant", "01", "--template", str(template), "--seed", "3"]
    command += ["--options", section.dump(), "--output", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow")}
    subprocess.run(command, check=True, env=environment, capture_output=True)
    for name in OUTPUTS:
        assert (tmp_path / name).read_bytes() == (folder / "out" / name).read_bytes(), name


@pytest.mark.parametrize("axes", ["PIL"])
def test_orientation_of_the_voxels_changes_nothing(
    plain, section, template, anatomy, scan_of, tmp_path, axes
):
    image = scan_of(tmp_path / "turned.nii.gz", anatomy, axes=axes)
    assert "".join(nib.aff2axcodes(nib.load(image).affine)) == axes
    volumes, quality = _measure(section, template, image, tmp_path / "out")
    # The header keeps 32 bits: places differ by micrometres, and the search by its own noise.
    np.testing.assert_allclose(volumes / plain[2], 1, atol=0.06)
    assert quality["icv_mm3"] == pytest.approx(plain[3]["icv_mm3"], rel=1e-4)
    assert quality["grey_mm3"] == pytest.approx(plain[3]["grey_mm3"], rel=0.01)


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
    assert change.drop("hippocampus_L").abs().max() < 0.06


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
    given = section.model_copy(
        update={"brain": "given", "mask": str(tmp_path / "mask-{participant}.nii.gz")}
    )
    volumes, quality = _measure(given, template, image, tmp_path / "out")
    assert quality["icv_mm3"] == pytest.approx(plain[3]["icv_mm3"], rel=0.01)
    np.testing.assert_allclose(volumes / plain[2], 1, atol=0.05)


def test_a_bad_image_ends_with_its_name_and_no_traceback(section, template, root, tmp_path):
    image = nib.Nifti1Image(np.ones((40, 40, 40), np.float32), None)
    nib.save(image, tmp_path / "bad.nii.gz")
    command = [sys.executable, "-m", "gendmr", "imaging", "register"]
    command += ["--image", str(tmp_path / "bad.nii.gz"), "--participant", "01", "--seed", "3"]
    command += ["--template", str(template), "--options", section.dump()]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "out")],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root / "workflow")},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("ImageError: ")
    assert "bad.nii.gz" in done.stderr
    assert "next step" in done.stderr
    assert not (tmp_path / "out").exists()
