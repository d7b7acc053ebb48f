"""People exchange measurements within groups and roles, and nothing else changes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gendmr.cohort.shuffle import Shuffle
from gendmr.cohort.splits import split_folds
from gendmr.cohort.view import FoldView
from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.config.study import Study
from gendmr.errors import ConfigurationError
from gendmr.tasks import task_of

TASK = task_of("diagnosis", BinaryOutcome())


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_study, join_cohort):
    inputs = make_study(tmp_path_factory.mktemp("shuffle") / "in", n=36, n_imaged=20)
    out = inputs.folder.parent / "cohort"
    inputs.options |= {"folds": 3, "inner_validation": 0.25}
    join_cohort(inputs.write(), out)
    split_folds(out / "participants.tsv", inputs.section(), 1, out / "splits.tsv")
    return out


def opened(folder: Path, shuffle: Shuffle | None = None) -> FoldView:
    return FoldView.open(folder, 0, 0, task=TASK, modalities=("snp", "region"), shuffle=shuffle)


def rows(subset, modality: str, variable: str) -> list[bytes]:
    return [row.tobytes() for row in subset.array(modality, variable)]


@pytest.mark.parametrize("role", ["train", "validation", "held_out"])
def test_fold_view__shuffled_within_the_outcome_keeps_the_rows_of_each_group(folder, role):
    plain = opened(folder)
    control = opened(folder, Shuffle({"snp": ["diagnosis"]}, seed=3, repeat=0, fold=0))
    for view in (plain, control):
        view.seal()
    original, shuffled = getattr(plain, role), getattr(control, role)
    assert original.participants.tolist() == shuffled.participants.tolist()
    assert rows(original, "region", "volume") == rows(shuffled, "region", "volume")
    before, after = rows(original, "snp", "dosage"), rows(shuffled, "snp", "dosage")
    assert before != after
    for status in (0, 1):
        alike = np.flatnonzero(original.outcome.case == status)
        assert Counter(before[i] for i in alike) == Counter(after[i] for i in alike)


def test_fold_view__who_has_a_modality_stays_when_it_is_shuffled(folder):
    control = opened(folder, Shuffle({"region": []}, seed=3, repeat=0, fold=0)).train
    plain = opened(folder).train
    assert (control.present["region"] == plain.present["region"]).all()
    having = plain.present["region"]
    volume = control.array("region", "volume")
    assert np.isfinite(volume[having]).any(axis=1).all() and np.isnan(volume[~having]).all()
    assert not np.array_equal(volume[having], plain.array("region", "volume")[having])


def test_shuffle__counts_who_has_somebody_elses_and_repeats_itself(folder):
    shuffles = [Shuffle({"snp": ["site", "diagnosis"]}, seed=5, repeat=0, fold=0) for _ in range(2)]
    first, second = (rows(opened(folder, shuffle).train, "snp", "dosage") for shuffle in shuffles)
    assert first == second
    (note,) = shuffles[0].notes("train")
    assert "is somebody else's, exchanged within site, diagnosis" in note


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.booleans()), min_size=1),
    st.lists(st.sampled_from(["site", "sex"]), unique=True),
)
def test_owners__are_a_permutation_of_those_who_are_alike(people, columns):
    table = pd.DataFrame(people, columns=["site", "sex", "has"])
    table.index = pd.Index([f"p{number}" for number in range(len(table))])
    present = {"snp": table["has"].to_numpy(dtype=bool)}
    shuffle = Shuffle({"snp": columns}, seed=1, repeat=0, fold=0)
    owners = shuffle.owners("train", table, present)["snp"]
    assert sorted(owners) == sorted(table.index)
    assert (table.loc[owners, columns].to_numpy() == table[columns].to_numpy()).all()
    assert (table.loc[owners, "has"].to_numpy() == present["snp"]).all()


STUDY = {
    "study": "s",
    "seed": 1,
    "genotypes": {"inputs": ["g"]},
    "annotation": {"genes": "g.loc"},
    "cohort": {
        "participants": "p.tsv",
        "outcomes": {"diagnosis": {"kind": "binary", "case": ["AD"], "control": ["CN"]}},
        "covariates": ["age", "site"],
        "categorical": ["site"],
    },
}


def test_study__shuffled_method_is_judged_and_not_ranked():
    methods = {
        "ridge": {"kind": "ridge", "reads": ["snp"]},
        "control": {"kind": "ridge", "reads": ["snp"], "shuffled": {"snp": ["diagnosis", "site"]}},
    }
    study = Study.parse(STUDY | {"training": {"methods": methods}})
    assert study.ranked_methods() == study.null_methods() == ["ridge"]


@pytest.mark.parametrize(
    ("shuffled", "words"),
    [
        ({"region": []}, "which the method does not read; it reads 'snp'"),
        ({"snp": ["age"]}, "people can change places within 'diagnosis', 'site'"),
        ({"snp": ["sites"]}, "did you mean"),
    ],
)
def test_study__refuses_to_shuffle_what_is_not_there(shuffled, words):
    methods = {"control": {"kind": "ridge", "reads": ["snp"], "shuffled": shuffled}}
    with pytest.raises(ConfigurationError, match=words):
        Study.parse(STUDY | {"training": {"methods": methods}})
