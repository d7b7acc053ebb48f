"""What every method must keep with every task that it can learn, whatever it reads."""

from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from safetensors.numpy import load_file

from contract.conftest import Trained, train
from contract.members import COMBINATIONS, options, without_example
from gendmr.cohort.view import FoldView
from gendmr.config.methods import KINDS
from gendmr.errors import ModelError
from gendmr.files.tables import read_table
from gendmr.methods.base import FitInputs
from gendmr.predict.cohort import OtherCohort
from gendmr.predict.matching import match, without_known
from gendmr.predict.study import predict_study
from gendmr.preprocessing.preparation import Preparation
from gendmr.tasks import task_of
from gendmr.training.evaluate import collect_metrics
from gendmr.training.fold import build_method
from gendmr.training.model import read_model
from gendmr.training.null import fit_null
from leakage.garbage import differences

FILES = {
    "model.safetensors",
    "history.jsonl",
    "fold.json",
    "predictions.tsv",
    "attributions.nc",
    "run.json",
}
EACH = pytest.mark.parametrize(("kind", "task"), COMBINATIONS)
NETWORKS = pytest.mark.parametrize(
    ("kind", "task"), [(kind, task) for kind, task in COMBINATIONS if KINDS[kind].network]
)

# The interrupted fits of networks end with the bytes of undisturbed ones: the same fold twice.
AT_ONCE = pytest.mark.parametrize(
    ("kind", "task"), [(kind, task) for kind, task in COMBINATIONS if not KINDS[kind].network]
)

# How outputs are summed is the same for all kinds of outcome, and the quickest is enough.
SUMS = pytest.mark.parametrize(
    ("kind", "task"),
    [pair for pair in COMBINATIONS if pair[1] == "diagnosis" and not KINDS[pair[0]].network],
)


def test_every_kind_of_outcome_and_of_method_is_under_contract() -> None:
    assert without_example() == []
    assert {kind for kind, _ in COMBINATIONS} == set(KINDS)


@EACH
def test_garbage_in_held_out_people_teaches_nothing(
    trained: Trained, spoiled: Path, tmp_path: Path, kind: str, task: str
) -> None:
    clean, from_spoiled = trained(kind, task), train(spoiled, tmp_path / "out", kind, task)
    assert differences(clean, from_spoiled) == []
    # A method that reads nothing would pass: the garbage has to show in the held-out people.
    tables = [(folder / "predictions.tsv").read_bytes() for folder in (clean, from_spoiled)]
    assert tables[0] != tables[1]


def assert_same_bytes(clean: Path, again: Path, kind: str, task: str) -> None:
    """Raise unless two folders have the files of a fold, and the same bytes in each."""
    names = {*FILES, *options(kind, task).left_files}
    assert {path.name for path in clean.iterdir()} == names
    for name in names:
        assert (clean / name).read_bytes() == (again / name).read_bytes(), name


@AT_ONCE
def test_the_same_fold_has_the_same_bytes(
    cohort: Path, trained: Trained, tmp_path: Path, kind: str, task: str
) -> None:
    again = train(cohort, tmp_path / "again", kind, task)
    assert_same_bytes(trained(kind, task), again, kind, task)


class Interrupted(Exception):
    """Stands for a job that ends in the middle of a fit."""


@NETWORKS
def test_an_interrupted_fit_goes_on_to_the_same_bytes(
    cohort: Path,
    trained: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    task: str,
) -> None:
    from gendmr.engine.checkpoint import Checkpoint

    save, saved = Checkpoint.save, []

    def save_and_stop(self: Checkpoint, *arguments: object) -> None:
        save(self, *arguments)  # type: ignore[arg-type]
        saved.append(self)
        raise Interrupted

    output = tmp_path / kind / "repeat-0" / "fold-0"
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", save_and_stop)
        with pytest.raises(Interrupted):
            train(cohort, output, kind, task, checkpoint_every=1)
    assert saved and not (output / "model.safetensors").exists()
    progress: list[str] = []
    train(cohort, output, kind, task, checkpoint_every=1, progress=progress.append)
    assert any("going on from the checkpoint" in line for line in progress)
    assert_same_bytes(trained(kind, task), output, kind, task)


@EACH
def test_predictions_are_what_the_task_declares(trained: Trained, kind: str, task: str) -> None:
    method_options = options(kind, task)
    declared = task_of(task, method_options.task)
    first = {"participant_id": "text", "set": "text", "modalities": "text"}
    table = read_table(trained(kind, task) / "predictions.tsv", {**first, **declared.columns})
    assert list(table.columns) == [*first, *declared.columns]
    assert set(table["set"]) == {"train", "validation", "held-out"}
    # People without a modality are predicted like all others.
    assert {"snp+region", "snp", "region"} <= {
        "+".join(sorted(set(text.split("+")) & {"snp", "region"}, reverse=True))
        for text in table["modalities"]
    }


@EACH
def test_attributions_are_of_held_out_people_who_have_the_modality(
    trained: Trained, kind: str, task: str
) -> None:
    folder = trained(kind, task)
    with xr.open_dataset(folder / "attributions.nc", engine="h5netcdf") as stored:
        attributions = stored.load()
    rows = read_table(folder / "predictions.tsv", {"participant_id": "text"}, extra=True)
    held_out = rows[rows["set"] == "held-out"]
    assert attributions["participant"].values.astype(str).tolist() == (
        held_out["participant_id"].tolist()
    )
    named = [str(name) for name in attributions.data_vars if str(name).startswith("value_")]
    assert bool(named) == KINDS[kind].attributes
    for name in named:
        modality = name.removeprefix("value_")
        has = (
            held_out["modalities"].str.split("+").map(lambda some, wanted=modality: wanted in some)
        )
        finite = np.isfinite(attributions[name].values)
        assert finite[has.to_numpy()].all() and not finite[~has.to_numpy()].any()


@EACH
def test_one_person_alone_gets_what_he_gets_among_others(
    cohort: Path, trained: Trained, kind: str, task: str
) -> None:
    model = read_model(trained(kind, task) / "model.safetensors")
    method_options = options(kind, task)
    view = FoldView.open(
        cohort,
        0,
        0,
        task=task_of(task, method_options.task),
        modalities=tuple(method_options.modalities),
    )
    view.seal()
    people = model.preparation.apply(view.held_out)
    together, attributed = model.fitted.predict(people), model.fitted.attributions(people)
    for place in (0, len(people) - 1):
        alone = people.take(np.array([place]))
        np.testing.assert_allclose(model.fitted.predict(alone)[0], together[place], atol=1e-5)
        for name, attribution in model.fitted.attributions(alone).items():
            np.testing.assert_allclose(
                attribution.value[0], attributed[name].value[place], atol=1e-5, equal_nan=True
            )


@EACH
def test_nothing_is_pickled(trained: Trained, kind: str, task: str) -> None:
    folder = trained(kind, task)
    assert load_file(folder / "model.safetensors")
    for name in ("run.json", "fold.json"):
        assert json.loads((folder / name).read_text(encoding="utf-8"))
    for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines():
        assert json.loads(line)["epoch"] >= 1
    assert (folder / "attributions.nc").read_bytes()[1:4] == b"HDF"
    # The second byte is the protocol: a header of safetensors may be 128 bytes modulo 256 long.
    pickled = {bytes([0x80, protocol]) for protocol in range(2, 6)}
    assert not [path for path in folder.iterdir() if path.read_bytes()[:2] in pickled]


@EACH
def test_every_metric_of_the_task_is_made_of_predictions(
    trained: Trained, tmp_path: Path, kind: str, task: str
) -> None:
    built = task_of(task, options(kind, task).task)
    collect_metrics(
        [trained(kind, task)], tmp_path / "metrics.tsv", method=kind, task=built, seed=3
    )
    columns = {"method": "text", "repeat": "text", "fold": "text", "metric": "text"}
    table = read_table(tmp_path / "metrics.tsv", {**columns, "value": "number"})
    of_fold = table[table["fold"] == "0"].set_index("metric")["value"]
    assert {metric.name for metric in built.metrics} <= set(of_fold.index)
    assert np.isfinite(of_fold[built.metrics[0].name])
    pooled = table[table["fold"] == "pooled"].set_index("metric")["value"]
    assert np.isfinite(pooled[built.metrics[0].name])


@EACH
def test_a_permutation_is_the_same_whatever_was_drawn_before(
    cohort: Path, tmp_path: Path, kind: str, task: str
) -> None:
    if not (KINDS[kind].attributes and options(kind, task).task.exchangeable):
        pytest.skip("nothing is ranked against permutations")
    strata = read_table(cohort / "participants.tsv", {"participant_id": "text"}, extra=True)
    table = strata[["participant_id", "family"]].assign(stratum="all", ancestry="n/a")
    table.to_csv(cohort / "strata.tsv", sep="\t", index=False)
    scores = {}
    for first, count in ((0, 2), (1, 1)):
        fit_null(
            cohort,
            tmp_path / f"chunk-{first}.nc",
            method=kind,
            repeat=0,
            fold=0,
            first=first,
            count=count,
            options=options(kind, task),
            seed=3,
            device="cpu",
        )
        with xr.open_dataset(tmp_path / f"chunk-{first}.nc", engine="h5netcdf") as stored:
            scores[first] = stored.load()
    for name in scores[1].data_vars:
        dimension = str(scores[1][name].dims[1])
        names = scores[1][dimension].values.astype(str).tolist()
        labelled = scores[0].assign_coords({dimension: scores[0][dimension].values.astype(str)})
        np.testing.assert_allclose(
            scores[1][name].values[0],
            labelled[name].sel(permutation=1, **{dimension: names}).values,
            rtol=1e-3,
            atol=1e-5,
        )


@SUMS
def test_terms_are_what_the_prediction_adds_up(cohort: Path, kind: str, task: str) -> None:
    method_options = options(kind, task)
    built = task_of(task, method_options.task)
    view = FoldView.open(cohort, 0, 0, task=built, modalities=tuple(method_options.modalities))
    preparation = Preparation.fit(view, method_options)
    train, validation = preparation.apply(view.train), preparation.apply(view.validation)
    inputs = FitInputs(train, validation, preparation, 3)
    fitted = build_method(method_options).fit(inputs, device="cpu", progress=lambda line: None)
    # Two people with everything, alike in their covariates: only terms tell them apart.
    who = np.flatnonzero(np.all([train.present[name] for name in preparation.reads], axis=0))[:9]
    people = dataclasses.replace(train.take(who), covariates=train.covariates[who] * 0)
    total = np.zeros((len(who), built.n_outputs))
    for name, weight in fitted.terms.items():
        total += np.einsum("nim,imo->no", preparation.design(people, name), weight)
    output = fitted.predict(people)
    np.testing.assert_allclose(output - output[0], total - total[0], rtol=1e-6, atol=1e-8)
    assert set(fitted.terms) <= set(preparation.reads)


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


def test_the_methods_package_names_no_member_elsewhere(root: Path) -> None:
    """The spine knows members by listing: none is imported by name outside its own wing."""
    package = root / "workflow" / "gendmr"
    spine = ("training", "preprocessing", "engine", "report", "tracking", "estimate", "cohort")
    wings = [f"gendmr.methods.{kind}" for kind in KINDS]
    wrong = [
        f"{path}: {wing}"
        for room in spine
        for path in (package / room).rglob("*.py")
        for wing in wings
        if wing + " import" in path.read_text() or wing + "." in path.read_text()
    ]
    assert wrong == []
    assert importlib.import_module("gendmr.methods.ridge.method")
