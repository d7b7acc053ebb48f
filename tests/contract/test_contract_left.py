"""Files that a fold must leave are there whoever of its people lacks a modality."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from contract.conftest import train
from contract.members import COMBINATIONS, options

# The modality that files of a method are about, beside those of its task.
ABOUT = {"mgi": "expression", "subspace": "patch", "migtrans": "volume"}
# Options with which a method leaves files that it does not leave in the other runs of the contract.
LEAVING: dict[str, dict[str, Any]] = {
    "migtrans": {"reads": ["snp", "volume"], "seeds": 1, "optimisation": {"epochs": 1}}
}


def test_every_method_of_the_contract_that_leaves_files_is_here() -> None:
    leaving = {kind for kind, task in COMBINATIONS if files_of_method(kind, task)}
    assert leaving == set(ABOUT)


def files_of_method(kind: str, task: str) -> tuple[str, ...]:
    method_options = options(kind, task, **LEAVING.get(kind, {}))
    return method_options.method.left_files(method_options.reads)


@pytest.mark.parametrize("who", ["everybody", "held-out"])
@pytest.mark.parametrize("kind", ABOUT)
def test_left_files__are_there_where_nobody_has_the_modality(
    cohort: Path, tmp_path: Path, kind: str, who: str
) -> None:
    task = next(task_name for member, task_name in COMBINATIONS if member == kind)
    lacking = tmp_path / "cohort"
    shutil.copytree(cohort, lacking)
    splits = pd.read_csv(cohort / "splits.tsv", sep="\t", dtype=str)
    people = pd.read_csv(cohort / "participants.tsv", sep="\t", dtype=str, keep_default_na=False)
    rows = splits.loc[splits["inner_0"] == "held-out", "participant_id"]
    hidden = people["participant_id"].isin(rows) | (who == "everybody")
    people.loc[hidden, f"has_{ABOUT[kind]}"] = "False"
    people.to_csv(lacking / "participants.tsv", sep="\t", index=False)
    changes = LEAVING.get(kind, {})
    folder = tmp_path / "out" / "repeat-0" / "fold-0"
    output = train(lacking, folder, kind, task, changes=changes)
    assert files_of_method(kind, task)
    for name in options(kind, task, **changes).left_files:
        assert (output / name).stat().st_size > 0, name
