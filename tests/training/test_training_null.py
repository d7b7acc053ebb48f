"""The null of a fold: the code of the fold, permuted outcomes, chunks that go on after a kill."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factories import PLANTED_SNP, make_cohort
from gendmr.cohort.outcomes import everybody
from gendmr.cohort.permutations import Permutations
from gendmr.config.training import MethodOptions
from gendmr.errors import FoldError, TrainingError
from gendmr.files.atomic import sha256
from gendmr.files.datasets import read_dataset
from gendmr.files.tables import write_table
from gendmr.modalities.store import attributions_schema, null_schema
from gendmr.tasks import task_of
from gendmr.training.commands import group
from gendmr.training.fold import train_fold
from gendmr.training.null import fit_null
from gendmr.training.readout import instance_scores
from planted_outcomes import add_outcomes, read_text_table
from remedies import mended
from studies import slice_of

KINDS: dict[str, dict[str, Any]] = {
    "gendmr": {"kind": "gendmr", "width": 8, "attention": 8, "heads": 2, "parts": 3},
    "fusion": {"kind": "fusion", "width": 4},
    "ridge": {"kind": "ridge", "penalties": [100.0]},
    "association": {"kind": "association"},
    "locus": {"kind": "locus", "snps": [PLANTED_SNP]},
}
SCHEMA = null_schema(("snp", "region"))


def options(kind: str, **more: Any) -> MethodOptions:
    return slice_of(KINDS[kind], epochs=2, **more)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("null")
    add_outcomes(make_cohort(folder / "plain", snps=60, genes=20, regions=6), folder / "cohort")
    stratify(folder / "cohort")
    return folder


def stratify(cohort: Path, alone: bool = False) -> None:
    """Write strata of sex; `alone`, a stratum for each person."""
    table = read_text_table(cohort / "participants.tsv")
    strata = table[["participant_id", "diagnosis", "family"]].assign(
        stratum=table["participant_id"] if alone else table["sex"], ancestry="1"
    )
    write_table(cohort / "strata.tsv", strata)


def run(study: Path, kind: str, first: int, count: int, **more: Any) -> Path:
    output = study / "training" / kind / "null/repeat-0/fold-1" / f"chunk-{first}-{count}.nc"
    fit_null(
        study / "cohort", output, method=kind, repeat=0, fold=1, first=first, count=count,
        options=options(kind, **more), seed=3,
    )  # fmt: skip
    assert list(output.parent.glob("*checkpoints*")) == []
    return output


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_permutation_does_not_depend_on_those_beside_it(study: Path, kind: str) -> None:
    whole = read_dataset(run(study, kind, 0, 5), SCHEMA)
    path = run(study, kind, 3, 2)
    half, before = read_dataset(path, SCHEMA), sha256(path)
    assert whole["permutation"].values.tolist() == [0, 1, 2, 3, 4]
    assert half["permutation"].values.tolist() == [3, 4]
    for name in half.data_vars:
        modality = str(name).rsplit("_", 1)[1]
        expected = whole[name].sel({modality: half[modality].values}).values[3:]
        # Networks take their steps as one product: not the same bits, the same numbers.
        np.testing.assert_allclose(half[name].values, expected, rtol=0.05, atol=2e-3)
    # Different permutations give different scores, and the same ones the same bytes.
    scores = whole["mean_abs_snp"].values
    assert len(np.unique(scores, axis=0)) == 5
    path.unlink()
    assert sha256(run(study, kind, 3, 2)) == before


@pytest.mark.parametrize("outcome", ["diagnosis", "stage", "memory", "conversion", "relapse"])
def test_the_permutation_that_changes_nothing_gives_the_scores_of_the_fold(
    tmp_path: Path, outcome: str
) -> None:
    """A stratum for each person leaves all outcomes as they are; this method has no seed."""
    plain = make_cohort(tmp_path / "plain", snps=60, genes=20, regions=6)
    cohort = add_outcomes(plain, tmp_path / "cohort")
    stratify(cohort, alone=True)
    method_options = options("locus", outcome=outcome)
    people, outcomes = everybody(cohort / "participants.tsv", task_of(outcome, method_options.task))
    drawn = Permutations.read(cohort / "strata.tsv", 3, people, outcomes).draw(0)
    assert drawn.tolist() == list(range(80))
    null = read_dataset(run(tmp_path, "locus", 0, 1, outcome=outcome), SCHEMA)
    train_fold(
        cohort, tmp_path / "fold", method="locus", repeat=0, fold=1, options=method_options, seed=3
    )
    stored = read_dataset(tmp_path / "fold/attributions.nc", attributions_schema(("snp",)))
    expected = instance_scores(stored["value_snp"].values, "mean_abs")
    np.testing.assert_allclose(null["mean_abs_snp"].values[0], expected, rtol=1e-6)
    assert null["snp"].values.tolist() == [PLANTED_SNP] and expected > 0


@pytest.mark.parametrize("outcome", ["stage", "memory", "conversion", "relapse"])
def test_outcomes_of_every_kind_are_permuted(study: Path, outcome: str) -> None:
    path = run(study, "association", 0, 3, outcome=outcome)
    scores = read_dataset(path, SCHEMA)["mean_abs_snp"].values
    assert scores.shape[0] == 3 and len(np.unique(scores, axis=0)) == 3
    path.unlink()


def test_permutations_in_which_nothing_is_read_are_rows_of_zeros(study: Path) -> None:
    """A score that never rises with the outcome ranks no SNP: an empty table is one, too."""
    kinds = {"kind": "polygenic", "thresholds": [1e-30]}
    output = study / "nothing.nc"
    fit_null(
        study / "cohort", output, method="p", repeat=0, fold=1, first=0, count=2,
        options=slice_of(kinds), seed=3,
    )  # fmt: skip
    null = read_dataset(output, SCHEMA)
    assert null.sizes["permutation"] == 2 and not null["mean_abs_snp"].values.any()


@pytest.mark.parametrize(
    ("outcome", "reads"),
    [
        *(("diagnosis", "snp"), ("stage", "snp"), ("conversion", "snp")),
        *(("diagnosis", "region"), ("conversion", "region")),
    ],
)
def test_evidence_of_outcomes_that_stay_is_that_of_the_fold(
    study: Path, tmp_path: Path, outcome: str, reads: str
) -> None:
    """One modality at a time: parts of the prediction from imaging are drawn by the seed."""
    shutil.copytree(study / "cohort", tmp_path / "cohort")
    stratify(tmp_path / "cohort", alone=True)
    method_options = slice_of(KINDS["gendmr"] | {"reads": [reads]}, epochs=2, outcome=outcome)
    task = {"method": "gendmr", "repeat": 0, "fold": 1, "options": method_options, "seed": 3}
    train_fold(tmp_path / "cohort", tmp_path / "fold", **task)
    fit_null(
        tmp_path / "cohort", tmp_path / "null.nc", first=2, count=3, evidence_alone=True, **task
    )
    null = read_dataset(tmp_path / "null.nc", SCHEMA)
    assert set(null.data_vars) == {f"evidence_{reads}"}
    assert null["permutation"].values.tolist() == [2, 3, 4]
    fold = read_dataset(tmp_path / "fold/attributions.nc", attributions_schema((reads,)))
    expected = fold[f"evidence_{reads}"].sel({reads: null[reads].values}).values
    for scores in null[f"evidence_{reads}"].values:
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-6)
    assert expected.max() > 1


def test_permuted_outcomes_give_other_evidence(study: Path, tmp_path: Path) -> None:
    fit_null(
        study / "cohort", tmp_path / "null.nc", method="gendmr", repeat=0, fold=1, first=0, count=3,
        options=options("gendmr"), seed=3, evidence_alone=True,
    )  # fmt: skip
    for values in read_dataset(tmp_path / "null.nc", SCHEMA).data_vars.values():
        assert len(np.unique(values, axis=0)) == 3


def test_evidence_alone_of_a_method_that_must_be_fitted_is_refused(
    study: Path, tmp_path: Path
) -> None:
    command = [
        *("null", "--method", "ridge", "--cohort", str(study / "cohort")),
        *("--repeat", "0", "--fold", "1", "--first", "0", "--count", "2", "--seed", "3"),
        *("--options", options("ridge").dump(), "--output", str(tmp_path / "null.nc")),
        "--evidence",
    ]

    def collect() -> None:
        group(command, standalone_mode=False)

    words = "run the null without --evidence"
    with mended("training/null.py", words, TrainingError, collect) as refused:
        command.remove("--evidence")
    assert "ridge: its evidence under permuted outcomes needs fits" in refused.what
    assert (tmp_path / "null.nc").is_file()


def test_selection_by_association_is_repeated_in_every_permutation(study: Path) -> None:
    selection = {"mode": "fold_association", "maximum": 10}
    modalities = {"snp": {"selection": selection}}
    null = read_dataset(run(study, "association", 0, 6, modalities=modalities), SCHEMA)
    read = null["mean_abs_snp"].values > 0
    assert (read.sum(axis=1) == 10).all()
    assert len(np.unique(read, axis=0)) == 6


def test_a_killed_chunk_goes_on_and_ends_with_the_same_bytes(study: Path, tmp_path: Path) -> None:
    expected = sha256(run(study, "ridge", 0, 120))
    output = tmp_path / "training/ridge/null/repeat-0/fold-1/chunk-0.nc"
    command = [
        *(sys.executable, "-m", "gendmr", "training", "null", "--method", "ridge"),
        *("--cohort", str(study / "cohort"), "--repeat", "0", "--fold", "1", "--first", "0"),
        *("--count", "120", "--options", options("ridge").dump(), "--seed", "3"),
        *("--output", str(output)),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    parts = output.with_name("chunk-0-checkpoints")
    deadline = time.monotonic() + 120
    while not list(parts.glob("*/*.nc")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL and not output.exists()
    part_files = sorted(parts.glob("*/*.nc"))
    assert part_files
    before = part_files[0].stat().st_mtime_ns
    damaged = part_files[0].with_name("40-79.nc")
    damaged.write_bytes(b"half of a part")
    again = subprocess.run(command, stderr=subprocess.PIPE, check=True)
    assert b"40-79.nc is damaged: made again" in again.stderr
    assert before < output.stat().st_mtime_ns and sha256(output) == expected
    assert not parts.exists()


def test_a_chunk_may_be_written_anywhere(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fit_null(
        study / "cohort", "null.nc", method="ridge", repeat=0, fold=1, first=0, count=2,
        options=options("ridge"), seed=3,
    )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["null.nc"]


def test_people_without_a_stratum_are_a_named_error(tmp_path: Path) -> None:
    make_cohort(tmp_path / "cohort", snps=30, genes=10, regions=4)
    stratify(tmp_path / "cohort")
    strata = read_text_table(tmp_path / "cohort/strata.tsv")
    write_table(tmp_path / "cohort/strata.tsv", strata.iloc[30:])
    with pytest.raises(FoldError, match=r"people of the (cohort|fold) have no stratum"):
        run(tmp_path, "ridge", 0, 1)
