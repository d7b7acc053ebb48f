"""Measurements made elsewhere: what is handed on, what is flagged, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from gendmr.cohort.check import check_people
from gendmr.config.cohort import CohortSection
from gendmr.config.imaging import ImagingSection
from gendmr.config.modalities.region import RegionSection
from gendmr.errors import (
    AtlasError,
    ConfigurationError,
    IdentifierError,
    InputFileError,
    ModalityError,
    TableError,
)
from gendmr.files.atomic import read_json
from gendmr.files.tables import read_table
from gendmr.imaging.measurements import read_measurements
from gendmr.imaging.sides import side_of
from gendmr.modalities.region.source import SOURCE
from gendmr.modalities.store import read_modality

HEADER = "participant_id\ticv\thippocampus_L_volume\thippocampus_L_mean\trh_insula_volume"
PEOPLE = 12


def rows() -> list[str]:
    """Twelve people, the identifiers of some as hostile as real ones."""
    names = ["007", "1e5", "NA", *(f"sub-{number:02d}" for number in range(PEOPLE - 3))]
    return [
        f"{name}\t{1_400_000 + 9000 * i}\t{3500 + 20 * i}\t0.6\t{6000 + 30 * i}"
        for i, name in enumerate(names)
    ]


@pytest.fixture
def table(tmp_path: Path):
    """Write a table of measurements and read it through the stage."""

    def run(lines: list[str] | None = None, header: str = HEADER, **options: object) -> Path:
        path = tmp_path / "regions.tsv"
        path.write_text("\n".join([header, *(rows() if lines is None else lines)]) + "\n")
        section = ImagingSection.parse({"measurements": str(path), **options})
        read_measurements(section, tmp_path / "imaging")
        return tmp_path / "imaging"

    return run


def quality(folder: Path):
    columns = {"participant_id": "text", "dice": "number", "outlier": "flag", "reason": "text"}
    return read_table(folder / "quality.tsv", columns, extra=True, key="participant_id").set_index(
        "participant_id"
    )


def test_a_table_is_handed_on_as_the_region_modality(table):
    folder = table()
    regions = read_modality(folder / "regions.nc", "region")
    assert regions["participant"].values.tolist()[:4] == ["007", "1e5", "NA", "sub-00"]
    assert regions["region"].values.tolist() == ["hippocampus_L", "rh_insula"]
    assert regions["hemisphere"].values.tolist() == ["L", "R"]
    assert regions["volume"].values[1].tolist() == [3520, 6030]
    assert regions["icv"].values[1] == 1_409_000
    assert regions["mean"].values[:, 0].tolist() == [0.6] * PEOPLE
    # What nobody gave is missing, not 0.
    assert np.isnan(regions["mean"].values[:, 1]).all()
    assert np.isnan(regions["spread"].values).all()
    assert quality(folder)["dice"].isna().all()
    assert (folder / "figures/quality.png").stat().st_size > 1000


def test_the_cohort_joins_them_and_hears_of_outliers_and_of_who_has_nothing(table):
    lines = rows()
    lines[2] = lines[2].replace("3540", "9900")
    lines[4] = "sub-01\t1436000\tn/a\tn/a\tn/a"
    lines[5] = lines[5].replace("3600", "n/a")
    folder = table(lines)
    assert np.isnan(read_modality(folder / "regions.nc", "region")["volume"].values[4, 0])
    files = {"regions": str(folder / "regions.nc"), "quality": str(folder / "quality.tsv")}
    imaged = SOURCE.people(files, RegionSection(), CohortSection(participants="unused"))
    assert imaged.flagged == ["NA"]
    listed = imaged.attrition.set_index("id")
    assert listed.loc["01", "reason"] == "no regions measured: no volume given"
    assert set(imaged.names.values()) == {line.split("\t")[0] for line in rows()} - {"sub-01"}


def test_netcdf_is_handed_on_unchanged(table, tmp_path):
    first = table()
    path = (first / "regions.nc").rename(tmp_path / "given.nc")
    read_measurements(ImagingSection(measurements=str(path)), tmp_path / "again")
    xr.testing.assert_identical(
        read_modality(path, "region").drop_attrs(),
        read_modality(tmp_path / "again/regions.nc", "region").drop_attrs(),
    )


def test_excluded_people_are_left_out(table):
    folder = table(exclude=["00", "007"])
    people = read_modality(folder / "regions.nc", "region")["participant"].values
    assert len(people) == PEOPLE - 2
    assert not {"sub-00", "007"} & set(people.tolist())
    listed = quality(folder)
    assert listed.index[listed["status"] == "excluded"].tolist() == ["007", "sub-00"]
    assert listed.loc["007", "reason"] == "named in imaging.exclude"
    assert "'007', 'sub-00'" in " ".join(read_json(folder / "summary.json")["notes"])


def test_places_give_sides_and_centroids(table, tmp_path):
    places = tmp_path / "places.tsv"
    places.write_text(
        "region\themisphere\tx\ty\tz\n"
        "rh_insula\tR\t38\t4\t2\nhippocampus_L\tB\t-27\t-22\t-14\nother\tL\t0\t0\t0\n"
    )
    regions = read_modality(table(places=str(places)) / "regions.nc", "region")
    assert regions["hemisphere"].values.tolist() == ["B", "R"]
    assert regions["x"].values.tolist() == [-27, 38]
    places.write_text("region\themisphere\tx\ty\tz\nrh_insula\tR\t38\t4\t2\n")
    with pytest.raises(AtlasError, match=r"1 of 2 regions .*'hippocampus_L'"):
        table(places=str(places))


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("Left-Hippocampus", "L"),
        ("ctx-rh-insula", "R"),
        ("lh.bankssts", "L"),
        ("amygdala_R", "R"),
        ("area_r_2", "B"),
        ("brainstem", "B"),
        ("left_to_right", "B"),
    ],
)
def test_sides_by_name(name, side):
    assert side_of(name) == side


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda row: row.replace("\t3500", "\t-3500"), ModalityError, "negative"),
        (lambda row: row.replace("\t3500", "\tinf"), ModalityError, "infinite"),
        (lambda row: row.replace("\t3500", "\tlarge"), TableError, "'large'"),
        (lambda row: row.replace("007", "1e5"), TableError, "'1e5'"),
    ],
)
def test_impossible_values_are_named(table, change, error, words):
    lines = [change(line) for line in rows()]
    with pytest.raises(error, match=words):
        table(lines)


def test_another_unit_is_noticed(table):
    millilitres = [
        "\t".join([cells[0], str(float(cells[1]) / 1000), *cells[2:]])
        for cells in (line.split("\t") for line in rows())
    ]
    with pytest.raises(ModalityError, match="outside 600000 to"):
        table(millilitres)


@pytest.mark.parametrize(
    ("header", "lines", "error", "words"),
    [
        (HEADER.replace("_volume", ""), None, TableError, "no column <region>_volume"),
        (HEADER.replace("hippocampus_L_mean", "thickness"), None, TableError, "'thickness'"),
        (HEADER.replace("icv", "eTIV"), None, TableError, "'icv'"),
        (HEADER, [], ModalityError, "no people"),
        (HEADER, ["a\tn/a\tn/a\tn/a\tn/a"], ModalityError, "none of 1 people"),
    ],
)
def test_a_table_that_is_none_is_refused(table, header, lines, error, words):
    with pytest.raises(error, match=words):
        table(lines, header)


def test_an_unknown_label_among_the_excluded_is_named(table):
    with pytest.raises(InputFileError, match="'sub-00'"):
        table(exclude=["sub-00"])


def test_images_and_measurements_exclude_each_other():
    atlas = {"labels": "a.nii", "table": "a.tsv"}
    for wrong in (
        {},
        {"bids": "bids", "atlas": atlas, "measurements": "regions.tsv"},
        {"measurements": "regions.tsv", "atlas": atlas},
        {"bids": "bids"},
        {"bids": "bids", "atlas": atlas, "places": "places.tsv"},
    ):
        with pytest.raises(ConfigurationError, match=r"measurements|atlas|places"):
            ImagingSection.parse(wrong)


def test_people_of_measurements_are_known_before_anything_is_measured(tmp_path):
    table = tmp_path / "regions.tsv"
    table.write_text("\n".join([HEADER, *rows()]) + "\n")
    participants = tmp_path / "participants.tsv"
    text = "participant_id\tdiagnosis\n"
    text += "".join(f"x{row}\t{('case', 'control')[row % 2]}\n" for row in range(20))
    participants.write_text(text)
    cohort = CohortSection.parse(
        {"participants": str(participants), "covariates": [], "categorical": []}
    )
    stages = {"imaging": {"measurements": str(table)}}
    listing = SOURCE.early(stages["imaging"], RegionSection(), cohort)
    assert set(listing.names) == {row.split("\t")[0].removeprefix("sub-") for row in rows()}
    with pytest.raises(IdentifierError, match=r"regions\.tsv"):
        check_people(cohort, {"region": RegionSection()}, stages, tmp_path / "check.json")
