"""What an error of an outcome says to change is changed, and the outcome is read then."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gendmr.cohort.splits import make_splits
from gendmr.config.cohort import CohortSection
from gendmr.config.outcomes import parse_outcome
from gendmr.config.outcomes.multiclass import GLIOMA_CLASSES, GliomaRule
from gendmr.errors import FoldError, OutcomeError
from gendmr.tasks import task_of
from gendmr.tasks.multiclass.glioma import glioma_classes
from gendmr.tasks.quantitative.outcome import Measurements
from gendmr.tasks.survival.outcome import CensoredTimes
from remedies import each_part, mended, row

BINARY = {"kind": "binary"}
STAGES = {"kind": "multiclass", "column": "dx", "classes": ["CN", "MCI", "AD"]}
SURVIVAL = {"kind": "survival", "time": "months", "event": "seen"}
SPELT = {"dx": ["cn", "MCI", "EMCI", "Dem", "cn", "Dem"]}
POOLED = {"classes": ["CN", "MCI", "AD"], "pooled": {"CN": ["cn"], "MCI": ["EMCI"], "AD": ["Dem"]}}
LABELLED = {"dx": [f"{number / 7:.3f}" for number in range(90)], "group": ["CN", "MCI", "AD"] * 30}
MEASURED = {"MMSE": ["n/a"] * 4, "mmse_bl": ["20", "21", "25", "28"]}
USERS = "tasks/survival/users.py"
UNKNOWN = " where it is unknown; or name another column in"


def followed(**columns: list[str]) -> dict[str, list[str]]:
    """A table of three people who were followed up."""
    return {"months": ["5", "7", "9"], "seen": ["1", "0", "1"], **columns}


# Outcome and table as they were, then what each part of the remedy changes of the two.
ROWS = [
    row(
        "tasks/binary/task.py",
        "set cohort.outcomes.",
        (BINARY, {"diagnosis": ["1", "2", "1"]}),
        ({"case": ["1"], "control": ["2"]}, {}),
    ),
    row(
        "tasks/multiclass/task.py",
        "to the column of the classes, or",
        (STAGES, LABELLED),
        ({"column": "group"}, {}),
    ),
    row(
        "tasks/multiclass/task.py",
        " its kind to quantitative",
        (STAGES, LABELLED),
        ({"kind": "quantitative", "classes": None}, {}),
    ),
    row(
        "tasks/multiclass/task.py",
        ".classes (and pooled) to the labels of",
        (STAGES, SPELT),
        (POOLED, {}),
        ({"classes": ["cn", "MCI", "EMCI", "Dem"]}, {}),
    ),
    row(
        "tasks/quantitative/task.py",
        ".column to the measurement",
        ({"kind": "quantitative", "column": "MMSE"}, MEASURED),
        ({"column": "mmse_bl"}, {}),
    ),
    row(
        "tasks/reading.py",
        "write a decimal point",
        ({"kind": "quantitative", "column": "MMSE"}, {"MMSE": ["1,5", "2,5"]}),
        ({}, {"MMSE": ["1.5", "2.5"]}),
    ),
    row(
        "tasks/reading.py",
        "correct them, or write ",
        ({"kind": "quantitative", "column": "MMSE"}, {"MMSE": ["good", "2", "3"]}),
        ({}, {"MMSE": ["4", "2", "3"]}),
        ({}, {"MMSE": ["n/a", "2", "3"]}),
    ),
    row(
        USERS,
        "write the time from baseline to the event into ",
        (SURVIVAL, followed(months=["n/a", "7", "9"])),
        ({}, {"months": ["4", "7", "9"]}),
    ),
    row(
        USERS,
        ".event to the column of the event",
        (SURVIVAL, followed(seen=["0"] * 3, died=["1", "0", "1"])),
        ({"event": "died"}, {}),
    ),
    *(
        row(USERS, UNKNOWN, (SURVIVAL, followed(seen=wrong)), ({}, {"seen": right}), other_columns)
        for wrong, right in (
            (["2", "1", "2"], ["1", "0", "1"]),
            (["yes", "no", "yes"], ["1", "0", "1"]),
            (["0", "1", "2"], ["0", "1", "0"]),
            (["dead", "alive", "dead"], ["1", "0", "1"]),
        )
        for other_columns in [({"event": "died"}, {"died": ["1", "0", "0"]})]
    ),
]


def outcome_of(entries: dict[str, Any]) -> Any:
    section = {key: value for key, value in entries.items() if value is not None}
    return task_of("mine", parse_outcome(json.dumps(section), where="cohort.outcomes.mine"))


@each_part(("module", "remedy", "original", "mending"), ROWS)
def test_parse__reads_a_refused_outcome_after_each_part_of_its_remedy(
    module, remedy, original, mending
):
    section, table = (dict(part) for part in original)

    def parse():
        outcome_of(section).parse(pd.DataFrame(table, dtype=object), "participants.tsv")

    with mended(module, remedy, OutcomeError, parse):
        section.update(mending[0])
        table.update(mending[1])


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        (["2", "1"], "subtract 1"),
        (["yes", "no"], "write 1 for yes and 0 for no"),
        (["0", "1", "2"], "write 1 for the event that is studied and 0 for anything else"),
        (["dead", "alive"], "write 1 where the event was seen and 0 elsewhere"),
    ],
)
def test_parse__says_what_to_write_for_each_coding_of_an_event(codes, words):
    table = pd.DataFrame({"months": ["5"] * len(codes), "seen": codes}, dtype=object)
    with pytest.raises(OutcomeError) as refused:
        outcome_of(SURVIVAL).parse(table, "participants.tsv")
    assert refused.value.next_step.startswith(words)


def test_glioma_classes__the_right_column_or_other_values():
    rule = {"idh": "idh", "codel": "other", "cdkn2a": "cdkn2a", "grade": "grade"}
    columns = {"idh": ["Mutant"], "codel": ["codel"], "cdkn2a": ["-2"], "grade": ["G3"]}
    table = pd.DataFrame({**columns, "other": ["1"]})

    def classes():
        return glioma_classes(table, GliomaRule(**rule, deletion="any"), "participants.tsv")

    words = "name the right column in the rule glioma, or write the values so"
    for change in (lambda: rule.update(codel="codel"), lambda: table.update({"other": ["codel"]})):
        rule["codel"], table["other"] = "other", ["1"]
        with mended("tasks/multiclass/glioma.py", words, OutcomeError, classes):
            change()
        assert classes()[0].tolist() == [GLIOMA_CLASSES[-1]]


def test_fit__fewer_intervals_or_cox():
    section = {**SURVIVAL, "model": "discrete", "intervals": 8}
    times = CensoredTimes(np.array([1.0, 2, 3, 4] * 5), np.ones(20, bool), np.ones(20, bool))
    for change in ({"intervals": 3}, {"model": "cox", "intervals": None}):
        mending = dict(section)
        with mended(
            "tasks/survival/discrete.py",
            "set fewer intervals, or model: cox",
            OutcomeError,
            lambda mending=mending: outcome_of(mending).fit(times),
        ):
            mending.update(change)


PEOPLE = 300
RARE = {
    "binary": (BINARY, lambda few: {"mine": np.where(few, "case", "control")}),
    "multiclass": (
        STAGES,
        lambda few: {"mine": np.where(few, "AD", np.resize(["CN", "MCI"], PEOPLE))},
    ),
    "quantitative": (
        {"kind": "quantitative", "column": "MMSE"},
        lambda few: {"mine": np.where(few, np.arange(PEOPLE), 30.0)},
    ),
    "survival": (
        SURVIVAL,
        lambda few: {"mine_time": np.full(PEOPLE, 5.0), "mine_event": few.astype(int)},
    ),
}


def split(table: pd.DataFrame, section: dict[str, Any], **cohort: Any) -> None:
    options = CohortSection.parse(
        {"participants": "p.tsv", "outcomes": {"mine": section}, **cohort}, where="cohort"
    )
    make_splits(table, options, 0)


@pytest.mark.parametrize(
    ("module", "remedy", "kind"),
    [
        row("tasks/binary/task.py", "fewer cohort.folds, a larger cohort.inner_v", "binary"),
        row(
            "tasks/multiclass/task.py", "fewer cohort.folds, a larger cohort.inner_v", "multiclass"
        ),
        row("tasks/survival/task.py", "fewer cohort.folds, a larger cohort.inner_v", "survival"),
    ],
)
def test_make_splits__a_larger_inner_validation_has_people_of_a_rare_kind(module, remedy, kind):
    section, columns = RARE[kind]
    few = np.arange(PEOPLE) < 6
    names = [f"{number:03d}" for number in range(PEOPLE)]
    table = pd.DataFrame({"participant_id": names, "family": names, **columns(few)})
    table["has_region"] = True
    cohort = {"inner_validation": 0.02}
    with mended(module, remedy, FoldError, lambda: split(table, section, **cohort)):
        cohort["inner_validation"] = 0.3


def test_check_parts__of_a_measurement_and_of_lesions():
    part = np.array(["train", "train", "validation", "validation", "held-out", "held-out"], object)
    measured = outcome_of({"kind": "quantitative", "column": "MMSE"})
    values = Measurements(np.array([1.0, 2, 3, 3, 4, 5]))
    words = "fewer cohort.folds, a larger cohort.inner_validation, or no group_by"
    with mended(
        "tasks/quantitative/task.py",
        words,
        FoldError,
        lambda: measured.check_parts(values, part, "fold 0"),
    ):
        part[1] = "validation"  # as a larger inner validation has it
        part[2] = "train"
    lesions = outcome_of({"kind": "segmentation"})
    sizes = Measurements(np.array([5.0, 9, 0, 0, 7, 6]))
    part[:] = ["train", "train", "validation", "validation", "held-out", "held-out"]
    words = "fewer cohort.folds, or a larger cohort.inner_validation"
    with mended(
        "tasks/segmentation/task.py",
        words,
        FoldError,
        lambda: lesions.check_parts(sizes, part, "fold 0"),
    ):
        part[1] = "validation"


@pytest.mark.parametrize(
    ("module", "variable", "kind"),
    [
        row("tasks/binary/task.py", "{fault[2]}", "binary"),
        row("tasks/multiclass/task.py", "{fault[2]}", "multiclass"),
        row("tasks/survival/task.py", "{fault[2]}", "survival"),
    ],
)
def test_make_splits__the_number_of_folds_that_is_printed_or_no_groups(module, variable, kind):
    assert variable == "{fault[2]}"
    remedy = "set cohort.folds to at most 4, or leave out cohort.group_by"
    section, columns = RARE[kind]
    few = np.arange(PEOPLE) % 3 == 0
    names = [f"{number:03d}" for number in range(PEOPLE)]
    table = pd.DataFrame({"participant_id": names, "family": names, **columns(few)})
    table = table.assign(has_region=True, ward=np.arange(PEOPLE) // 3 % 4)
    for change in ({"folds": 4}, {"group_by": None}):
        cohort = {"group_by": "ward", "folds": 5, "inner_validation": 0.3}
        with mended(
            module, remedy, FoldError, lambda cohort=cohort: split(table, section, **cohort)
        ):
            cohort.update(change)
