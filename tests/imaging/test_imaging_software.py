"""Tables of other programs go in as they are, each value as it was written."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from gendmr.cohort.inputs import given_files
from gendmr.config.imaging import ImagingSection
from gendmr.errors import InputFileError, ModalityError, TableError
from gendmr.files.atomic import read_json
from gendmr.imaging.measurements import read_measurements
from gendmr.modalities.store import read_modality

PEOPLE = ("sub-007", "1e5", "12345678901234567890", "NA", "sub-A1")
HEAD = [1_400_000.0 + 30_000 * row for row in range(len(PEOPLE))]
HIPPOCAMPUS = [3500.0 + 40 * row for row in range(len(PEOPLE))]
INSULA = [6900.0 + 70 * row for row in range(len(PEOPLE))]
THICKNESS = [2.5 + 0.05 * row for row in range(len(PEOPLE))]


def table(path: Path, columns: dict[str, list], mark: str = "\t") -> str:
    """Write columns; return the path."""
    rows = [mark.join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    text = "\n".join([mark.join(columns), *rows]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple]:
    """Read through the stage; return the modality, the notes as one text and the quality table."""

    def run(*paths: str, **options: object) -> tuple:
        section = ImagingSection.parse({"measurements": list(paths), **options})
        read_measurements(section, tmp_path / "imaging")
        notes = " ".join(read_json(tmp_path / "imaging/summary.json")["notes"])
        return read_modality(tmp_path / "imaging/regions.nc", "region"), notes

    return run


def column(regions, region: str, measure: str = "volume") -> list[float]:
    return regions[measure].sel(region=region).values.tolist()


def aseg(people=PEOPLE, **more: list) -> dict[str, list]:
    return {
        "Measure:volume": list(people),
        "Left-Hippocampus": HIPPOCAMPUS,
        "BrainSegVol": [1_100_000 + row for row in range(len(people))],
        "lhCortexVol": [250_000 + row for row in range(len(people))],
        **more,
        "EstimatedTotalIntraCranialVol": HEAD,
    }


def aparc(side: str, measure: str, values: list) -> dict[str, list]:
    return {
        f"{side}.aparc.{measure}": list(PEOPLE),
        f"{side}_insula_{measure}": values,
        **({"lh_MeanThickness_thickness": THICKNESS} if measure == "thickness" else {}),
        "BrainSegVolNotVent": [1_000_000 + row for row in range(len(PEOPLE))],
        "eTIV": HEAD,
    }


@pytest.mark.parametrize(("mark", "ending"), [("\t", ".txt"), (",", ".csv"), (",", ".csv.gz")])
def test_tables_of_freesurfer_are_joined_and_their_summaries_set_aside(
    read, tmp_path, mark, ending
):
    # As each program leaves them: people in another order in one of them.
    turned = {name: values[::-1] for name, values in aparc("rh", "volume", INSULA).items()}
    regions, notes = read(
        table(tmp_path / f"aseg{ending}", aseg(), mark),
        table(tmp_path / f"lh{ending}", aparc("lh", "volume", INSULA), mark),
        table(tmp_path / f"rh{ending}", turned, mark),
        table(tmp_path / f"lh_thickness{ending}", aparc("lh", "thickness", THICKNESS), mark),
    )
    assert regions["participant"].values.tolist() == list(PEOPLE)
    assert regions["region"].values.tolist() == ["Left-Hippocampus", "lh_insula", "rh_insula"]
    assert regions["hemisphere"].values.tolist() == ["L", "L", "R"]
    assert regions["icv"].values.tolist() == HEAD
    assert column(regions, "Left-Hippocampus") == HIPPOCAMPUS
    assert column(regions, "rh_insula") == INSULA
    assert column(regions, "lh_insula", "mean") == THICKNESS
    assert "'BrainSegVol', 'lhCortexVol', 'BrainSegVolNotVent'" in notes
    assert "eTIV of FreeSurfer" in notes


def test_folders_of_freesurfer_are_read(read, tmp_path):
    for row, name in enumerate(PEOPLE):
        stats = tmp_path / "subjects" / name / "stats"
        stats.mkdir(parents=True)
        (stats / "aseg.stats").write_text(
            "# Title Segmentation Statistics\n# cmdline mri_segstats --etiv, --other\n"
            "# Measure BrainSeg, BrainSegVol, Brain Segmentation Volume, 1100000.0, mm^3\n"
            "# Measure EstimatedTotalIntraCranialVol, eTIV, Estimated Total Intracranial Volume,"
            f" {HEAD[row]}, mm^3\n"
            "# ColHeaders  Index SegId NVoxels Volume_mm3 StructName normMean normStdDev\n"
            f"  1  17  3500  {HIPPOCAMPUS[row]}  Left-Hippocampus  70.0  8.0\n"
        )
        for side in ("lh", "rh"):
            (stats / f"{side}.aparc.stats").write_text(
                "# Measure Cortex, MeanThickness, Mean Thickness, 2.5, mm\n"
                "# ColHeaders StructName NumVert SurfArea GrayVol ThickAvg ThickStd MeanCurv\n"
                f"insula 2900 2000 {INSULA[row]} {THICKNESS[row]} 0.6 0.1\n"
            )
    (tmp_path / "subjects/fsaverage/stats").mkdir(parents=True)
    (tmp_path / "subjects/failed/mri").mkdir(parents=True)
    (tmp_path / "subjects/NA/stats/rh.aparc.stats").unlink()
    regions, notes = read(str(tmp_path / "subjects"))
    assert set(regions["participant"].values) == set(PEOPLE)
    regions = regions.sel(participant=list(PEOPLE))
    assert regions["icv"].values.tolist() == HEAD
    assert column(regions, "Left-Hippocampus") == HIPPOCAMPUS
    assert column(regions, "lh_insula", "mean") == THICKNESS
    missing = np.isnan(column(regions, "rh_insula"))
    assert missing.tolist() == [name == "NA" for name in PEOPLE]
    assert "'failed'" in notes
    assert "NA/rh.aparc.stats" in notes
    (tmp_path / "subjects/NA/stats/aseg.stats").write_text("# ColHeaders Index\nLeft-Hip\n 1 2\n")
    with pytest.raises(InputFileError, match=r"NA/stats/aseg.stats: line 2 is none"):
        read(str(tmp_path / "subjects"))


def test_surface_areas_alone_become_volumes_by_thickness_with_a_note(read, tmp_path):
    area = [2000.0 + row for row in range(len(PEOPLE))]
    regions, notes = read(
        table(
            tmp_path / "joined.csv",
            {
                "subject_id": list(PEOPLE),
                "lh_insula_area": area,
                "lh_insula_thickness": THICKNESS,
                "Left-WM-hypointensities": [0.0] * len(PEOPLE),
                "age": [20 + row for row in range(len(PEOPLE))],
                "eTIV": HEAD,
            },
            ",",
        )
    )
    np.testing.assert_allclose(column(regions, "lh_insula"), np.multiply(area, THICKNESS))
    assert "volume is area times mean thickness" in notes
    assert "same value in everybody, and were set aside: 'Left-WM-hypointensities'" in notes
    assert "'age'" in notes


@pytest.mark.parametrize("header", [True, False])
def test_tables_of_cat12_are_read_in_ml(read, tmp_path, header):
    names = [
        f"catROI_{name}_T1w.xml" if name[:4] == "sub-" else f"catROI_{name}.xml" for name in PEOPLE
    ]
    sizes = [size / 1000 for size in HEAD]
    totals = {
        "names": names,
        "TIV": sizes,
        "GM": [600.0] * 5,
        "WM": [500.0] * 5,
        "CSF": [300.5] * 5,
    }
    volume = table(
        tmp_path / "ROI_neuromorphometrics_Vgm.csv",
        {"names": names, "lHip": [value / 1000 for value in HIPPOCAMPUS]},
        ",",
    )
    tiv = Path(table(tmp_path / "TIV.txt", totals))
    if not header:
        tiv.write_text("".join(tiv.read_text().splitlines(keepends=True)[1:]))
    regions, notes = read(volume, str(tiv))
    assert regions["participant"].values.tolist() == list(PEOPLE)
    np.testing.assert_allclose(column(regions, "l_Hip"), HIPPOCAMPUS)
    np.testing.assert_allclose(regions["icv"].values, HEAD)
    assert regions["hemisphere"].values.tolist() == ["L"]
    assert "TIV of CAT12" in notes


def test_volumes_of_cat12_without_names_are_nobodys(read, tmp_path):
    path = table(tmp_path / "TIV.txt", {"TIV": [1400.0, 1500.0], "GM": [600.0, 610.0]})
    with pytest.raises(TableError, match="rows without names"):
        read(path)


def test_tables_of_enigma_are_read(read, tmp_path):
    volumes = {"SubjID": list(PEOPLE), "Lhippo": HIPPOCAMPUS, "RLatVent": INSULA, "ICV": HEAD}
    cortex = {
        "SubjID": list(PEOPLE),
        "L_insula_thickavg": THICKNESS,
        "L_insula_surfavg": [2000.0 + row for row in range(len(PEOPLE))],
        "LThickness": THICKNESS,
        "ICV": HEAD,
    }
    regions, _ = read(
        table(tmp_path / "LandRvolumes.csv", volumes, ","),
        table(tmp_path / "CorticalMeasuresENIGMA_ThickAvg.csv", cortex, ","),
    )
    assert column(regions, "Left-Hippocampus") == HIPPOCAMPUS
    assert column(regions, "Right-Lateral-Ventricle") == INSULA
    assert column(regions, "lh_insula", "mean") == THICKNESS
    assert regions["icv"].values.tolist() == HEAD


@pytest.mark.parametrize(
    ("person", "form"),
    [
        ("eid", "{}-2.0"),
        ("f.eid", "f.{}.2.0"),
        ("eid", "x{}_2_0"),
        ("participant.eid", "participant.p{}_i2"),
    ],
)
def test_fields_of_uk_biobank_are_known_by_number_in_any_spelling(read, tmp_path, person, form):
    people = [f"{1_000_000 + row}" for row in range(len(PEOPLE))]
    columns = {
        person: people,
        form.format(25019): HIPPOCAMPUS,
        form.format(26788): THICKNESS,
        form.format(26821): INSULA,
        form.format(26521): HEAD,
        form.format(31): [0, 1, 0, 1, 0],
    }
    regions, notes = read(table(tmp_path / "ukb.csv", columns, ","))
    assert regions["participant"].values.tolist() == people
    assert column(regions, "FIRST_hippocampus_L") == HIPPOCAMPUS
    assert column(regions, "lh_insula") == INSULA
    assert column(regions, "lh_insula", "mean") == THICKNESS
    assert regions["icv"].values.tolist() == HEAD
    assert "field 26521" in notes


def test_a_second_imaging_visit_of_uk_biobank_does_not_count(read, tmp_path):
    columns = {
        "eid": ["1", "2", "3"],
        "25019-2.0": [3500, 3600, 3700],
        "25019-3.0": [1, 1, 1],
        "25000-2.0": [1.3, 1.25, 1.2],
    }
    regions, notes = read(table(tmp_path / "ukb.csv", columns, ","))
    assert column(regions, "FIRST_hippocampus_L") == [3500, 3600, 3700]
    # The scaling to the template: a head is the template's brain divided by it.
    np.testing.assert_allclose(regions["icv"].values, 1_827_243 / np.array([1.3, 1.25, 1.2]))
    assert "25019-3.0" in notes


def _label_image(folder: Path, person: str, voxels: int, space: str = "") -> None:
    anat = folder / person / "anat"
    anat.mkdir(parents=True, exist_ok=True)
    labels = np.zeros((40, 40, 40), np.int16)
    labels.ravel()[:voxels] = 17
    labels.ravel()[20_000:21_000] = 3  # all of the cortex: a summary
    affine = np.diag([2.0, 2, 3, 1])
    name = f"{person}_{space}desc-{{}}.nii.gz"
    nib.save(nib.Nifti1Image(labels, affine), anat / name.format("aseg_dseg"))
    mask = np.ones((60, 60, 32), np.uint8)
    nib.save(nib.Nifti1Image(mask, affine), anat / name.format("brain_mask"))


def test_segmentations_of_fmriprep_are_counted_in_the_space_of_the_scan(read, tmp_path):
    folder = tmp_path / "fmriprep"
    for row, person in enumerate(("sub-1", "sub-2", "sub-3")):
        _label_image(folder, person, 300 + row)
        _label_image(folder, person, 9999, space="space-MNI152NLin2009cAsym_")
    (folder / "desc-aseg_dseg.tsv").write_text(
        "index\tname\n0\tUnknown\n3\tLeft-Cerebral-Cortex\n17\tLeft-Hippocampus\n"
    )
    regions, notes = read(str(folder))
    assert regions["region"].values.tolist() == ["Left-Hippocampus"]
    assert column(regions, "Left-Hippocampus") == [300 * 12, 301 * 12, 302 * 12]
    assert regions["icv"].values.tolist() == [60 * 60 * 32 * 12] * 3
    assert "fMRIPrep's brain mask" in notes
    (folder / "desc-aseg_dseg.tsv").unlink()
    with pytest.raises(InputFileError, match=r"desc-aseg_dseg.tsv: no such file"):
        read(str(folder))


def test_one_row_per_session_gives_the_first_or_the_one_that_is_asked_for(read, tmp_path):
    people = [
        "sub-1_ses-pre",
        "sub-1_ses-post",
        "sub-2_ses-post",
        "sub-3_ses-pre",
        "sub-3_ses-post",
    ]
    path = table(tmp_path / "aseg.tsv", aseg(people))
    regions, notes = read(path, select={"session": "post"})
    assert regions["participant"].values.tolist() == ["sub-1", "sub-2", "sub-3"]
    assert column(regions, "Left-Hippocampus") == [HIPPOCAMPUS[row] for row in (1, 2, 4)]
    assert "sessions" in notes


def test_a_zero_of_a_failed_segmentation_is_unknown_and_one_of_a_ventricle_is_zero(read, tmp_path):
    people = [f"p{row}" for row in range(20)]
    zeros = [0.0, *[3500.0 + row for row in range(19)]]
    columns = {
        "Measure:volume": people,
        "Left-Hippocampus": zeros,
        "5th-Ventricle": zeros,
        "Left-Caudate": [3000 + row for row in range(20)],
        "eTIV": [0.0, *[1_400_000 + row for row in range(19)]],
    }
    regions, notes = read(table(tmp_path / "aseg.tsv", columns))
    assert np.isnan(column(regions, "Left-Hippocampus")[0])
    assert column(regions, "5th-Ventricle")[0] == 0
    assert np.isnan(regions["icv"].values[0])
    assert "1 volumes of 0" in notes
    assert "1 people have a head size of 0" in notes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Left-Hippocampus": [value / 1000 for value in HIPPOCAMPUS]}, "no mm3"),
        (
            {
                "Left-Hippocampus": [
                    value / head for value, head in zip(HIPPOCAMPUS, HEAD, strict=True)
                ]
            },
            "no mm3",
        ),
        ({"Right-Caudate": [value * 1000 for value in HIPPOCAMPUS]}, "no mm3"),
        ({"EstimatedTotalIntraCranialVol": [size / 1000 for size in HEAD]}, "outside 600000 to"),
        (
            {"Left-Other": [size * 1.1 for size in HEAD], "Left-Small": HIPPOCAMPUS},
            "together larger than the head",
        ),
    ],
)
def test_regions_in_another_unit_or_larger_than_the_head_are_refused(read, tmp_path, change, words):
    with pytest.raises(ModalityError, match=words):
        read(table(tmp_path / "aseg.tsv", aseg() | change))


def test_a_head_that_no_person_has_is_flagged(read, tmp_path):
    people = [f"p{row}" for row in range(5)]
    sizes = {"EstimatedTotalIntraCranialVol": [400_000.0, *HEAD[1:]]}
    read(table(tmp_path / "aseg.tsv", aseg(people) | sizes))
    quality = (tmp_path / "imaging/quality.tsv").read_text().splitlines()
    assert "No head has 400 ml." in quality[1]


def test_thickness_in_another_unit_is_refused(read, tmp_path):
    thousandfold = [value * 1000 for value in THICKNESS]
    with pytest.raises(ModalityError, match="median thickness"):
        read(
            table(tmp_path / "volume.tsv", aparc("lh", "volume", INSULA)),
            table(tmp_path / "thickness.tsv", aparc("lh", "thickness", thousandfold)),
        )


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (aseg([*PEOPLE[:4], PEOPLE[0]]), "1 people appear more than once: 'sub-007'"),
        (aseg([f"1.23{row}E+19" for row in range(5)]), "numbers in powers of ten"),
        (aseg() | {"Left-Hippocampus": ["3,5"] * 5}, "no numbers"),
        (aseg([*PEOPLE[:4], ""]), "1 rows have no"),
        (
            {"lh.aparc.meancurv": list(PEOPLE), "lh_insula_meancurv": THICKNESS},
            "a table of meancurv",
        ),
    ],
)
def test_damaged_tables_of_software_are_named(read, tmp_path, columns, words):
    with pytest.raises(TableError, match=words):
        read(table(tmp_path / "aseg.tsv", columns))


def test_tables_of_different_people_or_runs_are_refused(read, tmp_path):
    first = table(tmp_path / "aseg.tsv", aseg())
    renamed = aparc("lh", "volume", INSULA) | {"lh.aparc.volume": [f"x{row}" for row in range(5)]}
    with pytest.raises(TableError, match="nobody is in two of these tables"):
        read(first, table(tmp_path / "others.tsv", renamed))
    again = aparc("lh", "volume", INSULA) | {"eTIV": [size * 1.05 for size in HEAD]}
    with pytest.raises(TableError, match="head size of 5 people differs"):
        read(first, table(tmp_path / "again.tsv", again))


def test_a_folder_of_neither_program_is_named_with_what_is_in_it(read, tmp_path):
    (tmp_path / "folder/other").mkdir(parents=True)
    with pytest.raises(InputFileError, match=r"neither <subject>/stats/aseg.stats nor.*'other'"):
        read(str(tmp_path / "folder"))


def test_files_in_folders_are_inputs_one_by_one_but_on_no_command_line(tmp_path):
    stats = tmp_path / "subjects/sub-1/stats"
    stats.mkdir(parents=True)
    for name in ("aseg.stats", "lh.aparc.stats", "rh.aparc.a2009s.stats", "wmparc.stats"):
        (stats / name).touch()
    section = ImagingSection.parse({"measurements": [str(tmp_path / "subjects"), "a.tsv"]})
    read = [f"{stats}/aseg.stats", f"{stats}/lh.aparc.stats", "a.tsv"]
    assert section.measured_files() == read
    assert section.measured_files(folders=False) == ["a.tsv"]
    assert given_files(["a.tsv"], section.dump()) == {"tables": ["a.tsv"], "measurements": read[:2]}
