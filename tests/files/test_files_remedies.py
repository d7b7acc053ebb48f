"""What an error of a table says to change is changed, and the table is read then."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gendmr.errors import GendmrError, IdentifierError, InputFileError, ModalityError, TableError
from gendmr.files.lesions import normalised
from gendmr.files.listed import listed_files
from gendmr.files.spreadsheets import refuse_numbers
from gendmr.files.tables import read_table, write_table
from remedies import mended, row

TABLES, TEXT = "files/tables.py", "files/text.py"
GOOD = "id\tage\n007\t61.5\n1e5\t70\n"
KINDS = {"id": "text", "age": "number"}


@pytest.mark.parametrize(
    ("module", "remedy", "error", "wrong", "mending"),
    [
        row(TABLES, "keep one of them, each with a name of its own", TableError,
            "id\tage\tage\n1\t2\t3\n", "id\tage\n1\t2\n"),
        row(TABLES, "{rename}", TableError, "id\tAlter\n1\t2\n", "id\tage\n1\t2\n"),
        row(TABLES, "remove or rename them", TableError, "id\tage\tsxe\n1\t2\tM\n",
            "id\tage\tsex\n1\t2\tM\n"),
        row(TABLES, "remove or rename them", TableError, "id\tage\tsxe\n1\t2\tM\n", GOOD),
        row(TABLES, "correct them, or write ", TableError, GOOD.replace("61.5", "61,5"), GOOD),
        row(TABLES, "correct them, or write ", TableError, GOOD.replace("61.5", "sixty"),
            GOOD.replace("61.5", "n/a")),
        row(TABLES, "remove them, or write who they are", TableError, GOOD + "\t3\n", GOOD),
        row(TABLES, "remove them, or write who they are", TableError, GOOD + "\t3\n",
            GOOD + "9\t3\n"),
        row(TABLES, "keep one row for each", TableError, GOOD + "007\t3\n", GOOD),
        row(TABLES, "; write one tab between columns, and ", TableError, GOOD + "9\n",
            GOOD + "9\tn/a\n"),
        row(TABLES, "save the table again with tabs between columns", TableError,
            GOOD.replace("\t", ","), GOOD),
        row(TABLES, "save the table again without quotation marks", TableError,
            GOOD.replace("id", '"id"').replace("age", '"age"'), GOOD),
        row(TEXT, "save it as tab-separated text (UTF-8)", InputFileError, "PK\x03\x04\x14", GOOD),
        row(TEXT, "restore it and run again", InputFileError, "", GOOD),
    ],
)  # fmt: skip
def test_read_table__after_what_the_remedy_says(
    tmp_path, module, remedy, error: type[GendmrError], wrong, mending
):
    path = tmp_path / "table.tsv"
    path.write_bytes(wrong.encode())
    printed = "rename the columns" if remedy == "{rename}" else remedy
    with mended(
        module, printed, error, lambda: read_table(path, KINDS, optional={"sex": "text"}, key="id")
    ):
        path.write_text(mending)


def test_write_table__values_without_tabs(tmp_path):
    table = pd.DataFrame({"site": ["A\tB", "C"]})
    words = "correct it in the input that holds it"
    with mended(TABLES, words, TableError, lambda: write_table(tmp_path / "t.tsv", table)):
        table.loc[0, "site"] = "A B"


def test_refuse_numbers__identifiers_as_text():
    names = ["7.0", "8.0", "11.0"]
    words = "export the table again with the identifiers as text"
    with mended(
        "files/spreadsheets.py", words, IdentifierError, lambda: refuse_numbers(names, "p.tsv")
    ):
        names[:] = ["007", "008", "0011"]


def test_listed_files__a_row_for_each_person(tmp_path):
    path = tmp_path / "maps.tsv"
    path.write_text("participant_id\tfile\n")
    with mended(
        "files/listed.py", "list the map of each person", InputFileError, lambda: listed_files(path)
    ):
        path.write_text("participant_id\tfile\n007\ta.nii\n")


def test_normalised__with_the_statistics_of_the_volume():
    image, statistics = np.ones((1, 4, 4)), np.full((1, 4), np.nan)
    words = "run the stage `lesions` on the person's whole volume"
    with mended(
        "files/lesions.py",
        words,
        ModalityError,
        lambda: normalised(image, statistics, np.ones(1, bool)),
    ):
        statistics[:] = [0.0, 2.0, 1.0, 0.5]
