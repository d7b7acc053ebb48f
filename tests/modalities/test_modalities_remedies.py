"""What an error of a modality says to change is changed, and it is read then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from gendmr.config.cohort import CohortSection
from gendmr.config.modalities.edge import EdgeSection
from gendmr.config.modalities.volume import VolumeSection
from gendmr.errors import (
    AnnotationError,
    AtlasError,
    ConfigurationError,
    GendmrError,
    GenotypeFileError,
    ImageError,
    InputFileError,
    ModalityError,
)
from gendmr.modalities.alteration.source import SOURCE as ALTERATIONS
from gendmr.modalities.covariates import Covariates
from gendmr.modalities.edge.transform import EdgeTransform
from gendmr.modalities.snp.source import autosomes, genes_of
from gendmr.modalities.volume.source import SOURCE as VOLUMES
from gendmr.modalities.volume.source import grid
from remedies import mended, row

TABLE, VOLUME = "modalities/table.py", "modalities/volume/source.py"
SNP = "modalities/snp/source.py"


@pytest.mark.parametrize(
    ("module", "remedy", "wrong", "mending"),
    [
        row(TABLE, "give one column for each ", "participant_id\nP1\n",
            "participant_id\tTP53\nP1\t1\n"),
        row(TABLE, "take the column out, or write ", "participant_id\tTP53\tKRAS\nP1\t1\twild\n",
            "participant_id\tTP53\nP1\t1\n"),
        row(TABLE, "take the column out, or write ", "participant_id\tTP53\tKRAS\nP1\t1\twild\n",
            "participant_id\tTP53\tKRAS\nP1\t1\tn/a\n"),
    ],
)  # fmt: skip
def test_check__a_table_as_the_remedy_asks_for(tmp_path, module, remedy, wrong, mending):
    path = tmp_path / "alterations.tsv"
    path.write_text(wrong)
    sources = {ALTERATIONS.source: str(path)}
    with mended(module, remedy, ModalityError, lambda: ALTERATIONS.check(sources)):
        path.write_text(mending)


@pytest.mark.parametrize("part", ["names", "column"])
def test_fit__covariates_that_there_are(part):
    table, names = pd.DataFrame({"age": [70.0, 71.0]}), ["age", "iq"]

    def fit():
        Covariates.fit(table, tuple(names), [], "training.covariates")

    words = " or add the column to cohort.covariates"
    with mended("modalities/covariates.py", words, ConfigurationError, fit) as refused:
        assert refused.next_step.startswith("correct training.covariates or")
        if part == "names":
            names.remove("iq")
        else:
            table["iq"] = [100.0, 110.0]


class Edges:
    """Stands for people of a fold: edges that are not all pairs of some regions."""

    def require(self, *_: str) -> Any:
        return self

    having = require

    def array(self, *_: str) -> np.ndarray:
        return np.random.default_rng(0).uniform(-0.5, 0.5, (6, 4))

    def instances(self, *_: str) -> pd.DataFrame:
        return pd.DataFrame({"edge": list("abcd")})


def test_fit__edges_in_a_space_that_needs_no_pairs():
    section = {"space": "tangent"}
    words = "set modalities: edge: space: fisher_z"

    def fit():
        EdgeTransform.fit(Edges(), EdgeSection.parse(section), np.zeros((6, 0)))

    with mended("modalities/edge/transform.py", words, ModalityError, fit):
        section["space"] = "fisher_z"


def test_autosomes__numbers_of_chromosomes():
    variants = pd.DataFrame({"chromosome": ["X", "Y"]})
    words = "write 1 to 22 in the first column of the .bim, with or without chr"
    with mended(SNP, words, GenotypeFileError, lambda: autosomes("qc", variants)):
        variants["chromosome"] = ["1", "22"]


def test_genes_of__a_table_of_the_same_variants(tmp_path):
    path = tmp_path / "snp2gene.tsv"
    head = "snp\tchromosome\tposition\tgene\tdistance\trelation\n"
    path.write_text(head + "x1\t1\t5\tA\t0\tinside\n")
    words = "check annotation.build, or widen the windows"
    with mended(SNP, words, AnnotationError, lambda: genes_of(np.array(["rs1"], object), path)):
        path.write_text(head + "rs1\t1\t5\tA\t-4000\tupstream\n")


# Maps of grey matter ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def voxels() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return grid(8.0)


@pytest.fixture(scope="module")
def template() -> nib.Nifti1Image:
    """Grey matter at 4 mm."""
    from nilearn.datasets import load_mni152_gm_template

    image = load_mni152_gm_template(resolution=2)
    coarse = image.affine @ np.diag([2.0, 2, 2, 1])
    return nib.Nifti1Image(image.get_fdata()[::2, ::2, ::2], coarse)


class Maps:
    """A table of maps and an atlas, and what the section says of them; changed by the tests."""

    def __init__(self, folder: Path, template: nib.Nifti1Image) -> None:
        self.folder, self.template = folder, template
        self.rows = ["a\ta.nii", "b\tb.nii"]
        self.section: dict[str, Any] = {"resolution": 8.0}
        for name in "ab":
            self.save(f"{name}.nii", template.get_fdata(), template.affine)

    def save(self, name: str, values: np.ndarray, affine: np.ndarray) -> None:
        nib.save(nib.Nifti1Image(values.astype(np.float32), affine), self.folder / name)

    def atlas(self, offset: float) -> None:
        """Write an atlas of two halves, away from the template by some mm."""
        shape = self.template.shape
        labels = np.ones(shape, np.int16)
        labels[shape[0] // 2 :] = 2
        affine = self.template.affine.copy()
        affine[0, 3] += offset
        nib.save(nib.Nifti1Image(labels, affine), self.folder / "atlas.nii")
        table = self.folder / "atlas.tsv"
        table.write_text("index\tregion\themisphere\n1\thalf\tL\n2\thalf\tR\n")
        files = {"labels": str(self.folder / "atlas.nii"), "table": str(table)}
        self.section["atlas"] = files

    def collect(self) -> None:
        table = self.folder / "maps.tsv"
        table.write_text("participant_id\tfile\n" + "".join(f"{line}\n" for line in self.rows))
        section = VolumeSection.parse({"table": str(table), **self.section})
        sources = section.sources("results")
        VOLUMES.check(sources)
        cohort = CohortSection(participants="made-up")
        people = {key: key for key in VOLUMES.people(sources, section, cohort).names}
        VOLUMES.collect(sources, people, section, cohort, self.folder / "volume.nc")


@pytest.mark.parametrize(
    ("module", "remedy", "error", "wrong", "mending"),
    [
        row(VOLUME, "correct the column `file`; it is relative to the folder of the table",
            InputFileError, lambda maps: setattr(maps, "rows", ["a\tx/a.nii", "b\tx/b.nii"]),
            lambda maps: setattr(maps, "rows", ["a\ta.nii", "b\tb.nii"])),
        row(VOLUME, "fetch it again, or take the person out of the table of `volume`",
            InputFileError, lambda maps: (maps.folder / "b.nii").write_bytes(b"cut"),
            lambda maps: maps.rows.pop()),
        row(VOLUME, "give the map of grey matter alone", ImageError,
            lambda maps: maps.save("b.nii", np.stack([maps.template.get_fdata()] * 2, -1),
                                   maps.template.affine),
            lambda maps: maps.save("b.nii", maps.template.get_fdata(), maps.template.affine)),
        row(VOLUME, "give modulated grey matter in MNI space (CAT12: mwp1*.nii)", ImageError,
            lambda maps: maps.save("b.nii", maps.template.get_fdata(),
                                   maps.template.affine + np.eye(4, k=3) * 150),
            lambda maps: maps.save("b.nii", maps.template.get_fdata(), maps.template.affine)),
        row(VOLUME, "give an atlas in MNI space in `modalities: volume: atlas:`", AtlasError,
            lambda maps: maps.atlas(1000), lambda maps: maps.atlas(0)),
    ],
)  # fmt: skip
def test_collect__maps_as_the_remedy_asks_for(
    tmp_path,
    monkeypatch,
    voxels,
    template,
    module,
    remedy,
    error: type[GendmrError],
    wrong,
    mending,
):
    monkeypatch.setattr("gendmr.modalities.volume.source.grid", lambda _: voxels)
    maps = Maps(tmp_path, template)
    wrong(maps)
    with mended(module, remedy, error, maps.collect):
        mending(maps)
