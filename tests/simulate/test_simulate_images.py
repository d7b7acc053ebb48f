"""The scans: orientation, atrophy, bytes, errors."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gendmr.config.simulate import SimulateSection
from gendmr.errors import AtlasError, ConfigurationError, TableError
from gendmr.simulate.commands import group
from gendmr.simulate.images import FILLED, ORIENTATIONS, Person, prepare, scan, simulate_images
from gendmr.simulate.images import _Template as Template
from gendmr.simulate.roster import planned_images
from remedies import mended

from .conftest import SEED

REGIONS = ("hippocampus_L",)


@pytest.fixture(scope="module")
def template(atlas: tuple[Path, Path]) -> Template:
    return prepare(*atlas, REGIONS)


@pytest.fixture(scope="module")
def bids(
    tmp_path_factory: pytest.TempPathFactory,
    cohort: SimpleNamespace,
    atlas: tuple[Path, Path],
    tiny: SimulateSection,
) -> Path:
    folder = tmp_path_factory.mktemp("bids")
    simulate_images(cohort.folder / "anatomy.tsv", *atlas, tiny, SEED, 1, folder)
    return folder


def test_every_planned_image_is_there_and_nothing_else(bids: Path, tiny: SimulateSection) -> None:
    files = {str(path) for path in bids.rglob("*") if path.is_file()}
    assert files == {
        *(path for paths in planned_images(tiny, str(bids)).values() for path in paths),
        str(bids / "dataset_description.json"),
    }
    description = json.loads((bids / "dataset_description.json").read_text())
    assert description["BIDSVersion"]


def test_grids_and_orientations_vary_and_headers_agree(bids: Path) -> None:
    images = [nib.load(path) for path in sorted(bids.rglob("*.nii.gz"))]
    assert len({image.shape for image in images}) == len(images)
    assert len({nib.aff2axcodes(image.affine) for image in images}) >= 3
    for image in images:
        assert image.header["sform_code"] == image.header["qform_code"] == 1
        assert image.get_sform() == pytest.approx(image.get_qform(), abs=1e-3)
        assert all(2.5 <= edge <= 3.0 for edge in np.round(image.header.get_zooms(), 3))
        values = np.asarray(image.dataobj)
        assert values.dtype == np.int16
        # Skull-stripped, whole, and of a plausible size: no brain at the edge of the grid.
        assert values.min() == 0
        for axis in range(3):
            assert values.take([0, -1], axis=axis).max() == 0
        volume = (values > 0).sum() * abs(np.linalg.det(image.affine[:3, :3])) / 1e6
        assert 1.1 < volume < 1.8  # litres
    for path in bids.rglob("*.nii.gz"):
        assert path.read_bytes()[4:8] == b"\0\0\0\0"  # no time in the gzip header


def test_a_marker_on_the_left_stays_left_in_every_orientation(template: Template) -> None:
    # A bright ball in the left temporal lobe, a dim one above it, in an otherwise flat brain.
    places = np.indices(template.brightness.shape) + template.affine[:3, 3].reshape(3, 1, 1, 1)
    left = np.linalg.norm(places - np.reshape([-45.0, -20, 0], (3, 1, 1, 1)), axis=0) < 8
    front = np.linalg.norm(places - np.reshape([0.0, 50, 0], (3, 1, 1, 1)), axis=0) < 8
    top = np.linalg.norm(places - np.reshape([0.0, -20, 60], (3, 1, 1, 1)), axis=0) < 8
    orientations = set()
    for number in range(60):
        label = f"{number:04d}"
        for marker, axis, sign in ((left, 0, -1), (front, 1, 1), (top, 2, 1)):
            if marker is not left and number % 6:
                continue
            marked = dataclasses.replace(template, brightness=marker.astype(np.float32))
            person = Person(label, "site1", 1.0, {"hippocampus_L": 0.0})
            values, affine = scan(marked, person, (4.0, 5.0), 1)
            centre = nib.affines.apply_affine(affine, np.argwhere(values > 0)).mean(axis=0)
            assert sign * centre[axis] > 20
            assert np.argmax(np.abs(centre)) == axis or marker is not left
        orientations.add("".join(nib.aff2axcodes(affine)))
        if orientations >= set(ORIENTATIONS) and number >= 12:
            break
    assert orientations >= set(ORIENTATIONS)


def test_atrophy_is_seen_in_voxels(template: Template) -> None:
    # Only the region shines; its fluid is tested below.
    index = np.indices(template.brightness.shape).reshape(3, -1)
    nearest = np.rint(index / 2).astype(int)
    limits = np.array(template.masks.shape[1:])[:, None] - 1
    region = template.masks[0][tuple(np.minimum(nearest, limits))] > 0.5
    shining = dataclasses.replace(
        template,
        brightness=region.reshape(template.brightness.shape).astype(np.float32),
        masks=np.zeros_like(template.masks),
    )

    def volume(share: float) -> float:
        person = Person("0001", "site1", 1.0, {"hippocampus_L": share})
        values, affine = scan(shining, person, (1.5, 1.5), 1)
        return float((values > 0.5 * values.max()).sum() * abs(np.linalg.det(affine[:3, :3])))

    whole = volume(0.0)
    assert 4_000 < whole < 11_000  # mm3
    for share in (0.16, 0.32):
        shrinkage = 1 - (1 - share) / (1 - FILLED * share)
        assert 1 - volume(share) / whole == pytest.approx(shrinkage, rel=0.4)


def test_fluid_darkens_the_region_alone(template: Template) -> None:
    still = dataclasses.replace(
        template, shrinking={name: 0 * field for name, field in template.shrinking.items()}
    )

    def picture(share: float) -> np.ndarray:
        person = Person("0001", "site1", 1.0, {"hippocampus_L": share})
        return scan(still, person, (2.0, 2.5), 1)[0].astype(float)

    before, after = picture(0.0), picture(0.3)
    scale = np.median(after[before > 0] / before[before > 0])
    darker = (before > 0) & (after < 0.97 * scale * before)
    assert scale == pytest.approx(1, abs=0.05)
    assert 0.001 < darker.sum() / (before > 0).sum() < 0.01


def test_men_have_larger_heads_when_the_table_says_so(template: Template) -> None:
    bare = dataclasses.replace(template, masks=template.masks[:0], shrinking={})

    def litres(size: float) -> float:
        values, affine = scan(bare, Person("0007", "site1", size, {}), (3.0, 3.0), 1)
        return float((values > 0).sum() * abs(np.linalg.det(affine[:3, :3])) / 1e6)

    assert 1.3 < litres(1.0) < 1.6  # of people; the template's brain has some 2.2
    assert litres(1.035) / litres(1.0) == pytest.approx(1.035**3, rel=0.01)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_same_bytes_with_two_processes_and_with_other_people(
    tmp_path: Path, bids: Path, cohort: SimpleNamespace, atlas: tuple[Path, Path]
) -> None:
    # Three of the eight, in a study of three: the images do not know.
    section = SimulateSection(people=80, images=3, voxel_sizes=(2.5, 3.0), faults=False)
    table = pd.read_csv(cohort.folder / "anatomy.tsv", sep="\t", dtype=str)
    table.head(3).to_csv(tmp_path / "anatomy.tsv", sep="\t", index=False)
    simulate_images(tmp_path / "anatomy.tsv", *atlas, section, SEED, 2, tmp_path / "bids")
    images = sorted((tmp_path / "bids").rglob("*.nii.gz"))
    assert len(images) == 3
    for path in images:
        assert digest(path) == digest(bids / path.relative_to(tmp_path / "bids"))
    first = gzip.decompress(images[0].read_bytes())
    assert first[344:348] == b"n+1\0"


def test_a_table_of_other_people_is_refused(
    tmp_path: Path, cohort: SimpleNamespace, atlas: tuple[Path, Path]
) -> None:
    with pytest.raises(TableError, match="9 participants"):
        simulate_images(
            cohort.folder / "anatomy.tsv",
            *atlas,
            SimulateSection(people=80, images=17),
            SEED,
            1,
            tmp_path,
        )


def test_an_atlas_that_disagrees_with_its_table_is_refused(
    tmp_path: Path, atlas: tuple[Path, Path]
) -> None:
    table = pd.read_csv(atlas[1], sep="\t")
    table.loc[table["region"] == "hippocampus_L", "index"] = 999
    table.to_csv(tmp_path / "atlas.tsv", sep="\t", index=False)
    files, names = [atlas[0], tmp_path / "atlas.tsv"], [REGIONS]
    words = "make both again with `gendmr simulate atlas`"
    with mended(
        "simulate/images.py", words, AtlasError, lambda: prepare(*files, names[0])
    ) as refused:
        assert "hippocampus_L" in refused.what
        files[:] = atlas  # as that command made them
    names[0] = ("hypocampus",)
    words = "use names of that table"
    with mended(
        "simulate/reference.py", words, ConfigurationError, lambda: prepare(*files, names[0])
    ):
        names[0] = ("hippocampus_L",)


def test_the_command_line_makes_the_same_files(
    tmp_path: Path,
    bids: Path,
    cohort: SimpleNamespace,
    atlas: tuple[Path, Path],
    tables: tuple[Path, Path],
    tiny: SimulateSection,
) -> None:
    runner = CliRunner()
    arguments = ["--regions", str(tables[1]), "--labels", str(tmp_path / "a.nii.gz")]
    done = runner.invoke(group, ["atlas", *arguments, "--table", str(tmp_path / "a.tsv")])
    assert done.exit_code == 0, done.output
    assert digest(tmp_path / "a.nii.gz") == digest(atlas[0])
    arguments = ["--anatomy", str(cohort.folder / "anatomy.tsv"), "--labels", str(atlas[0])]
    arguments += ["--table", str(atlas[1]), "--options", tiny.dump(), "--seed", str(SEED)]
    done = runner.invoke(group, ["images", *arguments, "--output", str(tmp_path / "bids")])
    assert done.exit_code == 0, done.output
    for path in bids.rglob("*.*"):
        if path.is_file():
            assert digest(path) == digest(tmp_path / "bids" / path.relative_to(bids))
    done = runner.invoke(
        group,
        [
            *("cohort", "--genes", str(tables[0]), "--regions", str(tables[1])),
            *("--options", '{"people": "80"}', "--seed", "1", "--output", str(tmp_path)),
        ],
    )
    assert isinstance(done.exception, ConfigurationError)
    assert "people" in str(done.exception)
