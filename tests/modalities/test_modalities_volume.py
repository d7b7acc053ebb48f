"""Maps of grey matter: their grid, their space, and a fold that reads them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from contract.members import add_outcomes, options
from gendmr.cohort.view import FoldView
from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.volume import VolumeSection
from gendmr.errors import AtlasError, GendmrError, ImageError, InputFileError
from gendmr.methods.base import FitInputs
from gendmr.modalities.store import read_modality
from gendmr.modalities.volume.source import SOURCE, grid
from gendmr.preprocessing.preparation import Preparation
from gendmr.tasks import task_of


@pytest.fixture(scope="module")
def template() -> nib.Nifti1Image:
    from nilearn.datasets import load_mni152_gm_template

    image: nib.Nifti1Image = load_mni152_gm_template(resolution=2)
    return image


@pytest.fixture
def collect(tmp_path: Path) -> Callable[..., np.ndarray]:
    """``collect(image, ...)`` writes a map for each image and returns densities (person, voxel)."""

    def collected(*images: nib.Nifti1Image | None, resolution: float = 8.0) -> np.ndarray:
        lines = ["participant_id\tfile"]
        for number, image in enumerate(images):
            lines.append(f"sub-{number}\tm{number}.nii.gz")
            if image is not None:
                nib.save(image, tmp_path / f"m{number}.nii.gz")
        table = tmp_path / "maps.tsv"
        table.write_text("\n".join(lines) + "\n")
        section = VolumeSection(table=str(table), resolution=resolution)
        cohort = CohortSection(participants="made-up")
        people = {key: f"sub-{key}" for key in SOURCE.people(
            section.sources("results"), section, cohort).names}  # fmt: skip
        output = tmp_path / "volume.nc"
        SOURCE.collect(section.sources("results"), people, section, cohort, output)
        return np.asarray(read_modality(output, "volume")["density"].values)

    return collected


def test_the_grid_is_that_of_the_usual_maps() -> None:
    places, centres, grey = grid(8.0)
    np.testing.assert_allclose(centres, np.array([-90.0, -126.0, -72.0]) + 8 * places)
    assert 5000 > len(places) > 3000
    assert grey.min() > 0.1
    # 121 x 145 x 121 voxels at 1.5 mm: both ends of the box are centres of voxels.
    assert np.diff([(-90, 90), (-126, 90), (-72, 108)]).ravel().tolist() == [180, 216, 180]


def test_a_map_reads_the_same_whatever_its_axes(
    collect: Callable[..., np.ndarray], template: nib.Nifti1Image
) -> None:
    values, affine = template.get_fdata(), template.affine
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = values.shape[0] - 1
    flipped = nib.Nifti1Image(values[::-1], affine @ flip)
    swapped = nib.Nifti1Image(values.swapaxes(0, 1), affine[:, [1, 0, 2, 3]])
    plain = nib.Nifti1Image(values, affine)
    density = collect(plain, flipped, swapped)
    np.testing.assert_allclose(density[1:], np.repeat(density[:1], 2, axis=0), atol=1e-5)
    _, _, grey = grid(8.0)
    np.testing.assert_allclose(density[0], grey, atol=1e-4)


def test_collect__reads_the_maps_of_the_stage_imaging_and_its_regions(
    template: nib.Nifti1Image, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    for name in ("7", "template"):
        (results / "imaging" / name).mkdir(parents=True)
    nib.save(template, results / "imaging/7/grey.nii.gz")
    rows = "participant_id\tstatus\n7\tmeasured\n8\trefused\n"
    (results / "imaging/quality.tsv").write_text(rows)
    labels = np.zeros(template.shape, dtype=np.int16)
    middle = template.shape[0] // 2
    labels[:middle], labels[middle:] = 1, 2
    image = nib.Nifti1Image(labels, template.affine)
    nib.save(image, results / "imaging/template/atlas.nii.gz")
    table = "region\themisphere\ncortex\tL\ncortex\tR\n"
    (results / "imaging/template/regions.tsv").write_text(table)
    section, cohort = VolumeSection(resolution=8.0), CohortSection(participants="made-up")
    sources = section.sources(str(results))
    assert list(SOURCE.people(sources, section, cohort).names) == ["7"]
    SOURCE.collect(sources, {"7": "sub-7"}, section, cohort, tmp_path / "volume.nc")
    stored = read_modality(tmp_path / "volume.nc", "volume")
    left_side = stored["x"].values < -2
    assert set(stored["atlas_region"].values[left_side]) == {"cortex_L"}
    assert set(stored["atlas_region"].values[stored["x"].values > 2]) == {"cortex_R"}
    with pytest.raises(AtlasError, match="none of"):
        nib.save(nib.Nifti1Image(labels + 8, template.affine),
                 results / "imaging/template/atlas.nii.gz")  # fmt: skip
        SOURCE.collect(sources, {"7": "sub-7"}, section, cohort, tmp_path / "volume.nc")


@pytest.mark.parametrize("resolution", [4.0, 8.0])
def test_most__is_the_number_of_voxels_that_are_read(resolution: float) -> None:
    section = VolumeSection(resolution=resolution)
    assert section.most(7) == pytest.approx(len(grid(resolution)[0]), rel=0.1)


@pytest.mark.parametrize("damage", ["other space", "other tissue", "four", "missing", "cut"])
def test_what_is_no_map_is_refused(
    collect: Callable[..., np.ndarray], template: nib.Nifti1Image, tmp_path: Path, damage: str
) -> None:
    values, affine = template.get_fdata(), template.affine.copy()
    error: type[GendmrError] = ImageError
    image: nib.Nifti1Image | None = None
    if damage == "other space":
        affine[:3, 3] += 70
        image = nib.Nifti1Image(values, affine)
    elif damage == "other tissue":
        image = nib.Nifti1Image(1 - values, affine)
    elif damage == "four":
        image = nib.Nifti1Image(np.stack([values, values], axis=-1), affine)
    else:
        error = InputFileError
        if damage == "cut":
            (tmp_path / "m0.nii.gz").write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(error, match=r"m0\.nii\.gz"):
        collect(image)


def test_a_network_reads_voxels_and_attributes_to_them(
    shared_cohort: Callable[..., Path], tmp_path: Path
) -> None:
    cohort = shared_cohort(people=60, snps=30, regions=4, genes=10, imaged=0.9, folds=3)
    cohort = add_outcomes(cohort, tmp_path / "cohort")
    method_options = options(
        "migtrans", "diagnosis", reads=["snp", "volume"], autoencoder="none", seeds=1
    )
    view = FoldView.open(
        cohort,
        0,
        0,
        task=task_of("diagnosis", method_options.task),
        modalities=tuple(method_options.modalities),
    )
    preparation = Preparation.fit(view, method_options)
    train = preparation.apply(view.train).take(np.arange(24))
    method = import_module(f"gendmr.{method_options.method.module}").build(method_options)
    inputs = FitInputs(train, preparation.apply(view.validation), preparation, 1)
    fitted = method.fit(inputs, device="cpu", progress=print)
    view.seal()
    people = preparation.apply(view.held_out).take(np.arange(3))
    attributions = fitted.attributions(people)
    assert attributions["volume"].value.shape == (3, 6)
    notes = fitted.leave(tmp_path, people)
    gate = pd.read_csv(tmp_path / "gate.tsv", sep="\t")
    assert list(gate.columns) == ["x", "y", "z", "gate", "sd"] and gate["gate"].between(0, 1).all()
    assert (tmp_path / "gate.png").is_file() and "gate of volume" in notes[0]
    has = people.present["volume"] & people.present["snp"]
    total = sum(
        attribution.value.sum(axis=1) + attribution.baseline
        for attribution in attributions.values()
    )
    np.testing.assert_allclose(total[has], fitted.predict(people)[has, 0], atol=1e-4)
    assert has.any()
