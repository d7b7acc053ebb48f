"""The label atlas."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from gendmr.errors import AtlasError
from gendmr.simulate.atlas import assign, make_atlas
from remedies import mended


def test_the_atlas_of_the_demo(atlas: tuple[Path, Path], tables: tuple[Path, Path]) -> None:
    image = nib.load(atlas[0])
    labels = np.asarray(image.dataobj)
    table = pd.read_csv(atlas[1], sep="\t")
    regions = pd.read_csv(tables[1], sep="\t")
    assert list(table) == ["index", "region", "hemisphere"]
    assert table["region"].tolist() == regions["region"].tolist()
    assert labels.dtype == np.int16
    assert set(np.unique(labels)) == {0, *table["index"]}
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    for index, hemisphere, region in zip(
        table["index"], table["hemisphere"], regions.itertuples(), strict=True
    ):
        places = nib.affines.apply_affine(image.affine, np.argwhere(labels == index))
        assert 2_000 < 8 * len(places) < 40_000, region.region  # mm3
        centre = places.mean(axis=0)
        assert np.linalg.norm(centre - [region.x, region.y, region.z]) < 8, region.region
        assert (centre[0] < 0) == (hemisphere == "L")


def test_each_voxel_goes_to_the_nearest_centroid_in_reach() -> None:
    random = np.random.default_rng(0)
    mask = random.random((7, 8, 6)) < 0.5
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = [-5, 1, 2]
    regions = pd.DataFrame(random.uniform(-5, 20, (4, 3)), columns=["x", "y", "z"])
    regions["radius"] = [6.0, 9.0, 3.0, 12.0]
    labels = assign(mask, affine, regions)
    for voxel in np.ndindex(mask.shape):
        place = affine[:3, :3] @ voxel + affine[:3, 3]
        best, least = 0, np.inf
        for number, row in enumerate(regions.itertuples(), start=1):
            distance = np.linalg.norm(place - [row.x, row.y, row.z])
            if distance < least:
                best, least = number, distance
        within = mask[voxel] and least <= regions["radius"][best - 1]
        assert labels[voxel] == (best if within else 0)


def test_a_region_outside_the_brain_is_named(tmp_path: Path) -> None:
    path = tmp_path / "regions.tsv"
    path.write_text("region\themisphere\tx\ty\tz\tradius\nmoon\tB\t300\t0\t0\t10\n")
    words = "correct x, y, z (mm, MNI152) or radius"
    with mended(
        "simulate/atlas.py",
        words,
        AtlasError,
        lambda: make_atlas(path, tmp_path / "a.nii.gz", tmp_path / "a.tsv"),
    ) as refused:
        assert "'moon'" in refused.what and not (tmp_path / "a.nii.gz").exists()
        path.write_text("region\themisphere\tx\ty\tz\tradius\nthalamus\tL\t-11\t-18\t8\t20\n")
