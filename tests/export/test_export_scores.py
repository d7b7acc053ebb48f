"""Scoring files say what the prediction adds up, allele by allele."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from export.validators import said, validator
from gendmr.export.results import StudyResults
from gendmr.export.scores import write_scores
from gendmr.files.datasets import read_dataset
from gendmr.genotypes.plink import Plink
from gendmr.modalities.store import attributions_schema, read_modality
from gendmr.simulate.plink import write_fileset

READ = """
import sys
from pgscatalog.core import ScoringFile
from pgscatalog.core.lib.models import ScoreHeader
header = ScoreHeader.from_path(sys.argv[1])
variants = list(ScoringFile(sys.argv[1]).variants)
print(header.genome_build, len(variants), header.trait_reported, variants[0].effect_allele)
"""


def score_file(study: Path, output: Path, method: str) -> Path:
    export = write_scores(StudyResults(study), output)
    assert output / f"{method}.txt.gz" in export.files
    return output / f"{method}.txt.gz"


def test_plink_scores_people_as_the_folds_do(study: Path, tmp_path: Path) -> None:
    """`plink2 --score` and the folds' own attributions differ by a constant."""
    path = score_file(study, tmp_path, "polygenic")
    snps = read_modality(study / "cohort/snp.nc", "snp")
    people = snps["participant"].values.astype(str)
    number = snps["chromosome"].to_series().replace({"X": "23"}).astype(int).to_numpy()
    snps = snps.isel(snp=np.lexsort((snps["position"].values, number)))
    dosage = snps["dosage"].values.T
    variants = pd.DataFrame(
        {
            "chromosome": snps["chromosome"].values,
            "snp": snps["snp"].values,
            "position": snps["position"].values,
            # The other allele is counted in the file set: programs match alleles, not columns.
            "a1": snps["other_allele"].values,
            "a2": snps["effect_allele"].values,
        }
    )
    flipped = np.where(dosage < 0, -1, 2 - dosage).astype(np.int8)
    fam = pd.DataFrame({"fid": "0", "iid": people, "sex": 0})
    write_fileset(tmp_path / "people", flipped, variants, fam)
    text = gzip.decompress(path.read_bytes()).decode()
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    (tmp_path / "score.txt").write_text(body + "\n")
    words = ["--bfile", "people", "--score", "score.txt", "1", "4", "6", "header"]
    words += ["no-mean-imputation", "cols=scoresums"]
    Plink().run("2", words, out="out", folder=tmp_path, people=people.tolist(), variants=None)
    table = pd.read_csv(tmp_path / "out.sscore", sep="\t", dtype={"#IID": str}).set_index("#IID")
    complete = people[(dosage >= 0).all(axis=0)]
    # Each person is held out in one fold: the mean of both folds' weights is checked by hand.
    weights = []
    for fold in range(2):
        result = StudyResults(study).folds["polygenic"][fold]
        fitted = result.terms("snp")
        names = result.instances("snp")
        per_allele = fitted["terms"][:, 0, 0] / fitted["scale"]
        weights.append(pd.Series(per_allele, index=names))
        stored = read_dataset(result.folder / "attributions.nc", attributions_schema())
        held_out = [name for name in stored["participant"].values.astype(str) if name in complete]
        rows = np.isin(stored["participant"].values.astype(str), held_out)
        columns = snps["snp"].to_index().get_indexer(pd.Index(names))
        dosages = snps["dosage"].values[np.isin(people, held_out)][:, columns]
        values = stored["value_snp"].values[rows].sum(axis=1)
        difference = values - dosages @ per_allele
        assert len(held_out) > 10
        np.testing.assert_allclose(difference, difference[0], atol=1e-5)
    mean = pd.concat(weights, axis=1).fillna(0.0).mean(axis=1)
    expected = pd.Series(
        snps["dosage"].values.astype(float) @ mean.reindex(snps["snp"].values).fillna(0).to_numpy(),
        index=people,
    )
    assert expected[complete].std() > 0.01
    np.testing.assert_allclose(
        table.loc[complete, "SCORE1_SUM"], expected[complete], rtol=1e-4, atol=1e-4
    )


def test_the_pgs_catalog_reads_it(study: Path, tmp_path: Path) -> None:
    path = score_file(study, tmp_path, "ridge-snp")
    python = validator("validators", "python")
    snps = gzip.decompress(path.read_bytes()).decode().count("\n") - 12
    assert snps > 20
    lines = said(python, "-c", READ, path).splitlines()
    # A header with an accession number of the Catalog exists only for published scores.
    assert [line for line in lines if line.startswith(f"GRCh37 {snps} diagnosis ")], lines


def test_a_method_without_terms_is_a_note(study: Path, tmp_path: Path) -> None:
    export = write_scores(StudyResults(study), tmp_path)
    assert {path.name for path in export.files} == {"ridge-snp.txt.gz", "polygenic.txt.gz"}
    again = tmp_path / "again"
    write_scores(StudyResults(study), again)
    for path in export.files:
        assert path.read_bytes() == (again / path.name).read_bytes()


def test_a_fold_without_terms_has_no_score(study: Path, tmp_path: Path) -> None:
    """As networks leave it: the file holds weights, and no terms."""
    results = tmp_path / "results" / "network"
    for source in sorted(study.glob("training/ridge-snp/repeat-0/fold-*")):
        fold = results / "training/ridge-snp/repeat-0" / source.name
        shutil.copytree(source, fold)
        tensors = load_file(fold / "model.safetensors")
        save_file(
            {name: value for name, value in tensors.items() if not name.startswith("terms.")},
            fold / "model.safetensors",
        )
    export = write_scores(StudyResults(results), tmp_path / "scores")
    assert export.files == [] and "no sum over SNPs" in export.notes[0]
