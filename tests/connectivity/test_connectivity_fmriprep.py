"""Signals out of fMRIPrep's derivatives, against nilearn's masker; what is refused, and listed."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from nilearn.interfaces.fmriprep import load_confounds_strategy
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker

from gendmr.config.connectivity import ConnectivitySection
from gendmr.connectivity.collect import collect_connectivity
from gendmr.connectivity.fmriprep import find_bold
from gendmr.connectivity.signals import extract_signals
from gendmr.errors import AtlasError, GendmrError, IdentifierError, InputFileError

SHAPE, SIZE, VOLUMES, REPETITION = (10, 12, 10), 6.0, 90, 2.0
AFFINE = np.diag([SIZE, SIZE, SIZE, 1.0])
AFFINE[:3, 3] = -30
LABELS = (3, 7, 8, 20)
SPACE = "space-MNI152NLin2009cAsym_res-2"
MOVES = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
TISSUES = ["csf", "white_matter"]


def write_atlas(folder: Path) -> Path:
    """Four boxes on a grid twice as fine, an eighth of the space each."""
    labels = np.zeros(tuple(2 * n for n in SHAPE), dtype=np.int16)
    for number, label in enumerate(LABELS):
        low = 2 + 5 * (number % 2), 2 + 8 * (number // 2)
        labels[low[0] * 2 - 2 : low[0] * 2 + 4, low[1] : low[1] + 7, 4:14] = label
    affine = AFFINE.copy()
    affine[:3, :3] /= 2
    affine[:3, 3] -= SIZE / 4
    path = folder / "atlas.nii.gz"
    nib.save(nib.Nifti1Image(labels, affine), path)
    return path


def confounds_of(random: np.random.Generator, volumes: int) -> pd.DataFrame:
    table = pd.DataFrame(
        np.cumsum(random.normal(size=(volumes, 6)), axis=0) / 50, columns=pd.Index(MOVES)
    )
    for name in TISSUES:
        table[name] = random.normal(size=volumes) + 500
    for name in [*MOVES, *TISSUES]:
        table[f"{name}_derivative1"] = table[name].diff()
        table[f"{name}_power2"] = table[name] ** 2
        table[f"{name}_derivative1_power2"] = table[f"{name}_derivative1"] ** 2
    table["framewise_displacement"] = table[[f"{n}_derivative1" for n in MOVES]].abs().sum(axis=1)
    table["std_dvars"] = 1.0
    for number in range(2):
        steps = np.pi * (number + 1) * (np.arange(volumes) + 0.5) / volumes
        table[f"cosine{number:02d}"] = np.cos(steps)
    return table


def write_person(
    folder: Path, label: str, *, seed: int = 0, session: str = "", run: str = "", moved: int = 0
) -> Path:
    """Write image, mask and confounds; return the image. Each region has a signal of its own."""
    random = np.random.default_rng(seed)
    func = folder / f"sub-{label}" / session / "func"
    func.mkdir(parents=True, exist_ok=True)
    stem = "_".join(filter(None, [f"sub-{label}", session, "task-rest", run]))
    table = confounds_of(random, VOLUMES)
    table.loc[: moved - 1, "framewise_displacement"] = 3.0
    table.to_csv(
        func / f"{stem}_desc-confounds_timeseries.tsv", sep="\t", index=False, na_rep="n/a"
    )
    (func / f"{stem}_desc-confounds_timeseries.json").write_text("{}")
    data = 1000 + random.normal(size=(*SHAPE, VOLUMES))
    data += 40 * table["trans_x"].to_numpy()  # the head moves
    blocks = random.normal(size=(3, 4, VOLUMES)) + random.normal(size=VOLUMES)
    for x, y in np.ndindex(3, 4):
        data[4 * x : 4 * x + 4, 3 * y : 3 * y + 3] += 10 * blocks[x, y]
    image = nib.Nifti1Image(data.astype(np.float32), AFFINE)
    image.header.set_zooms((SIZE, SIZE, SIZE, REPETITION))
    image.header.set_xyzt_units("mm", "sec")
    path = func / f"{stem}_{SPACE}_desc-preproc_bold.nii.gz"
    nib.save(image, path)
    brain = np.ones(SHAPE, dtype=np.uint8)
    nib.save(nib.Nifti1Image(brain, AFFINE), func / f"{stem}_{SPACE}_desc-brain_mask.nii.gz")
    return path


def section_of(folder: Path, **options: object) -> ConnectivitySection:
    fmriprep = {"folder": str(folder), "atlas": str(folder.parent / "atlas.nii.gz"), **options}
    return ConnectivitySection.parse({"fmriprep": fmriprep, "minimum_volumes": 30})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_atlas(tmp_path)
    for number, label in enumerate(("01", "02", "03")):
        write_person(tmp_path / "fmriprep", label, seed=number)
    return tmp_path / "fmriprep"


def run(section: ConnectivitySection, output: Path) -> tuple[xr.Dataset, pd.DataFrame, str]:
    assert section.fmriprep is not None
    for label, files in find_bold(section.fmriprep).items():
        extract_signals(files, label, section.fmriprep, output / "signals" / label)
    collect_connectivity(section, output)
    quality = pd.read_csv(
        output / "quality.tsv", sep="\t", keep_default_na=False, dtype={"participant_id": str}
    )
    notes = " ".join(json.loads((output / "summary.json").read_text())["notes"])
    with xr.open_dataset(output / "edges.nc", engine="h5netcdf") as stored:
        return stored.load(), quality.set_index("participant_id"), notes


@pytest.mark.parametrize("denoise", ["simple", "scrubbing"])
def test_extract_signals__are_those_of_nilearns_masker(
    folder: Path, tmp_path: Path, denoise: str
) -> None:
    section = section_of(folder, denoise=denoise, low_pass=0.1).fmriprep
    assert section is not None
    bold = write_person(folder, "01", seed=4, moved=5)
    extract_signals(find_bold(section)["01"], "01", section, tmp_path / "out")
    ours = pd.read_csv(tmp_path / "out" / "signals.tsv", sep="\t")
    confounds, sample = load_confounds_strategy(
        str(bold), denoise, **({"fd_threshold": 0.5} if denoise == "scrubbing" else {})
    )
    warnings.simplefilter("ignore")
    masker = NiftiLabelsMasker(
        section.atlas, standardize="psc", detrend=True, low_pass=0.1, t_r=REPETITION, reports=False
    )
    theirs = masker.fit_transform(str(bold), confounds=confounds, sample_mask=sample)
    assert list(ours) == [f"region{label}" for label in LABELS]
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    censored = json.loads((tmp_path / "out" / "scan.json").read_text())["censored"]
    assert censored == VOLUMES - len(theirs)
    assert (censored >= 5) is (denoise == "scrubbing")


def test_collect_connectivity__of_images_says_how_they_were_cleaned(
    folder: Path, tmp_path: Path
) -> None:
    (next((folder / "sub-02").rglob("*_mask.nii.gz"))).unlink()
    edges, quality, notes = run(section_of(folder), tmp_path / "out")
    assert edges["correlation"].shape == (3, 6)
    assert set(quality["status"]) == {"measured"}
    assert (quality["volumes"].astype(int) == VOLUMES).all()
    assert "strategy `simple` (28 confounds" in notes
    assert "1 people have no brain mask" in notes and "02" in notes
    assert (quality["motion"].astype(float) > 0).all()


def test_collect_connectivity__region_outside_of_the_brain_is_missing_not_zero(
    folder: Path, tmp_path: Path
) -> None:
    mask = next((folder / "sub-01").rglob("*_mask.nii.gz"))
    brain = np.ones(SHAPE, dtype=np.uint8)
    brain[:4] = 0  # labels 3 and 8 lie there
    nib.save(nib.Nifti1Image(brain, AFFINE), mask)
    edges, quality, _ = run(section_of(folder), tmp_path / "out")
    assert int(quality.loc["01", "constant"]) == 2
    assert quality.loc["01", "status"] == "excluded"  # half of its regions
    assert list(edges["participant"].values) == ["02", "03"]


def test_collect_connectivity__lists_who_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    for number, label in enumerate(("04", "05", "06", "07")):
        write_person(folder, label, seed=9 + number)
    next((folder / "sub-04").rglob("*confounds_timeseries.tsv")).unlink()
    next((folder / "sub-05").rglob("*_bold.nii.gz")).write_bytes(b"no image")
    table = next((folder / "sub-06").rglob("*confounds_timeseries.tsv"))
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-4]))
    _, quality, notes = run(section_of(folder), tmp_path / "out")
    refused = quality[quality["status"] == "refused"]
    assert list(refused.index) == ["04", "05", "06"]
    assert "no confounds for the strategy simple" in refused.loc["04", "reason"]
    assert "not a readable NIfTI" in refused.loc["05", "reason"]
    assert f"86 rows, the image has {VOLUMES} volumes" in refused.loc["06", "reason"]
    assert "3 of 7 scans cannot be used: '04', '05', '06'" in notes


def test_find_bold__asks_which_of_several_images_counts(folder: Path) -> None:
    write_person(folder, "08", session="ses-1", run="run-01")
    write_person(folder, "08", session="ses-1", run="run-02")
    with pytest.raises(IdentifierError, match=r"sub-08 has .*run-01.*run-02") as refusal:
        find_bold(section_of(folder).fmriprep)  # type: ignore[arg-type]
    assert "`run`" in str(refusal.value.next_step)
    files_of = find_bold(section_of(folder, run=2).fmriprep)  # type: ignore[arg-type]
    assert list(files_of) == ["08"] and "run-02" in files_of["08"].bold.name
    assert files_of["08"].confounds.is_file() and files_of["08"].mask.is_file()


def test_find_bold__of_several_spaces_takes_the_one_that_the_error_says_to_name(
    folder: Path,
) -> None:
    bold = next((folder / "sub-01").rglob("*_bold.nii.gz"))
    bold.rename(bold.with_name(bold.name.replace(SPACE, "space-MNI152NLin6Asym")))
    with pytest.raises(IdentifierError) as refusal:
        find_bold(section_of(folder).fmriprep)  # type: ignore[arg-type]
    space = str(refusal.value.next_step).rpartition("space: ")[2].strip("`")
    assert list(find_bold(section_of(folder, space=space).fmriprep)) == ["02", "03"]  # type: ignore[arg-type]


def test_collect_connectivity__excluded_people_are_listed_without_their_signals(
    folder: Path, tmp_path: Path
) -> None:
    next((folder / "sub-02").rglob("*_bold.nii.gz")).write_bytes(b"no image")
    section = section_of(folder).model_copy(update={"exclude": ("02",)})
    assert section.fmriprep is not None
    images = find_bold(section.fmriprep)
    for label in ("01", "03"):
        output = tmp_path / "out" / "signals" / label
        extract_signals(images[label], label, section.fmriprep, output)
    collect_connectivity(section, tmp_path / "out")
    quality = pd.read_csv(tmp_path / "out" / "quality.tsv", sep="\t", dtype=str)
    assert quality["status"].tolist() == ["measured", "excluded", "measured"]


def rename_to(space: str, folder: Path) -> None:
    for path in list(folder.rglob(f"*{SPACE}*")):
        path.rename(path.with_name(path.name.replace(f"_{SPACE}", space)))


REFUSED = [
    (lambda f: rename_to("", f), {}, InputFileError, "no image in an MNI space"),
    (lambda f: rename_to("_space-T1w", f), {}, InputFileError, "'T1w'"),
    (lambda f: None, {"space": "MNI152NLin6Asym"}, InputFileError, "MNI152NLin6Asym; spaces there"),
    (lambda f: None, {"task": "nback"}, InputFileError, "no image has task-nback"),
    (
        lambda f: write_person(f / "other", "09").rename(
            f / "sub-01/func/sub-01_space-MNI152NLin6Asym_desc-preproc_bold.nii.gz"
        ),
        {}, IdentifierError, "images in several spaces",
    ),
    (lambda f: f.rename(f.with_name("away")), {}, InputFileError, "no such folder"),
    (lambda f: [p.unlink() for p in f.rglob("*_bold*")], {}, InputFileError, "no image sub-"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "options", "error", "words"), REFUSED)
def test_find_bold__refuses_what_it_cannot_choose_from(  # type: ignore[no-untyped-def]
    folder, change, options, error, words
) -> None:
    change(folder)
    with pytest.raises(error, match=words):
        find_bold(section_of(folder, **options).fmriprep)  # type: ignore[arg-type]


def test_extract_signals__says_where_atlas_or_filter_do_not_fit(
    folder: Path, tmp_path: Path
) -> None:
    def reason(**options: object) -> str:
        section = section_of(folder, **options).fmriprep
        assert section is not None
        extract_signals(find_bold(section)["01"], "01", section, tmp_path / "out")
        refused = json.loads((tmp_path / "out" / "scan.json").read_text())["refused"]
        return str(refused["what"])

    elsewhere = AFFINE.copy()
    elsewhere[:3, 3] = 500
    far = tmp_path / "far.nii.gz"
    nib.save(nib.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), elsewhere), far)
    assert "59 of 59 regions" in reason(atlas=str(far))
    assert "holds no frequency above 0.25 Hz" in reason(low_pass=0.3)
    template = tmp_path / "template.nii.gz"
    nib.save(nib.Nifti1Image(np.random.default_rng(0).normal(size=(3, 4, 5)), AFFINE), template)
    with pytest.raises(AtlasError, match="not the labels of an atlas"):
        reason(atlas=str(template))
    with pytest.raises(InputFileError, match="no such file"):
        reason(atlas="nothing.nii.gz")


def test_extract_signals__of_maps_are_those_of_nilearns_masker(
    folder: Path, tmp_path: Path
) -> None:
    maps = np.zeros((*SHAPE, 3), dtype=np.float32)
    for number in range(3):
        maps[..., 3 * number + 1 : 3 * number + 4, :, number] = 1.0
    nib.save(nib.Nifti1Image(maps, AFFINE), tmp_path / "maps.nii.gz")
    section = section_of(folder, atlas=str(tmp_path / "maps.nii.gz")).fmriprep
    assert section is not None
    files = find_bold(section)["01"]
    extract_signals(files, "01", section, tmp_path / "out")
    ours = pd.read_csv(tmp_path / "out" / "signals.tsv", sep="\t")
    warnings.simplefilter("ignore")
    confounds, _ = load_confounds_strategy(str(files.bold), "simple")
    masker = NiftiMapsMasker(section.atlas, standardize="psc", detrend=True, reports=False)
    assert list(ours) == ["component1", "component2", "component3"]
    np.testing.assert_allclose(
        ours, masker.fit_transform(str(files.bold), confounds=confounds), atol=1e-4
    )


def test_collect_connectivity__most_people_refused_is_no_persons_trouble(
    folder: Path, tmp_path: Path
) -> None:
    for table in folder.rglob("*confounds_timeseries.tsv"):
        table.unlink()
    with pytest.raises(GendmrError, match="no confounds"):
        run(section_of(folder), tmp_path / "out")
