"""Codes of sex and of unknown values, in every form that other programs write."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gendmr.cohort.codes import SENTINELS, is_unknown, recode_sex, sentinel_of
from gendmr.cohort.participants import read_participants
from gendmr.config.cohort import CohortSection
from gendmr.errors import TableError
from gendmr.files.tables import write_table
from gendmr.modalities.attrition import Attrition

WORDS = {"M": ["m", "male", "man"], "F": ["f", "female", "woman"]}
UNKNOWN = [
    "NA",
    "NaN",
    "nan",
    "N/A",
    "#N/A",
    "#NULL!",
    "NULL",
    "None",
    ".",
    "",
    "-9",
    "?",
    "unknown",
]


def section(folder: Path, sex: list[str], age: list[str] | None = None, **options) -> CohortSection:
    """A table of people with a sex and, where given, an age."""
    names = [f"P{number:03}" for number in range(len(sex))]
    table = pd.DataFrame(
        {"participant_id": names, "diagnosis": ["case", "control"] * (len(sex) // 2)}
    )
    table["sex"] = sex
    table["age"] = age or ["70"] * len(sex)
    folder.mkdir(exist_ok=True)
    write_table(folder / "participants.tsv", table)
    return CohortSection.parse(
        {"participants": str(folder / "participants.tsv"), "covariates": ["age", "sex"]} | options,
        where="cohort",
    )


@given(
    st.lists(
        st.one_of(
            *(
                st.tuples(st.sampled_from(words), st.just(sex))
                for sex, words in (*WORDS.items(), ("n/a", UNKNOWN))
            )
        ),
        min_size=1,
    ),
    st.sampled_from([str, str.upper, str.title, lambda text: f" {text} "]),
)
def test_recode_sex__any_word_in_any_case(people, spelt):
    codes = pd.Series([spelt(word) for word, _ in people])
    assert recode_sex(codes, {}, "participants.tsv").tolist() == [sex for _, sex in people]


NUMBERED = [("1", "2"), ("0", "1"), ("1.0", "2.0"), ("0", "1", "2"), ("1", "2", "3", "9")]


@given(st.sampled_from(NUMBERED), st.data())
def test_recode_sex__numbers_need_the_meaning_that_the_error_asks_for(numbers, data):
    codes = data.draw(st.lists(st.sampled_from(numbers), min_size=1))
    with pytest.raises(TableError) as caught:
        recode_sex(pd.Series(codes), {}, "participants.tsv")
    assert "PLINK" in str(caught.value)
    advised = yaml.safe_load(re.search(r"sex_codes: (\{.*\})", str(caught.value))[1])
    written = recode_sex(pd.Series(codes), advised, "participants.tsv")
    assert {written[place] for place, code in enumerate(codes) if code[0] == "1"} <= {"M"}
    assert {written[place] for place, code in enumerate(codes) if code[0] == "2"} <= {"F"}
    assert set(written) <= {"M", "F", "n/a"}


def test_read_participants__numbered_sex_is_refused_and_read_as_configured(tmp_path):
    sex = ["1", "2", "1", "2", "NA", "2"]
    with pytest.raises(
        TableError, match=r"sex of 5 of 6 people is no word for it: '1' \(2 people\), '2'"
    ):
        read_participants(section(tmp_path, sex))
    attrition = Attrition()
    configured = section(tmp_path, sex, sex_codes={1: "M", 2: "F"})
    assert read_participants(configured, attrition).people["sex"].tolist() == [
        *"MFMF",
        "n/a",
        "F",
    ]
    (row,) = attrition.table().itertuples()
    assert (row.id, row.reason) == ("P004", "sex 'NA' is a code: unknown, person kept")


def test_read_participants__a_word_of_another_language_is_refused(tmp_path):
    with pytest.raises(TableError, match=r"'kobieta' \(1 people\)"):
        read_participants(section(tmp_path, ["M", "kobieta"]))


@pytest.mark.parametrize("code", sorted({*UNKNOWN, "n/d"} - {"", "n/d", "-9", "N/A"}))
def test_read_participants__words_for_unknown_are_listed_however_many(tmp_path, code):
    attrition = Attrition()
    listed = read_participants(section(tmp_path, ["M"] * 8, ["70", code] * 4), attrition)
    assert listed.people["age"].isna().tolist() == [False, True] * 4
    assert attrition.table()["id"].tolist() == ["P001", "P003", "P005", "P007"]


@given(st.sampled_from(SENTINELS), st.lists(st.integers(12, 20), min_size=1, max_size=30))
def test_sentinel_of__a_code_far_from_all_values_is_seen(code, measurements):
    values = pd.Series([*measurements, code], dtype=float)
    assert sentinel_of(values).tolist() == [False] * len(measurements) + [True]


@given(st.lists(st.floats(-2000, 2000), min_size=2, max_size=50))
def test_sentinel_of__ordinary_numbers_on_both_sides_of_zero_are_not(values):
    values = [value for value in values if value not in SENTINELS]
    low, high = -5000.5, 5000.5
    assert not sentinel_of(pd.Series([low, high, -9.0, 99.0, *values])).any()


def test_read_participants__a_numeric_code_is_refused_where_many_and_read_as_it_says(tmp_path):
    years = [*(["12", "16", "9", "20"] * 5)[:18], "-9", "-9"]
    options = {"covariates": ["education"], "columns": {"education": "age"}}
    with pytest.raises(TableError, match="codes for unknown, far from all other values") as caught:
        read_participants(section(tmp_path, ["M"] * 20, years, **options))
    codes = yaml.safe_load(re.search(r"unknown: (\[.*\])", str(caught.value))[1])
    listed = read_participants(section(tmp_path, ["M"] * 20, years, unknown=codes, **options))
    assert listed.people["education"].isna().sum() == 2


def test_is_unknown__labels_that_only_look_like_codes_stay():
    assert not is_unknown(pd.Series(["Nantes", "9", "Nana", "0", "North"])).any()
