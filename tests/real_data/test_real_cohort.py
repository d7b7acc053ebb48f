"""Real genotypes and real scans in one cohort: 1,000 people, 24 of whom also get an image."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gendmr.cohort.collect import collect_modality
from gendmr.cohort.join import join_people
from gendmr.cohort.splits import split_folds
from gendmr.cohort.view import FoldView
from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.region import RegionSection
from gendmr.config.modalities.snp import SnpSection
from gendmr.errors import IdentifierError
from gendmr.files.atomic import read_json
from gendmr.files.tables import write_table
from gendmr.genotypes.filesets import read_bim, read_fam
from gendmr.modalities.store import write_modality
from gendmr.tasks import task_of
from plink_reader import read_dosages

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

PREFIX = "genotypes/snpstats_chr10/chr10_cc1000"


@pytest.fixture(scope="module")
def stages(real_data, tmp_path_factory):
    """What the stages before leave, for genotypes as they are and images of the right people."""
    folder = tmp_path_factory.mktemp("real")
    for suffix in ("bed", "bim", "fam"):
        shutil.copy(real_data / f"{PREFIX}.{suffix}", folder / f"qc.{suffix}")
    people = read_fam(folder / "qc")["iid"].tolist()
    header = ["kind", "id", "stage", "step", "reason", "value", "threshold"]
    write_table(folder / "attrition.tsv", pd.DataFrame(columns=header))
    pairs = pd.DataFrame(
        [(people[1], people[0], 0.49, "duplicate")], columns=["id1", "id2", "kinship", "relation"]
    )
    write_table(folder / "kinship.tsv", pairs)
    bim = read_bim(folder / "qc")
    genes = bim[["snp", "chromosome", "position"]].head(5000)
    genes = genes.assign(gene="G1", distance=0, relation="inside")
    write_table(folder / "snp2gene.tsv", genes)
    (folder / "summary.json").write_text('{"build": "NCBI36"}')
    scans = pd.read_csv(real_data / "mri/ds002748/participants.tsv", sep="\t", dtype=str)
    imaged = [f"sub-{name}" for name in people[: len(scans)]]
    n = len(imaged)
    rng = np.random.default_rng(0)
    regions = xr.Dataset(
        {
            **{
                name: (("participant", "region"), rng.uniform(1, 2, (n, 2)))
                for name in ("volume", "mean", "spread")
            },
            "icv": ("participant", rng.uniform(1.2e6, 1.8e6, n)),
        },
        coords={
            "participant": imaged,
            "region": ["a", "b"],
            "hemisphere": ("region", ["L", "R"]),
            **{axis: ("region", [0.0, 1.0]) for axis in "xyz"},
        },
    )
    write_modality(folder / "regions.nc", regions, "region")
    quality = pd.DataFrame({"participant_id": imaged, "outlier": False, "reason": "n/a"})
    write_table(folder / "quality.tsv", quality)
    subjects = pd.read_csv(real_data / PREFIX.replace("chr10_cc1000", "subjects.tsv"), sep="\t")
    return folder, people, subjects


def join(folder, people, subjects, output):
    case = dict(zip(subjects.iloc[:, 0].astype(str), subjects["cc"], strict=True))
    table = pd.DataFrame(
        {
            "participant_id": people,
            "diagnosis": ["case" if case[name] else "control" for name in people],
            "stratum": ["s"] * len(people),
        }
    )
    write_table(folder / "participants.tsv", table)
    section = CohortSection.parse(
        {"participants": str(folder / "participants.tsv"), "covariates": [], "categorical": []}
    )
    files = {"genotypes": "qc.bed", "attrition": "attrition.tsv", "kinship": "kinship.tsv"}
    files |= {"genes": "snp2gene.tsv", "annotation": "summary.json"}
    images = {"regions": "regions.nc", "quality": "quality.tsv"}
    sections = {"snp": SnpSection(), "region": RegionSection()}
    sources = {
        name: {role: str(folder / file) for role, file in roles.items()}
        for name, roles in (("snp", files), ("region", images))
    }
    join_people(sources, sections, section, output)
    for name, entry in sections.items():
        people, path = output / "participants.tsv", output / f"{name}.nc"
        collect_modality(name, sources[name], entry, people, section, path)
    return section


def test_people_without_a_scan_are_kept_and_every_fold_has_some_with_one(stages, tmp_path):
    folder, people, subjects = stages
    section = join(folder, people, subjects, tmp_path)
    split_folds(tmp_path / "participants.tsv", section, 1, tmp_path / "splits.tsv")
    flow = read_json(tmp_path / "summary.json")["flow"]
    assert flow["analysed"][0]["outcomes"] == {"diagnosis": {"case": 500, "control": 500}}
    assert flow["analysed"][1]["n"] == 24
    dosage = read_dosages(folder / "qc")
    row = {name: i for i, name in enumerate(people)}
    task = task_of("diagnosis", section.outcomes["diagnosis"])
    for fold in range(5):
        view = FoldView.open(tmp_path, 0, fold, task=task, modalities=("snp", "region"))
        view.seal()
        held_out = view.held_out
        assert 4 <= held_out.present["region"].sum() <= 6
        assert abs(held_out.outcome.case.mean() - 0.5) < 0.02
        expected = dosage[[row[name] for name in held_out.participants]]
        assert np.array_equal(held_out.array("snp", "dosage"), expected)
        together = {people[0], people[1]} & set(held_out.participants)
        assert len(together) in {0, 2}


def test_scans_of_other_people_stop_the_run(stages, tmp_path, real_data):
    folder, people, subjects = stages
    with xr.open_dataset(folder / "regions.nc", engine="h5netcdf") as stored:
        regions = stored.load()
    scans = sorted(path.name for path in Path(real_data / "mri/ds002748").glob("sub-*"))
    other_folder = tmp_path / "other"
    shutil.copytree(folder, other_folder)
    renamed = regions.assign_coords(participant=np.array(scans[:24]))
    renamed["region"] = renamed["region"].astype(str)
    renamed["hemisphere"] = renamed["hemisphere"].astype(str)
    write_modality(other_folder / "regions.nc", renamed, "region")
    table = pd.DataFrame({"participant_id": scans[:24], "outlier": False, "reason": "n/a"})
    write_table(other_folder / "quality.tsv", table)
    with pytest.raises(IdentifierError, match=r"0 people of .*regions\.nc"):
        join(other_folder, people, subjects, tmp_path / "out")
