"""The results of a study in a notebook."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gendmr
from gendmr.errors import InputFileError
from gendmr.files.tables import read_table
from gendmr.notebook import OpenedStudy
from gendmr.training.fold import train_fold
from studies import make_study


@pytest.fixture(scope="module")
def study(shared_cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("notebook") / "mine"
    options = make_study({"ridge": {"kind": "ridge", "reads": ["region"]}}).method_options("ridge")
    cohort = shared_cohort(unsequenced=0.2)
    for fold in range(2):
        output = results / "training/ridge/repeat-0" / f"fold-{fold}"
        train_fold(cohort, output, method="ridge", repeat=0, fold=fold, options=options, seed=1)
    (results / "training/ridge/metrics.tsv").write_text(
        "method\trepeat\tfold\tmetric\tvalue\nridge\t0\t0\tauc\tn/a\n"
    )
    return results


def test_open__reads_tables_predictions_and_attributions(study: Path) -> None:
    opened = gendmr.open(str(study))
    assert isinstance(opened, OpenedStudy) and opened.methods == ["ridge"]
    assert np.isnan(opened.metrics("ridge")["value"][0])
    predictions = opened.predictions("ridge")
    assert set(predictions["fold"]) == {0, 1} and set(predictions["set"]) == {"held-out"}
    stored = read_table(
        study / "training/ridge/repeat-0/fold-1/predictions.tsv",
        {"participant_id": "text", "set": "text", "logit": "number"},
        extra=True,
    )
    held_out = stored[stored["set"] == "held-out"]
    own = predictions[predictions["fold"] == 1]
    assert own["participant_id"].tolist() == held_out["participant_id"].tolist()
    assert all(name.startswith("0") for name in own["participant_id"]), "names stay text"
    np.testing.assert_array_equal(own["logit"], held_out["logit"])
    values = opened.attributions("ridge", fold=1)
    assert values["participant"].values.tolist() == held_out["participant_id"].tolist()


def test_open__names_what_is_not_there(study: Path, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="no training"):
        gendmr.open(tmp_path)
    with pytest.raises(InputFileError, match="did you mean 'training/ridge/metrics'"):
        gendmr.open(study).table("training/ridge/metric")
    with pytest.raises(InputFileError, match="did you mean 'ridge'"):
        gendmr.open(study).predictions("ridges")
