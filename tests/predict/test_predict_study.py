"""Models of one simulated cohort applied to another, and what is refused."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner

from factories import PLANTED_SNP
from gendmr.errors import ConfigurationError, InputFileError, ModelError
from gendmr.files.tables import read_table, write_table
from gendmr.predict.commands import group
from gendmr.predict.models import find_models
from gendmr.predict.study import Prediction, predict_study
from gendmr.training.model import read_model
from remedies import mended

Edited = Callable[[str, Callable[[xr.Dataset], xr.Dataset]], Path]
# The factories number all people alike.
OTHERS: dict[str, Any] = {"training_people": "other-people"}


def predict(study: Path, on: Path, output: Path, **more: Any) -> dict[str, Prediction]:
    predictions = predict_study(study, on, output, **{**OTHERS, **more})
    return {prediction.method: prediction for prediction in predictions}


def test_predict_study__finds_cases_of_another_cohort(
    study: Path, second: Path, tmp_path: Path
) -> None:
    predictions = predict(study, second, tmp_path)
    assert set(predictions) == {"ridge", "gendmr"}
    for method, prediction in predictions.items():
        metrics = read_table(tmp_path / method / "metrics.tsv", {"metric": "text"}, extra=True)
        auc = metrics.set_index("metric").loc["auc"].astype(float)
        # Planted effects are large; by chance the AUC would be 0.5 with an SE of 0.04.
        assert auc["value"] > 0.75
        assert auc["low"] < auc["value"] < auc["high"] and auc["people"] == 200
        people = read_table(
            tmp_path / method / "predictions.tsv", {"participant_id": "text"}, extra=True
        )
        assert len(people) == 200 and people["participant_id"].is_unique
        assert (prediction.overlap["share"] == 1).all()


def test_predict_study__gives_the_held_out_people_of_a_fold_what_the_fold_gave(
    study: Path, tmp_path: Path
) -> None:
    predictions = predict(
        study, study, tmp_path, methods=["ridge"], fold=(0, 1), training_people="leave-out"
    )
    written = read_table(
        study / "training/ridge/repeat-0/fold-1/predictions.tsv",
        {"participant_id": "text"},
        extra=True,
    )
    held_out = written[written["set"] == "held-out"].set_index("participant_id")
    predicted = predictions["ridge"].people.set_index("participant_id")
    assert set(predicted.index) == set(held_out.index)
    np.testing.assert_allclose(
        predicted["logit"], held_out.loc[predicted.index, "logit"].astype(float), atol=1e-6
    )
    assert any("left out" in note for note in predictions["ridge"].notes)


def test_predict_study__flips_and_counts_exchanged_alleles(
    study: Path, second: Path, edited: Edited, tmp_path: Path
) -> None:
    third = np.arange(120) % 3 == 0

    def exchange(dataset: xr.Dataset) -> xr.Dataset:
        dosage = dataset["dosage"].values
        turned = np.where(dosage < 0, dosage, 2 - dosage)
        dataset["dosage"].values[:, third] = turned[:, third]
        effect, other = dataset["effect_allele"].values, dataset["other_allele"].values
        return dataset.assign_coords(
            effect_allele=("snp", np.where(third, other, effect)),
            other_allele=("snp", np.where(third, effect, other)),
        )

    plain = predict(study, second, tmp_path / "plain")
    turned = predict(study, edited("snp", exchange), tmp_path / "turned")
    for method, prediction in turned.items():
        assert prediction.overlap.loc[prediction.overlap["modality"] == "snp", "flipped"].max() > 10
        assert (
            prediction.overlap.loc[prediction.overlap["modality"] == "region", "flipped"] == 0
        ).all()
        np.testing.assert_allclose(
            prediction.people["logit"], plain[method].people["logit"], rtol=1e-5, atol=1e-6
        )


def test_predict_study__counts_missing_snps_and_regions_and_refuses_too_many(
    study: Path, edited: Edited, tmp_path: Path
) -> None:
    def lose(dataset: xr.Dataset) -> xr.Dataset:
        names = dataset["snp"].values
        return dataset.isel(snp=np.flatnonzero((np.arange(120) % 4 != 0) | (names == PLANTED_SNP)))

    folder = edited("snp", lose)
    with pytest.raises(ModelError, match=r"\d+ of \d+ snp \(read\)") as error:
        predict(study, folder, tmp_path / "refused", methods=["ridge"])
    assert "--overlap" in error.value.next_step
    assert not (tmp_path / "refused").exists()
    predictions = predict(study, folder, tmp_path / "few", overlap=0.5, methods=["ridge"])
    for prediction in predictions.values():
        rows = prediction.overlap[
            (prediction.overlap["modality"] == "snp") & (prediction.overlap["use"] == "read")
        ]
        assert (rows["missing"] > 0).all()
        assert (rows["matched"] + rows["missing"] == rows["instances"]).all()
        assert prediction.metrics.set_index("metric").loc["auc", "value"] > 0.7


def test_predict_study__goes_by_the_rest_where_a_modality_is_missing(
    study: Path, second: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cohort"
    shutil.copytree(second, folder)
    (folder / "region.nc").unlink()
    predictions = predict(study, folder, tmp_path / "out")
    for prediction in predictions.values():
        assert any("Nobody of the new cohort has images" in note for note in prediction.notes)
        assert set(prediction.people["modalities"]) <= {"snp", "none"}
    (folder / "snp.nc").unlink()
    with pytest.raises(ModelError, match="nobody has snp or region"):
        predict(study, folder, tmp_path / "out")


def test_predict_study__refuses_another_build(
    study: Path, second: Path, edited: Edited, tmp_path: Path
) -> None:
    def rebuild(dataset: xr.Dataset) -> xr.Dataset:
        return dataset.assign_attrs(build="GRCh38")

    folder = [edited("snp", rebuild)]
    with pytest.raises(ModelError, match=r"build GRCh38.*build GRCh37"):
        predict(study, folder[0], tmp_path, methods=["ridge"])
    words = "genotypes.lift"
    with mended(
        "predict/matching.py",
        words,
        ModelError,
        lambda: predict(study, folder[0], tmp_path, methods=["ridge"], fold=(0, 1)),
    ):
        folder[0] = second  # where the positions are of the build of the models


@pytest.mark.parametrize("factor", [0.001, 1000.0])
def test_predict_study__refuses_measurements_in_another_unit(
    study: Path, second: Path, edited: Edited, tmp_path: Path, factor: float
) -> None:
    def in_cm3(dataset: xr.Dataset) -> xr.Dataset:
        dataset["volume"].values[:] *= factor
        return dataset

    folder = [edited("region", in_cm3)]

    def run() -> None:
        predict(study, folder[0], tmp_path, methods=["ridge"], fold=(0, 1))

    words = "bring measurements in the unit and of the program of the training"
    with mended("predict/matching.py", words, ModelError, run) as refused:
        folder[0] = second
    assert "far from those of the training people" in str(refused)
    assert "cm3" in refused.cause


def test_predict_study__names_people_of_the_training_set(study: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"trained on 240 of 240 people: '0000'") as error:
        predict(study, study / "cohort", tmp_path, training_people="refuse", methods=["ridge"])
    assert "--known leave-out" in error.value.next_step
    with pytest.raises(ModelError, match="nobody is left"):
        predict(study, study / "cohort", tmp_path, training_people="leave-out", methods=["ridge"])


def test_predict_study__after_what_its_remedies_say(
    study: Path, second: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"training_people": "refuse", "methods": ["ridge"], "fold": (0, 1)}

    def run() -> None:
        predict_study(study, second, tmp_path / "out", **options)

    module = "predict/matching.py"
    with mended(module, "if they are different people, say so", ModelError, run):
        options["training_people"] = "other-people"
    options |= {"training_people": "leave-out", "fold": None}
    with mended(module, "or one fold with --fold: its held-out people are left", ModelError, run):
        options["fold"] = (0, 1)


def test_find_models__after_what_its_remedies_say(study: Path, tmp_path: Path) -> None:
    module, source, methods = "predict/models.py", [study], ["rigde"]
    words = "name one of these with --method, or none for all"
    with mended(module, words, ConfigurationError, lambda: find_models(source[0], methods)):
        methods[0] = "ridge"
    words = "name the folder of a finished study, or a model.safetensors"
    for right in (study, study / "training/ridge/repeat-0/fold-1/model.safetensors"):
        source[0] = tmp_path
        with mended(module, words, InputFileError, lambda: find_models(source[0], methods)):
            source[0] = right
    path = [tmp_path / "model.safetensors"]
    words = "name results/<study> or a model.safetensors"
    with mended("training/model.py", words, InputFileError, lambda: read_model(path[0])):
        path[0] = study / "training/ridge/repeat-0/fold-1/model.safetensors"


def test_predict_study__needs_the_covariates_of_the_model(
    study: Path, second: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cohort"
    shutil.copytree(second, folder)
    described = json.loads((folder / "participants.json").read_text())
    right = json.dumps(described)
    (folder / "participants.json").write_text(
        json.dumps({name: entry for name, entry in described.items() if name != "age"})
    )

    def call() -> None:
        predict(study, folder, tmp_path / "out", methods=["ridge"], fold=(0, 1))

    module = "predict/cohort.py"
    words = "add it to cohort.covariates of the new cohort and join it again"
    with mended(module, words, ModelError, call) as refused:
        assert "no covariate 'age'" in refused.what
        (folder / "participants.json").write_text(right)
    described["age"]["Kind"] = "category"
    (folder / "participants.json").write_text(json.dumps(described))
    words = "name it in cohort.categorical of both, or of none"
    with mended(module, words, ModelError, call) as refused:
        assert "age is a category, and was a number" in refused.what
        (folder / "participants.json").write_text(right)


def test_predict_study__tells_no_metrics_of_unknown_outcomes(
    study: Path, second: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cohort"
    shutil.copytree(second, folder)
    table = pd.read_csv(folder / "participants.tsv", sep="\t", dtype=str)
    write_table(folder / "participants.tsv", table.drop(columns="diagnosis"))
    predictions = predict(study, folder, tmp_path / "out")
    for prediction in predictions.values():
        assert prediction.metrics.empty and prediction.people["observed"].isna().all()
        assert prediction.people["score"].between(0, 1).all()
        assert any("no metrics" in note for note in prediction.notes)


def rewrite_header(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the JSON in the header of a model: 8 bytes of its length, JSON, arrays."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    inner = json.loads(header["__metadata__"]["gendmr"])
    change(inner)
    header["__metadata__"]["gendmr"] = json.dumps(inner)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: header.update(version="0.2.9"), r"GenDMR 0\.2\.9, and this is"),
        (lambda header: header.pop("version"), r"GenDMR before 0\.3, and this is"),
        (
            lambda header: header["fitted"].update(object="gendmr.methods.ridge.method:Gone"),
            "cannot be put together",
        ),
        # A file must not be able to name what it likes.
        (
            lambda header: header["fitted"].update(object="subprocess:Popen"),
            "is not of this package",
        ),
    ],
)
def test_predict_study__refuses_a_model_of_another_version(
    study: Path, second: Path, tmp_path: Path, change: Any, message: str
) -> None:
    path = tmp_path / "model.safetensors"
    shutil.copy(study / "training/ridge/repeat-0/fold-0/model.safetensors", path)
    alone = predict(path, second, tmp_path / "alone")
    assert len(alone["ridge"].people) == 200
    rewrite_header(path, change)
    with pytest.raises(ModelError, match=message):
        predict(path, second, tmp_path / "out")


def test_predict_study__refuses_a_file_that_is_cut_off(
    second: Path, study: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    content = (study / "training/ridge/repeat-0/fold-0/model.safetensors").read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputFileError, match="not readable"):
        predict(path, second, tmp_path / "out")


def test_predict_study__says_what_there_is(study: Path, second: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'ridge' for 'rigde'"):
        predict(study, second, tmp_path, methods=["rigde"])
    with pytest.raises(InputFileError, match="no training/<method>/repeat-0/fold-7"):
        predict(study, second, tmp_path, fold=(0, 7))
    with pytest.raises(InputFileError, match=r"participants\.tsv: no such file"):
        predict(study, tmp_path, tmp_path / "out")


def test_predict__prints_where_and_how_good(study: Path, second: Path, tmp_path: Path) -> None:
    words = [str(study), "--on", str(second), "--method", "ridge", "--known", "other-people"]
    result = CliRunner().invoke(group, [*words, "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "ridge: 200 people" in result.output and "auc 0." in result.output
    wrong = CliRunner().invoke(group, [*words, "--fold", "three"])
    assert wrong.exit_code == 2 and "repeat and fold" in wrong.output
