"""A model file is the fold: read anew, it says the same of the same people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from contract.conftest import Trained
from contract.members import COMBINATIONS
from gendmr.errors import ModelError
from gendmr.files.tables import read_table
from gendmr.predict.cohort import OtherCohort
from gendmr.predict.matching import match, without_known
from gendmr.predict.study import predict_study
from gendmr.training.model import read_model

EACH = pytest.mark.parametrize(("kind", "task"), COMBINATIONS)


@EACH
def test_read_model__predicts_what_the_fold_predicted(
    cohort: Path, trained: Trained, tmp_path: Path, kind: str, task: str
) -> None:
    folder = trained(kind, task)
    model = read_model(folder / "model.safetensors")
    if not model.preparation.task.n_outputs:
        with pytest.raises(ModelError, match="images and not numbers"):
            predict_study(folder / "model.safetensors", cohort, tmp_path)
        return
    rows = read_table(folder / "predictions.tsv", {"participant_id": "text"}, extra=True)
    rows = rows[rows["set"] == "held-out"].reset_index(drop=True)
    other_cohort, _ = without_known([model], OtherCohort.open(cohort), "leave-out")
    matched = match(model, other_cohort, 1.0)
    people = model.preparation.apply(other_cohort.subset(model, matched.alignments))
    predicted = model.preparation.task.predictions(
        model.fitted.predict(people), people.outcome, model.calibration
    ).set_index(people.participants)
    assert set(rows["participant_id"]) <= set(predicted.index)
    predicted = predicted.loc[rows["participant_id"]]
    assert people.patterns.size >= len(rows)
    for name in predicted:
        written = pd.to_numeric(rows[name], errors="coerce").to_numpy(float)
        if np.isfinite(written).any():
            read = pd.to_numeric(predicted[name]).to_numpy(float)
            np.testing.assert_allclose(read, written, rtol=1e-4, atol=2e-5)
        else:
            assert predicted[name].astype(str).tolist() == rows[name].tolist()


@EACH
def test_write_model__holds_no_person(cohort: Path, trained: Trained, kind: str, task: str) -> None:
    path = trained(kind, task) / "model.safetensors"
    people = pd.read_csv(cohort / "participants.tsv", sep="\t", dtype=str)
    # Identifiers of the factories are short numbers; in quotation marks they are nothing else.
    text = path.read_bytes()
    assert [name for name in people["participant_id"] if f'"{name}"'.encode() in text] == []
    splits = pd.read_csv(cohort / "splits.tsv", sep="\t", dtype=str)
    train = splits.loc[splits["inner_0"] == "train", "participant_id"]
    having = people[people["participant_id"].isin(train)]
    sizes = {len(people), len(train), *splits["inner_0"].value_counts()}
    sizes |= {int((having[name] == "True").sum()) for name in having if name.startswith("has_")}
    # Smaller numbers are widths of layers too.
    sizes = {size for size in sizes if size > 20}
    shapes = {name: array.shape for name, array in load_file(path).items()}
    of_people = {name: shape for name, shape in shapes.items() if sizes & set(shape)}
    assert of_people == {}
