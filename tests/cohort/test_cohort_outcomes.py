"""Outcomes: who has which, who leaves the cohort, and who only leaves the methods of one."""

from __future__ import annotations

import importlib.util
import json

import pandas as pd
import pytest

from gendmr.cohort.check import check_people
from gendmr.cohort.outcomes import everybody, tasks_of
from gendmr.config.modalities.region import RegionSection
from gendmr.config.modalities.snp import SnpSection
from gendmr.errors import (
    FoldError,
    IdentifierError,
    InputFileError,
    OutcomeError,
    SeveralErrors,
    TableError,
)

TWO = {
    "diagnosis": {"kind": "binary"},
    "carrier": {"kind": "binary", "column": "e4", "case": ["yes"], "control": ["no"]},
}


def table_of(out, name="participants.tsv"):
    return pd.read_csv(out / name, sep="\t", dtype=str, keep_default_na=False)


@pytest.fixture
def two(inputs):
    """24 people with two outcomes: the first three lack one, the other, and both."""
    inputs.options["outcomes"] = TWO
    for i, row in enumerate(inputs.participants):
        row["e4"] = "yes" if i % 3 else "no"
    inputs.participants[0]["diagnosis"] = "n/a"
    inputs.participants[1]["e4"] = "maybe"
    inputs.participants[2] |= {"diagnosis": "", "e4": "n/a"}
    return inputs


def test_join_people__keeps_who_lacks_one_of_several_outcomes(two, join):
    out = join(two)
    table = table_of(out)
    assert list(table)[:6] == ["participant_id", "diagnosis", "carrier", "age", "sex", "site"]
    rows = table.set_index("participant_id")
    assert rows.loc["000", ["diagnosis", "carrier"]].tolist() == ["n/a", "control"]
    assert rows.loc["001", ["diagnosis", "carrier"]].tolist() == ["case", "n/a"]
    assert "002" not in rows.index and len(rows) == 23


def test_join_people__lists_who_lacks_an_outcome_with_its_name(two, join):
    out = join(two)
    removed = table_of(out, "attrition.tsv").query("step == 'outcome'")
    assert removed[["id", "stage", "reason"]].values.tolist() == [
        ["002", "cohort", "no diagnosis; no carrier"],
        ["000", "cohort", "no diagnosis: not in the methods of diagnosis"],
        [
            "001",
            "cohort",
            "carrier 'maybe' is neither case nor control: not in the methods of carrier",
        ],
    ]
    summary = json.loads((out / "summary.json").read_text())
    assert "2 people lack some of the outcomes" in " ".join(summary["notes"])
    # Who stays is not counted among those who left.
    flow = summary["flow"]
    assert flow["left"] == {"no diagnosis; no carrier": 1}
    assert flow["listed"] - 1 == flow["analysed"][0]["n"] == 23
    assert flow["analysed"][0]["outcomes"] == {
        "diagnosis": {"case": 12, "control": 10},
        "carrier": {"case": 14, "control": 8},
    }


def test_everybody__is_who_has_the_outcome(two, join):
    out = join(two)
    for name, task in tasks_of(two.section()).items():
        people, outcome = everybody(out / "participants.tsv", task)
        assert outcome.known.all() and len(people) == 22
        assert {"diagnosis": "000", "carrier": "001"}[name] not in people


def test_join_people__describes_each_column_of_an_outcome(two, join):
    described = json.loads((join(two) / "participants.json").read_text())
    assert described["carrier"]["Levels"] == {"case": "yes", "control": "no"}
    assert "Kind" not in described["carrier"]


def test_join_people__refuses_a_table_in_which_nobody_has_an_outcome(two, join):
    # Each label of each outcome is there, but in nobody who can be used.
    two.participants[0] |= {"participant_id": "a b", "diagnosis": "case", "e4": "yes"}
    for row in two.participants[1:]:
        row |= {"diagnosis": "n/a", "e4": "n/a"}
    with pytest.raises(SeveralErrors, match="nobody's diagnosis is 'case'") as caught:
        join(two)
    assert [type(error) for error in caught.value.errors] == [OutcomeError, OutcomeError]


def test_join_people__refuses_a_missing_column_of_an_outcome(two, join):
    for row in two.participants:
        del row["e4"]
    with pytest.raises(TableError, match="'e4'"):
        join(two)


@pytest.mark.skipif(
    importlib.util.find_spec("gendmr.tasks.survival") is None, reason="no such kind of outcome"
)
def test_join_people__takes_outcomes_of_several_columns_and_kinds(inputs, join):
    inputs.options["outcomes"] = {
        "conversion": {"kind": "survival", "time": "months", "event": "seen"},
        "memory": {"kind": "quantitative", "column": "mmse"},
    }
    for i, row in enumerate(inputs.participants):
        row |= {"months": 10 + i, "seen": i % 2, "mmse": 20 + i / 10}
    inputs.participants[5] |= {"seen": "n/a"}
    out = join(inputs)
    table = table_of(out).set_index("participant_id")
    columns = ["conversion_time", "conversion_event", "memory"]
    assert list(table)[:3] == columns
    assert [float(value) for value in table.loc["004", columns]] == [14, 0, 20.4]
    assert table.loc["005", columns[:2]].tolist() == ["n/a", "n/a"]
    flow = json.loads((out / "summary.json").read_text())["flow"]
    assert flow["analysed"][0]["outcomes"]["conversion"] == {"censored": 12, "event": 11}


def check(inputs, tmp_path, names=("snp",), **stages):
    inputs.write()
    genotypes = {"inputs": [str(inputs.folder / "qc")], "build": "GRCh37"}
    sections = {"snp": SnpSection(), "region": RegionSection()}
    check_people(
        inputs.section(),
        {name: sections[name] for name in names},
        {"genotypes": genotypes, **stages},
        tmp_path / "check.json",
    )
    return json.loads((tmp_path / "check.json").read_text())


def test_check_people__counts_outcomes_and_modalities(two, tmp_path):
    counts = check(two, tmp_path)
    del counts["warnings"]
    assert counts == {
        "participants": {"listed": 24, "with_outcome": 23},
        "outcomes": {"diagnosis": 22, "carrier": 22},
        "modalities": {"snp": {"found": 20, "joined": 20}},
    }


def test_check_people__refuses_a_modality_that_nobody_has(two, tmp_path):
    two.fam = [("F", f"x{i}") for i in range(20)]
    with pytest.raises(IdentifierError, match=r"0 people of .*qc\.fam"):
        check(two, tmp_path)


def test_check_people__refuses_a_column_that_holds_no_such_outcome(two, tmp_path):
    for row in two.participants:
        row["e4"] = "12"
    with pytest.raises(OutcomeError, match="nobody's e4 is 'yes'"):
        check(two, tmp_path)


def test_check_people__refuses_fewer_cases_than_folds(two, tmp_path):
    for row in two.participants[5:]:
        row["e4"] = "no"
    with pytest.raises(FoldError, match=r"1 people with carrier case .* too few for 5 folds"):
        check(two, tmp_path)


def test_check_people__refuses_a_column_of_folds_that_is_not_there(two, tmp_path):
    two.options["fold_by"] = "ward"
    with pytest.raises(TableError, match="'ward'"):
        check(two, tmp_path)


def test_check_people__refuses_a_missing_folder_of_images(two, tmp_path):
    imaging = {"bids": str(tmp_path / "none"), "atlas": {"templateflow": "DKT"}}
    with pytest.raises(InputFileError, match="no such folder of images"):
        check(two, tmp_path, names=("snp", "region"), imaging=imaging)
