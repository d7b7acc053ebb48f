"""What an error of the cohort says to change is changed, and the cohort is made then."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gendmr.cohort.fold_values import fold_values, size_of_split
from gendmr.cohort.participants import read_participants
from gendmr.cohort.splits import make_splits, split_folds
from gendmr.cohort.strata import make_strata
from gendmr.cohort.view import FoldView
from gendmr.config.cohort import CohortSection
from gendmr.config.outcomes.binary import BinaryOutcome
from gendmr.config.simulate import SimulateSection
from gendmr.errors import (
    ConfigurationError,
    DataLeakageError,
    FoldError,
    IdentifierError,
    TableError,
)
from gendmr.files.tables import write_table
from gendmr.tasks import task_of
from remedies import mended, row

LISTED = "cohort/participants.py"


def listed(people: int = 40) -> pd.DataFrame:
    """A table of people as a user has it."""
    return pd.DataFrame(
        {
            "participant_id": [f"{number:03d}" for number in range(people)],
            "diagnosis": np.where(np.arange(people) // 4 % 2, "case", "control"),
            "age": "71",
            "education": "12",
            "site": np.resize(["a", "b", "c", "d"], people),
        }
    )


@pytest.fixture
def section(tmp_path):
    """`section(table)`: writes the table and returns the section of its cohort."""

    def write(table: pd.DataFrame, **options) -> CohortSection:
        write_table(tmp_path / "participants.tsv", table)
        covariates = ["age", "education", "site"]
        entries = {"covariates": covariates, "categorical": ["site"], **options}
        return CohortSection.parse(
            {"participants": str(tmp_path / "participants.tsv"), **entries}, where="cohort"
        )

    return write


@pytest.mark.parametrize(
    ("module", "remedy", "column", "wrong", "right"),
    [
        row(LISTED, "divide them by 12", "age", str(71 * 12), "71"),
        row(LISTED, "give ages: the year of the measurement less", "age", "1950", str(2021 - 1950)),
        row(LISTED, "write numbers, not dates", "education", "2001-05-03", "12"),
        row(LISTED, "write decimal points: 71.5, not 71,5", "age", "71,5", "71.5"),
        row(LISTED, "where it is unknown, or name the codes for it", "age", "old", "n/a"),
    ],
)
def test_read_participants__a_column_that_is_written_as_it_says(
    section, module, remedy, column, wrong, right
):
    table = listed()
    table[column] = wrong
    with mended(module, remedy, TableError, lambda: read_participants(section(table))):
        table[column] = right


def test_read_participants__people_whose_names_are_safe(section):
    table = listed()
    table["participant_id"] = [f"a {name}" for name in table["participant_id"]]
    words = "rename these people here and in genotypes and images: letters, digits"
    with mended(LISTED, words, IdentifierError, lambda: read_participants(section(table))):
        table["participant_id"] = table["participant_id"].str.replace(" ", "-")


def test_read_participants__ages_and_their_description_in_years(section, tmp_path):
    table, described = listed().assign(age="8"), {"age": {"Units": "months"}}

    def read():
        (tmp_path / "participants.json").write_text(json.dumps(described))
        return read_participants(section(table))

    words = "give ages in years, and correct the description"
    with mended(LISTED, words, TableError, read):
        table["age"] = "0.67"
        described["age"]["Units"] = "years"


def test_fold_values__of_a_simulated_study_are_sites_or_those_of_its_files(section):
    simulate = SimulateSection.parse({"people": 40, "images": 10, "sites": 3})
    table = listed().assign(ward=np.resize(["x", "y"], 40))
    words = ", or run the simulation first and then a study of"
    for change in ({"fold_by": "site"}, {"simulate": None}):
        settings = {"fold_by": "ward", "simulate": simulate}
        with mended(
            "cohort/fold_values.py",
            words,
            ConfigurationError,
            lambda settings=settings: fold_values(
                section(table, fold_by=settings["fold_by"]), settings["simulate"]
            ),
        ) as refused:
            assert refused.next_step.startswith("set it to site, or")
            settings.update(change)


def test_fold_values__another_column_or_none(section):
    table, options = listed(60), {"fold_by": "participant"}
    table["participant"] = table["participant_id"]
    for change in ({"fold_by": "site"}, {"fold_by": None}):
        mending = dict(options)
        with mended(
            "cohort/fold_values.py",
            "name a column with 2 to ",
            FoldError,
            lambda mending=mending: size_of_split(section(table, **mending)),
        ):
            mending.update(change)


def joined(people: int = 200) -> pd.DataFrame:
    """A table of people as the join leaves it."""
    table = listed(people).assign(has_snp=True)
    return table.assign(family=table["participant_id"])


def test_make_splits__people_of_no_fold_are_written_so(section):
    theirs = listed(200)
    theirs.loc[:9, "site"] = "z"  # all of whom leave

    def split():
        options = section(theirs, fold_by="site")
        make_splits(joined().iloc[10:], options, 0, fold_values(options))

    module = "cohort/folds_by_column.py"
    with mended(module, "for them in the column", FoldError, split) as refused:
        assert "write n/a" in refused.next_step
        theirs.loc[:9, "site"] = "n/a"


@pytest.mark.parametrize("value", ["d", "n/a"])
def test_make_splits__small_values_are_pooled_or_train_only(section, value):
    table = joined()
    table.loc[:9, "site"], table.loc[:9, "diagnosis"] = "e", "case"

    def split():
        options = section(table, fold_by="site")
        make_splits(table, options, 0, fold_values(options))

    words = "pool small values in the column "
    with mended("cohort/folds_by_column.py", words, FoldError, split) as refused:
        assert "fold 4 (site e)" in refused.what
        table.loc[:9, "site"] = value


def test_make_splits__groups_of_a_column_that_is_there(section):
    options = {"group_by": "ward"}

    def split():
        make_splits(joined().assign(site=np.arange(200) % 20), section(listed(), **options), 0)

    with mended("cohort/assignment.py", "columns are ", FoldError, split) as refused:
        assert "'site'" in refused.next_step
        options["group_by"] = "site"


def test_make_strata__of_columns_that_are_there(section):
    table = joined().assign(age=70.0)
    for change in ({"strata": ["site"]}, {"strata": None}):
        options = {"strata": ["centre"]}
        with mended(
            "cohort/strata.py",
            "correct cohort.strata, or leave it out",
            ConfigurationError,
            lambda options=options: make_strata(table, None, section(listed(), **options), 0),
        ):
            options.update(change)


# Joining ------------------------------------------------------------------------------------------


def test_join_people__a_modality_of_nobody_is_left_out(inputs, join):
    inputs.imaged = []
    words = "restore the file, or take its section out of the configuration"
    with mended("cohort/join.py", words, IdentifierError, lambda: join(inputs)):
        inputs.images = False


def test_join_people__modalities_of_different_people_with_any_of_them(inputs, join):
    inputs.options["require"] = "all"
    inputs.imaged = [f"sub-{name}" for name in ("020", "021", "022", "023")]
    words = "set cohort.require: any"
    with mended("cohort/join.py", words, IdentifierError, lambda: join(inputs)):
        inputs.options["require"] = "any"


def test_join_people__measured_people_who_are_required_to_leave(inputs, join):
    words = "set cohort.require: any, or take out the section that measures"
    for change in (
        lambda: inputs.options.update(require="any"),
        lambda: setattr(inputs, "images", False),
    ):
        inputs.options["require"], inputs.images = "snp", True
        inputs.imaged = [f"sub-{name}" for name in ("020", "021", "022", "023")]
        with mended("cohort/join.py", words, IdentifierError, lambda: join(inputs)):
            change()


def test_join_people__each_person_once(inputs, join):
    inputs.participants[1]["participant_id"] = "000"
    words = "give each person one row and one identifier"
    with mended("modalities/matching.py", words, IdentifierError, lambda: join(inputs)):
        inputs.participants[1]["participant_id"] = "001"
    inputs.participants[1]["participant_id"] = "0"
    inputs.options["ignore"] = ["zeros"]
    words = ", or shorten cohort.ignore "
    with mended("modalities/matching.py", words, IdentifierError, lambda: join(inputs)):
        inputs.options["ignore"] = []


@pytest.mark.parametrize(
    ("module", "remedy", "change"),
    [
        row("cohort/recorded.py", "correct the coding of ", {"F": "M", "M": "F"}),
        row("cohort/recorded.py", "join the table again from its source, by identifier", None),
    ],
)
def test_join_people__sexes_that_differ_are_corrected(inputs, join, module, remedy, change):
    sexes = {row["participant_id"].removeprefix("sub-"): row["sex"] for row in inputs.participants}
    right = [row["sex"] for row in inputs.participants]
    wrong = [change[sex] for sex in right] if change else right[7:] + right[:7]
    write = inputs.write

    def with_sexes():
        arguments = write()
        lines = [f"{fid} {name} 0 0 {1 + (sexes[name] == 'F')} -9\n" for fid, name in inputs.fam]
        (inputs.folder / "qc.fam").write_text("".join(lines))
        return arguments

    inputs.write = with_sexes
    for person, sex in zip(inputs.participants, wrong, strict=True):
        person["sex"] = sex
    with mended(module, remedy, IdentifierError, lambda: join(inputs)):
        for person, sex in zip(inputs.participants, right, strict=True):
            person["sex"] = sex


# The view of a fold -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def original(tmp_path_factory, make_study, join_cohort):
    inputs = make_study(tmp_path_factory.mktemp("remedies") / "in", n=24, n_imaged=10)
    inputs.options |= {"folds": 3, "inner_validation": 0.25}
    out = inputs.folder.parent / "cohort"
    join_cohort(inputs.write(), out)
    split_folds(out / "participants.tsv", inputs.section(), 1, out / "splits.tsv")
    return inputs, out


def test_fold_view__other_folds_or_more_of_them(original, tmp_path):
    inputs, out = original
    folder = Path(shutil.copytree(out, tmp_path / "cohort"))
    task = task_of("diagnosis", BinaryOutcome())
    place = {"repeat": 0, "fold": 3}

    def split(**changes):
        options = CohortSection.parse(inputs.section().model_dump() | changes, where="cohort")
        split_folds(folder / "participants.tsv", options, 1, folder / "splits.tsv")

    def opened():
        FoldView.open(folder, place["repeat"], place["fold"], task=task, modalities=("snp",))

    words = "choose another, or raise cohort.repeats or cohort.folds"
    with mended("cohort/view.py", words, FoldError, opened):
        place["fold"] = 2
    place["fold"] = 3
    with mended("cohort/view.py", words, FoldError, opened):
        split(folds=4)
    place["repeat"] = 1
    with mended("cohort/view.py", words, FoldError, opened):
        split(folds=4, repeats=2)


def test_fold_view__people_who_left_and_the_held_out(original, tmp_path):
    inputs, out = original
    folder = Path(shutil.copytree(out, tmp_path / "cohort"))
    path = folder / "participants.tsv"
    task = task_of("diagnosis", BinaryOutcome())
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    table.iloc[:-8].to_csv(path, sep="\t", index=False)

    def opened():
        return FoldView.open(folder, 0, 0, task=task, modalities=("snp",))

    with mended(
        "cohort/view.py", "run the rule split_folds again", FoldError, lambda: opened().train
    ):
        split_folds(path, inputs.section(), 1, folder / "splits.tsv")
    view = opened()
    words = "finish fitting on view.train, call view.seal(), then predict"
    with mended("cohort/view.py", words, DataLeakageError, lambda: view.held_out):
        view.train.require("train")
        view.seal()
    words = "fit on view.train, apply to the others"
    subset = [view.validation]
    with mended(
        "modalities/subset.py", words, DataLeakageError, lambda: subset[0].require("train")
    ):
        subset[0] = view.train
