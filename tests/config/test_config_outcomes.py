"""Outcomes of a study: their names, and options that cannot be meant."""

from __future__ import annotations

import pytest

from gendmr.config.outcomes import parse_outcome
from gendmr.config.study import Study
from gendmr.errors import ConfigurationError
from studies import OUTCOMES, make_study, study_mapping


def with_cohort(**cohort):
    mapping = study_mapping()
    mapping["cohort"] |= cohort
    return Study.parse(mapping)


def test_without_outcomes_there_is_a_diagnosis_of_cases_and_controls():
    study = make_study()
    assert list(study.cohort.outcomes) == ["diagnosis"]
    assert study.cohort.outcomes["diagnosis"].kind == "binary"


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_outcome_survives_the_command_line(name):
    section = make_study(outcomes=OUTCOMES).cohort.outcomes[name]
    assert parse_outcome(section.dump(), where=f"cohort.outcomes.{name}") == section


def test_a_wrong_outcome_on_the_command_line_names_where():
    with pytest.raises(ConfigurationError, match=r"cohort.outcomes.x: .*\n.*cases: unknown key"):
        parse_outcome('{"kind": "binary", "cases": ["AD"]}', where="cohort.outcomes.x")


@pytest.mark.parametrize(
    "name", ["Diagnosis", "1st", "memory_score", "age", "sex", "family", "all", "", "a" * 31]
)
def test_a_name_that_would_clash_or_hurt_is_refused(name):
    with pytest.raises(ConfigurationError, match=r"not names of outcomes"):
        make_study(outcomes={name: {"kind": "binary"}})


def test_no_outcome_at_all_and_too_many_are_refused():
    for outcomes in ({}, {f"o{number}": {"kind": "binary"} for number in range(21)}):
        with pytest.raises(ConfigurationError, match=r"cohort.outcomes"):
            make_study(outcomes=outcomes)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"kind": "ordinal"}, "ordinal"),
        ({}, "kind"),
        ({"kind": "binary", "case": ["AD"], "control": ["AD", "CN"]}, "at once: 'AD'"),
        ({"kind": "binary", "case": []}, "at least one label"),
        ({"kind": "multiclass", "column": "s", "classes": ["a", "b"]}, "at least 3"),
        ({"kind": "multiclass", "column": "s", "classes": ["a", "b", "a"]}, "two classes at once"),
        (
            {
                "kind": "multiclass",
                "column": "s",
                "classes": ["a", "b", "c"],
                "pooled": {"d": ["e"]},
            },
            "pooled names no class: 'd'",
        ),
        ({"kind": "quantitative"}, r"column"),
        ({"kind": "survival", "time": "t"}, r"event"),
        ({"kind": "survival", "time": "t", "event": "t"}, "two columns"),
        ({"kind": "survival", "time": "t", "event": "e", "horizons": [0.0]}, "times above 0"),
        (
            {"kind": "survival", "time": "t", "event": "e", "model": "discrete", "intervals": 1},
            "intervals",
        ),
    ],
    ids=str,
)
def test_an_outcome_that_cannot_be_meant_is_refused(entry, words):
    with pytest.raises(ConfigurationError, match=words):
        make_study(outcomes={"x": entry})


@pytest.mark.parametrize(
    ("cohort", "words"),
    [
        ({"covariates": ["age", "has_snp"]}, "reserved names .*'has_snp'"),
        ({"covariates": ["age", "diagnosis"]}, "reserved names .*'diagnosis'"),
        ({"group_by": "diagnosis_time"}, "reserved names .*'diagnosis_time'"),
        ({"categorical": ["scanner"]}, "categorical names no covariates: 'scanner'"),
        ({"columns": {"height": "cm"}}, "columns renames what is not used: 'height'"),
        ({"outcomes": {"x": {"kind": "binary"}}, "group_by": "x"}, "reserved names .*'x'"),
    ],
    ids=str,
)
def test_columns_that_clash_are_refused(cohort, words):
    with pytest.raises(ConfigurationError, match=words):
        with_cohort(**cohort)


def test_a_column_of_folds_may_be_any():
    study = with_cohort(fold_by="hospital", columns={"sex": "gender"})
    assert study.cohort.fold_by == "hospital"
    assert with_cohort(group_by="hospital").cohort.group_by == "hospital"
    with pytest.raises(ConfigurationError, match="group_by and fold_by together"):
        with_cohort(fold_by="site", group_by="hospital")


def test_methods_of_outcomes_that_are_gone_are_refused():
    methods = {"m": {"kind": "ridge", "outcome": "memory"}}
    assert make_study(methods, outcomes=OUTCOMES).outcome_of("m") == "memory"
    gone = {name: entry for name, entry in OUTCOMES.items() if name != "memory"}
    with pytest.raises(ConfigurationError, match=r"m.outcome = 'memory': no such outcome"):
        make_study(methods, outcomes=gone)
