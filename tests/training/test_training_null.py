"""The null of a fold: the code of the fold, permuted diagnoses, chunks that go on after a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from factories import PLANTED_SNP, make_cohort
from gendmr.cohort.permutation import Permutations, make_strata
from gendmr.config.cohort import CohortSection
from gendmr.config.training import MethodOptions, TrainingSection
from gendmr.errors import ConfigurationError, FoldError
from gendmr.files.atomic import sha256
from gendmr.files.datasets import read_dataset
from gendmr.files.tables import read_table, write_table
from gendmr.training.fold import train_fold
from gendmr.training.null import fit_null
from gendmr.training.readout import instance_scores

KINDS: dict[str, dict[str, Any]] = {
    "gendmr": {"kind": "gendmr", "width": 8, "attention": 8, "heads": 2, "parts": 3},
    "fusion": {"kind": "fusion", "width": 4},
    "ridge": {"kind": "ridge", "penalties": [100.0]},
    "association": {"kind": "association"},
    "locus": {"kind": "locus", "snps": [PLANTED_SNP]},
}


def options(kind: str, **more: Any) -> MethodOptions:
    return MethodOptions.parse(
        {
            "method": KINDS[kind],
            "adjustment": {"components": 2},
            "optimisation": {"epochs": 2} if kind in {"gendmr", "fusion"} else None,
            **more,
        }
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("null")
    make_cohort(folder / "cohort", snps=60, genes=20, regions=6)
    stratify(folder / "cohort")
    return folder


def stratify(cohort: Path, alone: bool = False) -> None:
    table = read_table(cohort / "participants.tsv", {"participant_id": "text"}, extra=True)
    components = pd.DataFrame({"id": table["participant_id"], "PC1": 0.0, "PC2": 0.0})
    section = CohortSection.parse({"participants": "people.tsv", "movable": 0.0})
    strata, _ = make_strata(table, components, section, 0)
    if alone:
        strata["stratum"] = strata["participant_id"]
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
    whole = read_dataset(run(study, kind, 0, 5), "null")
    path = run(study, kind, 3, 2)
    half, before = read_dataset(path, "null"), sha256(path)
    assert whole["permutation"].values.tolist() == [0, 1, 2, 3, 4]
    assert half["permutation"].values.tolist() == [3, 4]
    for name in half.data_vars:
        bag = str(name).rsplit("_", 1)[1]
        same = whole[name].sel({bag: half[bag].values}).values[3:]
        # Networks take their steps as one product: not the same bits, the same numbers.
        np.testing.assert_allclose(half[name].values, same, rtol=0.05, atol=2e-3)
    # Different permutations give different scores, and the same ones the same bytes.
    scores = whole["mean_abs_snp"].values
    assert len(np.unique(scores, axis=0)) == 5
    path.unlink()
    assert sha256(run(study, kind, 3, 2)) == before


def test_the_permutation_that_changes_nothing_gives_the_scores_of_the_fold(tmp_path: Path) -> None:
    """A stratum for each person leaves all diagnoses as they are; this method has no seed."""
    make_cohort(tmp_path / "cohort", snps=60, genes=20, regions=6)
    stratify(tmp_path / "cohort", alone=True)
    drawn = Permutations.read(tmp_path / "cohort/strata.tsv", 3).draw(0)
    table = read_table(tmp_path / "cohort/participants.tsv", {"participant_id": "text"}, extra=True)
    assert list(drawn.values()) == (table["diagnosis"] == "case").astype(int).tolist()
    null = read_dataset(run(tmp_path, "locus", 0, 1), "null")
    train_fold(
        tmp_path / "cohort", tmp_path / "fold", method="locus", repeat=0, fold=1,
        options=options("locus"), seed=3,
    )  # fmt: skip
    risk = read_dataset(tmp_path / "fold/attention.nc", "attention")["risk_snp"].values
    expected = instance_scores(risk, "mean_abs")
    np.testing.assert_allclose(null["mean_abs_snp"].values[0], expected, rtol=1e-6)
    assert null["snp"].values.tolist() == [PLANTED_SNP] and expected > 0


def test_selection_by_association_is_repeated_in_every_permutation(study: Path) -> None:
    selection = {"mode": "fold_association", "maximum": 10}
    null = read_dataset(run(study, "association", 0, 6, selection=selection), "null")
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
    kept = sorted(parts.glob("*/*.nc"))
    assert kept
    before = kept[0].stat().st_mtime_ns
    damaged = kept[0].with_name("40-79.nc")
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
    strata = read_table(tmp_path / "cohort/strata.tsv", {"participant_id": "text"}, extra=True)
    write_table(tmp_path / "cohort/strata.tsv", strata.iloc[30:])
    with pytest.raises(FoldError, match="people of the fold have no stratum"):
        run(tmp_path, "ridge", 0, 1)


def test_a_null_of_a_method_that_ranks_nothing_is_refused() -> None:
    methods = {"a": {"kind": "ridge", "modalities": ["covariates"]}, "b": {"kind": "ridge"}}
    section = TrainingSection.parse({"methods": methods, "null": {"permutations": 7, "chunk": 3}})
    assert section.with_null == ["b"] and section.null_chunks("a") == 0
    assert [section.null_range(chunk) for chunk in range(section.null_chunks("b"))] == [
        (0, 3), (3, 3), (6, 1),
    ]  # fmt: skip
    with pytest.raises(ConfigurationError, match=r"null\.methods: 'a'"):
        TrainingSection.parse({"methods": methods, "null": {"methods": ["a"]}})
