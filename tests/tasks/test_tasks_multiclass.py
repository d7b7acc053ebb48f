"""Classes: reading labels, and metrics over those that are there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gendmr.config.outcomes.multiclass import MulticlassOutcome
from gendmr.errors import FoldError, OutcomeError
from gendmr.tasks import task_of
from gendmr.tasks.multiclass.outcome import ClassLabels

CLASSES = ("CN", "MCI", "AD")
TASK = task_of(
    "stage",
    MulticlassOutcome(column="dx", classes=CLASSES, pooled={"MCI": ("EMCI", "LMCI")}),
)


def rows_of(people=300, seed=0, classes=3):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, classes, people)
    output = rng.normal(size=(people, 3)) + 1.2 * (label[:, None] == np.arange(3))
    return TASK.predictions(output, ClassLabels(label, CLASSES), {})


def test_metrics_agree_with_scikit_learn():
    from sklearn import metrics as sk

    rows = rows_of()
    scores = rows[[f"probability:{name}" for name in sorted(CLASSES)]].to_numpy()
    truth, called = rows["observed"], rows["predicted"]
    expected = {
        "macro_auc": sk.roc_auc_score(
            truth, scores, multi_class="ovr", labels=sorted(CLASSES), average="macro"
        ),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, called),
        "accuracy": sk.accuracy_score(truth, called),
        "macro_f1": sk.f1_score(truth, called, average="macro"),
        "mcc": sk.matthews_corrcoef(truth, called),
    }
    assert {metric.name: metric.of(rows) for metric in TASK.metrics} == pytest.approx(expected)


def test_absent_classes_are_left_out_of_means():
    rows = rows_of(classes=2)
    shares = [
        (rows["predicted"] == rows["observed"])[rows["observed"] == name].mean()
        for name in ("CN", "MCI")
    ]
    named = {metric.name: metric.of(rows) for metric in TASK.metrics}
    assert named["balanced_accuracy"] == pytest.approx(np.mean(shares))
    assert np.isfinite(list(named.values())).all()
    controls = rows[rows["observed"] == "CN"]
    defined = {metric.name for metric in TASK.metrics if np.isfinite(metric.of(controls))}
    assert defined == {"accuracy"}
    assert all(np.isnan(metric.of(rows.head(0))) for metric in TASK.metrics)


def test_labels_are_pooled_and_others_a_reason():
    table = pd.DataFrame({"dx": ["CN", "EMCI", "LMCI", "MCI", "AD", "ad", "FTD", "n/a"]})
    result = TASK.parse(table, "participants.tsv")
    assert result.columns[""].tolist() == ["CN", "MCI", "MCI", "MCI", "AD", *["n/a"] * 3]
    assert result.reason[5:].tolist() == [
        "stage 'ad' is none of the classes ('AD' differs only in letter case)",
        "stage 'FTD' is none of the classes",
        "no stage",
    ]


def test_900_classes_are_none():
    table = pd.DataFrame({"dx": [f"{i / 7:.3f}" for i in range(900)]})
    with pytest.raises(OutcomeError, match="900 different labels") as caught:
        TASK.parse(table, "participants.tsv")
    assert "quantitative" in caught.value.next_step


def test_a_class_of_nobody_stops_and_shows_the_labels():
    with pytest.raises(OutcomeError, match=r"'MCI' or 'AD'; found: 'CN' \(2\), 'ad' \(1\)"):
        TASK.parse(pd.DataFrame({"dx": ["CN", "CN", "ad"]}), "participants.tsv")


def test_classes_weigh_the_same():
    label = np.repeat([0, 1, 2, -1], [50, 5, 20, 3])
    labels = ClassLabels(label, CLASSES)
    weight = TASK.fit(labels).weights(labels)
    assert [weight[label == k].sum() for k in range(3)] == pytest.approx([25, 25, 25])
    assert not weight[label < 0].any()
    with pytest.raises(OutcomeError, match="training people is of 'AD'"):
        TASK.fit(ClassLabels(np.array([0, 1, 1]), CLASSES))


def test_the_contrast_is_of_the_called_class_against_the_others():
    output = np.array([[3.0, 1.0, 2.0], [0.0, 4.0, 2.0]])
    assert (TASK.contrast(output) * output).sum(axis=1).tolist() == [1.5, 3.0]


def test_probabilities_are_averaged_before_a_class_is_called():
    rows = pd.DataFrame(
        {
            "participant_id": ["a"] * 3,
            "observed": ["CN"] * 3,
            "predicted": ["MCI", "MCI", "CN"],
            "probability:CN": [0.4, 0.4, 0.9],
            "probability:MCI": [0.5, 0.5, 0.1],
            "probability:AD": [0.1, 0.1, 0.0],
            "modalities": ["snp"] * 3,
        }
    )
    assert TASK.pool(rows)["predicted"].tolist() == ["CN"]


def test_notes_name_the_classes_that_nobody_is_of():
    assert TASK.notes(ClassLabels(np.array([0, 1, -1]), CLASSES), "held-out") == [
        "None of 2 held-out people is of 'AD': left out of means over classes."
    ]
    assert "no AUC" in TASK.notes(ClassLabels(np.array([0, 0]), CLASSES), "held-out")[0]


@pytest.mark.parametrize("lacking", ["train", "validation", "held-out"])
def test_check_parts__names_the_part_and_the_class_that_it_lacks(lacking):
    outcome = ClassLabels(np.tile([0, 1, 2], 9), CLASSES)
    part = np.repeat(["train", "validation", "held-out"], 9).astype(object)
    TASK.check_parts(outcome, part, "repeat 0, fold 1")
    inside = part == lacking
    outcome.label[inside & (outcome.label == 2)] = 1
    with pytest.raises(FoldError, match=f"fold 1: nobody of 'AD' among its 9 {lacking}") as caught:
        TASK.check_parts(outcome, part, "repeat 0, fold 1")
    assert "classes that are pooled" in caught.value.next_step
