"""Rows of the clinical table that belong to others, seen by the sex that genotypes record."""

from __future__ import annotations

import random

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gendmr.cohort.recorded import compare_recorded
from gendmr.errors import IdentifierError
from gendmr.modalities.attrition import Attrition
from gendmr.modalities.base import Listing


def recorded(sexes: dict[str, str]) -> Listing:
    names = {name: name for name in sexes}
    return Listing(names, {}, "IID", "qc.fam", Attrition().table(), recorded={"sex": sexes})


def compare(table: list[str], genotypes: list[str]) -> list[str]:
    """Return who is listed; people are numbered, X is unknown to the genotypes."""
    ids = [f"P{number}" for number in range(len(table))]
    theirs = {who: sex for who, sex in zip(ids, genotypes, strict=True) if sex != "X"}
    people = pd.DataFrame({"participant_id": ids, "sex": table})
    attrition = Attrition()
    compare_recorded(people, dict(zip(ids, ids, strict=True)), recorded(theirs), attrition, "p.tsv")
    return attrition.table()["id"].tolist()


@given(st.lists(st.sampled_from("MF"), min_size=40, max_size=80), st.integers(0, 2), st.randoms())
def test_compare_recorded__few_differences_are_listed(sexes, count, chance):
    wrong = sorted(chance.sample(range(len(sexes)), count))
    table = [
        ("M" if sex == "F" else "F") if place in wrong else sex for place, sex in enumerate(sexes)
    ]
    assert compare(table, sexes) == [f"P{place}" for place in wrong]


def test_compare_recorded__rows_in_another_order_stop_the_run():
    sexes = ["M", "F"] * 50
    shuffled = sexes.copy()
    random.Random(1).shuffle(shuffled)
    with pytest.raises(IdentifierError, match="sorted without their identifiers"):
        compare(shuffled, sexes)


def test_compare_recorded__opposite_codes_are_named_as_such():
    with pytest.raises(IdentifierError, match=r"sex of 40 of 40 people (.|\n)*opposite ways"):
        compare(["M", "F"] * 20, ["F", "M"] * 20)


@pytest.mark.parametrize("unknown", ["n/a", "O"])
def test_compare_recorded__what_one_file_does_not_know_is_not_compared(unknown):
    assert compare([unknown] * 10 + ["M"] * 10, ["F"] * 10 + ["X"] * 10) == []


def sexes_of(inputs, wrong: int) -> None:
    """Write the sex of participants.tsv into the .fam, but for the first people."""
    sex = {row["participant_id"].removeprefix("sub-"): row["sex"] for row in inputs.participants}
    lines = [
        f"{family} {name} 0 0 {1 + ((sex[name] == 'F') != (place < wrong))} -9\n"
        for place, (family, name) in enumerate(inputs.fam)
    ]
    (inputs.folder / "qc.fam").write_text("".join(lines))


def test_join_people__lists_two_and_refuses_ten(inputs, tmp_path):
    from gendmr.cohort.join import join_people

    arguments = inputs.write()
    sexes_of(inputs, wrong=2)
    join_people(**arguments, output=tmp_path / "out")
    table = pd.read_csv(tmp_path / "out/attrition.tsv", sep="\t", dtype=str)
    listed = table[table["reason"].str.startswith("sex is")]
    assert listed["id"].tolist() == ["000", "001"]
    sexes_of(inputs, wrong=10)
    with pytest.raises(IdentifierError, match="sex of 10 of 20 people differs"):
        join_people(**arguments, output=tmp_path / "out")
