"""Simulated grey-matter maps: they say of regions what was measured, and read as any map does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from gendmr.config.simulate import SimulateSection
from gendmr.errors import AtlasError, ConfigurationError
from gendmr.files.datasets import write_dataset
from gendmr.files.regions import REGIONS
from gendmr.modalities.volume.source import grid, sample
from gendmr.simulate.atlas import make_atlas
from gendmr.simulate.maps import simulate_maps
from gendmr.simulate.measurements import measure
from gendmr.simulate.reference import read_regions
from gendmr.simulate.roster import planned_maps
from remedies import mended

PEOPLE = 40
SECTION = SimulateSection.parse(
    {"people": PEOPLE, "images": PEOPLE, "imaging": "measurements", "maps": True, "faults": False}
)


@pytest.fixture(scope="module")
def atlas(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("atlas")
    make_atlas(root / "resources/demo_regions.tsv", folder / "atlas.nii.gz", folder / "atlas.tsv")
    return folder


@pytest.fixture(scope="module")
def make(root: Path, atlas: Path) -> Callable[..., pd.DataFrame]:
    def maps(folder: Path, table: Path = atlas / "atlas.tsv") -> pd.DataFrame:
        regions = read_regions(root / "resources/demo_regions.tsv")
        anatomy = pd.DataFrame(
            {
                "participant_id": [f"sub-{number:04d}" for number in range(1, PEOPLE + 1)],
                "site": "site1",
                "size": np.random.default_rng(2).normal(1, 0.03, PEOPLE),
                "everywhere": 0.0,
                **dict.fromkeys(SECTION.regions, 0.0),
            }
        )
        anatomy.loc[: PEOPLE // 2, SECTION.regions[0]] = 0.15
        measured = measure(anatomy, regions, SECTION, 1)
        write_dataset(folder / "regions.nc", measured, REGIONS)
        simulate_maps(
            folder / "regions.nc",
            root / "resources/demo_regions.tsv",
            atlas / "atlas.nii.gz",
            table,
            SECTION,
            1,
            folder / "maps.tsv",
        )
        volume = pd.DataFrame(measured["volume"].values, columns=measured["region"].values)
        return volume.assign(participant_id=anatomy["participant_id"])

    return maps


def test_simulate_maps__say_of_regions_what_was_measured(
    make: Callable[..., pd.DataFrame], atlas: Path, tmp_path: Path
) -> None:
    volume = make(tmp_path)
    listed = pd.read_csv(tmp_path / "maps.tsv", sep="\t")
    assert [str(tmp_path / file) for file in listed["file"]] == planned_maps(
        SECTION, str(tmp_path / "maps.tsv")
    )
    labels = nib.load(atlas / "atlas.nii.gz")
    numbers = np.asarray(labels.dataobj).astype(int)
    table = pd.read_csv(atlas / "atlas.tsv", sep="\t").set_index("region")["index"]
    sums = []
    for file in listed["file"]:
        image = nib.load(tmp_path / file)
        # Where the centres of voxels of the atlas lie in the map.
        to_map = np.linalg.inv(image.affine) @ labels.affine
        values = np.asarray(image.get_fdata())
        region_sums = []
        for region in (SECTION.regions[0], "thalamus_R"):
            voxels = np.argwhere(numbers == table[region])
            places = np.floor(voxels @ to_map[:3, :3].T + to_map[:3, 3] + 0.5).astype(int)
            region_sums.append(values[tuple(places.T)].sum())
        sums.append(region_sums)
    for column, region in enumerate((SECTION.regions[0], "thalamus_R")):
        correlation = np.corrcoef(np.array(sums)[:, column], volume[region])[0, 1]
        assert correlation > 0.8, region
    assert np.corrcoef(np.array(sums)[:, 0], volume["thalamus_R"])[0, 1] < 0.7


def test_simulate_maps__are_maps_to_the_modality_and_the_same_bytes_each_time(
    make: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        make(tmp_path / name)
    first = tmp_path / "a/maps/sub-0001.nii.gz"
    assert first.read_bytes() == (tmp_path / "b/maps/sub-0001.nii.gz").read_bytes()
    _, centres, grey = grid(8.0)
    values = sample(first, centres, grey, 8.0)
    assert np.isfinite(values).all() and np.corrcoef(values, grey)[0, 1] > 0.9
    assert 0.1 < values.mean() < 1


def test_simulate_maps__refuses_an_atlas_of_other_regions(
    make: Callable[..., pd.DataFrame], atlas: Path, tmp_path: Path
) -> None:
    renamed = pd.read_csv(atlas / "atlas.tsv", sep="\t").replace("thalamus_R", "pons")
    renamed.to_csv(tmp_path / "other.tsv", sep="\t", index=False)
    table = [tmp_path / "other.tsv"]
    words = "run `gendmr simulate atlas` with the table of regions of the measurements"
    with mended("simulate/maps.py", words, AtlasError, lambda: make(tmp_path, table[0])) as refused:
        table[0] = atlas / "atlas.tsv"  # written by `make_atlas` of that table
    assert "pons" in refused.what


@pytest.mark.parametrize(
    "wrong", [{"imaging": "t1w", "images": 10}, {"imaging": "measurements", "images": 0}], ids=str
)
def test_maps__need_measurements_of_somebody(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="maps"):
        SimulateSection.parse({"maps": True, "people": 40, **wrong})
