"""Cases and controls: the same numbers as any reference gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.errors import FoldError, OutcomeError
from gendmr.tasks import task_of
from gendmr.tasks.binary.outcome import CaseStatus

TASK = task_of("diagnosis", BinaryOutcome(case=("AD", "MCI"), control=("CN",)))


def rows_of(people=300, seed=0):
    rng = np.random.default_rng(seed)
    case = rng.integers(0, 2, people)
    logit = rng.normal(0.8 * case, 1).round(1)  # with ties
    rows = TASK.predictions(logit[:, None], CaseStatus(case), {"threshold": 0.55})
    return rows.assign(participant_id=[f"p{i:03}" for i in range(people)], modalities="snp")


def test_metrics_agree_with_scikit_learn():
    from sklearn import metrics as sk

    rows = rows_of()
    truth, score, called = rows["observed"], rows["score"], rows["predicted"]
    expected = {
        "auc": sk.roc_auc_score(truth, score),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, called),
        "accuracy": sk.accuracy_score(truth, called),
        "sensitivity": sk.recall_score(truth, called),
        "specificity": sk.recall_score(1 - truth, 1 - called),
        "f1": sk.f1_score(truth, called),
        "auprc": sk.average_precision_score(truth, score),
        "brier": sk.brier_score_loss(truth, score),
        "mcc": sk.matthews_corrcoef(truth, called),
    }
    assert {metric.name: metric.of(rows) for metric in TASK.metrics} == pytest.approx(expected)


def test_metrics_of_one_class_are_not_told():
    rows = rows_of()
    cases = rows[rows["observed"] == 1]
    values = {metric.name: metric.of(cases) for metric in TASK.metrics}
    untold = {name for name, value in values.items() if np.isnan(value)}
    assert untold == {"auc", "balanced_accuracy", "specificity", "auprc", "mcc"}
    assert values["sensitivity"] == cases["predicted"].mean()


def test_metrics_of_nobody_are_not_told():
    nobody = rows_of().head(0)
    assert all(np.isnan(metric.of(nobody)) for metric in TASK.metrics)


def test_labels_become_case_and_control_and_others_a_reason():
    table = pd.DataFrame({"diagnosis": ["AD", "CN", "cn", "n/a", "MCI", "FTD", ""]})
    result = TASK.parse(table, "participants.tsv")
    assert result.columns[""].tolist() == ["case", "control", "n/a", "n/a", "case", "n/a", "n/a"]
    assert result.reason.tolist() == [
        "",
        "",
        "diagnosis 'cn' is neither case nor control ('CN' differs only in letter case)",
        "no diagnosis",
        "",
        "diagnosis 'FTD' is neither case nor control",
        "no diagnosis",
    ]


def test_nobody_of_a_class_stops_and_shows_the_labels():
    table = pd.DataFrame({"diagnosis": ["1", "1", "AD"]})
    with pytest.raises(OutcomeError, match=r"'CN' \(control\); found: '1' \(2\)") as caught:
        TASK.parse(table, "participants.tsv")
    assert "cohort.outcomes.diagnosis.control" in caught.value.next_step


def test_900_labels_are_no_classes():
    table = pd.DataFrame({"diagnosis": [f"{i / 7:.3f}" for i in range(900)]})
    with pytest.raises(OutcomeError, match="892 more labels"):
        TASK.parse(table, "participants.tsv")


def test_the_threshold_separates_best_and_is_a_half_without_both_classes():
    case = np.array([0, 0, 1, 1])
    logit = np.array([[-2.0], [-1.0], [-0.5], [1.0]])
    status = CaseStatus(case)
    low, high = TASK.predictions(logit, status, {"threshold": 0.5})["score"][1:3]
    calibration = TASK.calibrate(logit, status, logit, status)
    assert calibration == {"threshold": pytest.approx((low + high) / 2)}
    assert TASK.predictions(logit, status, calibration)["predicted"].tolist() == [0, 0, 1, 1]
    # A probability at the threshold is a case.
    at = TASK.predictions(logit, status, {"threshold": low})
    assert at["predicted"].tolist() == [0, 1, 1, 1]
    # Who is neither case nor control has no say.
    more = CaseStatus(np.array([0, 0, 1, 1, -1, -1]))
    padded = np.append(logit, [[0.9], [0.9]], axis=0)
    assert TASK.calibrate(padded, more, padded, more) == calibration
    only_cases = CaseStatus(np.ones(4, dtype=int))
    assert TASK.calibrate(logit, only_cases, logit, only_cases) == {"threshold": 0.5}


@given(st.integers(1, 60), st.integers(1, 60))
def test_both_classes_weigh_the_same(cases, controls):
    status = CaseStatus(np.repeat([1, 0, -1], [cases, controls, 2]))
    weight = TASK.fit(status).weights(status)
    assert weight[status.case == 1].sum() == pytest.approx((cases + controls) / 2)
    assert weight[status.case == 0].sum() == pytest.approx((cases + controls) / 2)
    assert not weight[status.case < 0].any()


def test_one_class_cannot_be_trained_on():
    with pytest.raises(OutcomeError, match="all 5 training people are cases"):
        TASK.fit(CaseStatus(np.ones(5, dtype=int)))


def test_a_part_without_a_class_is_refused():
    part = np.array(["train"] * 4 + ["validation"] * 2 + ["held-out"] * 2, dtype=object)
    good = CaseStatus(np.array([1, 0, 1, 0, 1, 0, 0, 1]))
    TASK.check_parts(good, part, "repeat 0, fold 3")
    with pytest.raises(FoldError, match="fold 3: no case among its 2 validation people"):
        TASK.check_parts(CaseStatus(np.array([1, 0, 1, 0, 0, 0, 0, 1])), part, "repeat 0, fold 3")


def test_families_count_once_for_folds():
    case = CaseStatus(np.array([1] * 8 + [0] * 8))
    families = np.array(["a", "a", "b", "b", "c", "c", "d", "d", *"efghijkl"])
    TASK.check_groups(case, families, 4)
    with pytest.raises(FoldError, match="8 people with diagnosis case belong to 4"):
        TASK.check_groups(case, families, 5)


def test_scores_are_averaged_over_repeats_and_people_sorted():
    rows = pd.DataFrame(
        {
            "participant_id": ["b", "a", "b", "a"],
            "repeat": [0, 0, 1, 1],
            "observed": [1, 0, 1, 0],
            "score": [0.8, 0.4, 0.4, 0.2],
            "logit": [1.0, -1.0, 0.0, -2.0],
            "predicted": [1, 0, 0, 0],
            "modalities": ["snp", "none", "snp", "none"],
        }
    )
    pooled = TASK.pool(rows)
    assert pooled["participant_id"].tolist() == ["a", "b"]
    assert pooled["score"].tolist() == pytest.approx([0.3, 0.6])
    assert pooled["predicted"].tolist() == [0, 1]


def test_the_interval_holds_the_auc_and_narrows_with_people():
    def width(people):
        rows = rows_of(people)
        low, high = TASK.interval(rows, np.random.default_rng(0))
        assert low < TASK.metrics[0].of(rows) < high
        return high - low

    assert width(1600) < 0.6 * width(200)


def test_notes_name_what_cannot_be_told():
    assert TASK.notes(CaseStatus(np.array([0, 1, -1])), "held-out") == []
    assert TASK.notes(CaseStatus(np.array([1, 1, -1])), "validation") == [
        "All 2 validation people are cases: their AUC is n/a; the threshold is 0.5."
    ]
