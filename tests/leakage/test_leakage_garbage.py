"""Proof on every method: people who are judged, or stop the training, teach nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from gendmr.cohort.view import FoldView
from gendmr.methods.base import FitInputs
from gendmr.methods.ridge import method as ridge
from gendmr.tasks import task_of
from leakage.garbage import differences, trajectory
from leakage.kinds import (
    CHOSEN_ON_VALIDATION,
    EACH_KIND,
    METHODS,
    NETWORKS,
    joined,
    read,
    sections,
    train,
)

Clean = Callable[[str], Path]


def rows_of(folder: Path, role: str) -> list[str]:
    """Return the predictions of the people of a role."""
    lines = (folder / "predictions.tsv").read_text().splitlines()
    return [line for line in lines if role in line.split("\t")]


def test_every_kind_of_method_is_proved() -> None:
    assert {method["kind"] for method in METHODS.values()} == set(sections())
    assert {METHODS[name]["kind"] for name in EACH_KIND} == set(sections())


@pytest.mark.parametrize(
    ("kind", "option"),
    [("fusion", "mode"), ("association", "channels"), ("gene_network", "mode")],
)
def test_every_form_of_a_method_is_proved(kind: str, option: str) -> None:
    wanted = get_args(sections()[kind].model_fields[option].annotation)
    assert {method[option] for method in METHODS.values() if method["kind"] == kind} == set(wanted)


@pytest.mark.parametrize("name", METHODS)
def test_garbage_in_held_out_people_changes_only_what_is_said_of_them(
    clean: Clean, held_out_spoiled: Path, tmp_path: Path, name: str
) -> None:
    spoiled = train(held_out_spoiled, tmp_path / "out", name)
    assert differences(clean(name), spoiled) == []
    # A method that reads nothing would pass: the garbage has to show in the held-out people.
    before, after = (rows_of(folder, "held-out") for folder in (clean(name), spoiled))
    assert before != after


@pytest.mark.parametrize("name", [name for name in METHODS if name not in CHOSEN_ON_VALIDATION])
def test_garbage_in_validation_people_changes_only_stopping_and_threshold(
    cohort: Path, clean: Clean, validation_spoiled: Path, tmp_path: Path, name: str
) -> None:
    if name in NETWORKS:
        # After one epoch there is nothing to choose: whatever differs would have been learned.
        once = {"optimisation": {"epochs": 1}}
        from_clean = train(cohort, tmp_path / "clean", name, **once)
        from_spoiled = train(validation_spoiled, tmp_path / "spoiled", name, **once)
    else:
        from_clean, from_spoiled = (
            clean(name),
            train(validation_spoiled, tmp_path / "spoiled", name),
        )
    assert differences(from_clean, from_spoiled, blind="validation") == []
    before, after = (rows_of(folder, "validation") for folder in (from_clean, from_spoiled))
    assert before != after


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "fusion-fixed_teacher"])
def test_garbage_in_validation_people_leaves_every_epoch_of_training_the_same(
    clean: Clean, validation_spoiled: Path, tmp_path: Path, name: str
) -> None:
    # Not so where a network was trained first: the epoch at which that one stopped teaches.
    spoiled = train(validation_spoiled, tmp_path / "out", name)
    assert len(trajectory(spoiled)) == 3
    assert trajectory(spoiled) == trajectory(clean(name))


def test_the_proofs_reach_evidence_from_imaging_and_the_exchange_of_roles(clean: Clean) -> None:
    for name in ("gendmr", "association-both"):
        assert "too few" not in " ".join(read(clean(name), "run.json")["notes"])
    assert any(line["lead_region_case"] for line in trajectory(clean("gendmr")))


class Leaky(ridge.Ridge):
    """Ridge that opens the cohort once more and fits on the people of a role as well."""

    def __init__(self, options: Any, cohort: Path, role: str) -> None:
        super().__init__(options.method, options.reads)
        self.all_options, self.cohort, self.role = options, cohort, role

    def fit(self, inputs: FitInputs, **more: Any) -> Any:
        options = self.all_options
        task = task_of(options.outcome, options.task)
        view = FoldView.open(self.cohort, 0, 0, task=task, modalities=tuple(options.modalities))
        view.seal()
        subset = view.held_out if self.role == "held-out" else view.validation
        people = joined(inputs.train, inputs.preparation.apply(subset))
        return super().fit(replace(inputs, train=people), **more)


@pytest.mark.parametrize("role", ["held-out", "validation"])
def test_a_method_that_learns_from_them_is_caught(
    cohort: Path,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    role: str,
) -> None:
    spoiled = request.getfixturevalue(f"{role.replace('-', '_')}_spoiled")
    outputs = []
    for place, folder in enumerate((cohort, spoiled)):
        monkeypatch.setattr(
            ridge, "build", lambda options, folder=folder: Leaky(options, folder, role)
        )
        outputs.append(train(folder, tmp_path / str(place), "ridge"))
    differing_files = differences(*outputs, blind=role)
    assert {"model.safetensors", "predictions.tsv", "history.jsonl"} <= set(differing_files)


def test_garbage_in_held_out_people_changes_no_effect_of_a_site(
    cohort: Path, held_out_spoiled: Path, tmp_path: Path
) -> None:
    harmonised = {"region": {"harmonise": "site", "covariates": ["age"]}}
    clean = train(cohort, tmp_path / "clean", "ridge", **harmonised)
    spoiled = train(held_out_spoiled, tmp_path / "spoiled", "ridge", **harmonised)
    assert differences(clean, spoiled) == []
    assert "are removed by ComBat" in " ".join(read(clean, "run.json")["notes"])
    assert rows_of(clean, "held-out") != rows_of(spoiled, "held-out")
    # Garbage of a site that nobody else is of is told where held-out people are spoken of.
    assert "of no site with enough training" in " ".join(read(spoiled, "fold.json")["notes"])
