"""Tables: identifiers stay text, damage is named."""

from __future__ import annotations

import gzip
import re
import subprocess

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gendmr.errors import InputFileError, TableError
from gendmr.files.tables import read_table, write_table

HARD = ["007", "1e5", "NA", "nan", "None", "002_S_0295", "True", "x" * 40, "Ünï", "1.0"]
identifiers = st.lists(
    st.one_of(
        st.sampled_from(HARD),
        st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=6,
    unique=True,
)


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"))
numbers = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=identifiers, data=st.data())
def test_identifiers_texts_and_numbers_read_back_as_written(tmp_path, ids, data):
    def column(values):
        return data.draw(st.lists(values, min_size=len(ids), max_size=len(ids)))

    table = pd.DataFrame(
        {
            "id": ids,
            "value": pd.array(column(numbers), dtype="Float64"),
            "count": pd.array(
                column(st.one_of(st.none(), st.integers(-(2**53), 2**53))), dtype="Int64"
            ),
            "remark": column(texts),
        }
    )
    write_table(tmp_path / "t.tsv", table)
    kinds = {"id": "text", "value": "number", "count": "integer", "remark": "text"}
    back = read_table(tmp_path / "t.tsv", kinds, key="id")
    assert back["id"].tolist() == ids
    for name in ("value", "count"):
        assert [None if pd.isna(x) else x for x in back[name]] == [
            None if pd.isna(x) else x for x in table[name]
        ]
    assert back["remark"].tolist() == [text.strip() for text in table["remark"]]


GOOD = b"participant_id\tage\tsex\n007\t61.5\tM\n1e5\t70\tF\nNA\tn/a\tM\n"


@st.composite
def damaged(draw):
    """A table with bytes cut, changed, doubled or put in."""
    data = bytearray(GOOD)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        piece = draw(st.sampled_from([b"\0", b"\t", b"\n", b"\r", b",", b'"', b"\xff", b"\xc3"]))
        kind = draw(st.sampled_from(["cut", "put", "change", "twice", "wide"]))
        if kind == "cut":
            del data[place:]
        elif kind == "put":
            data[place:place] = piece
        elif kind == "change":
            data[place : place + 1] = piece
        elif kind == "twice":
            data += data[place:]
        else:
            data = bytearray(data.decode("latin-1").encode("utf-16"))
    return bytes(data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=damaged())
def test_a_damaged_table_reads_as_what_it_says_or_is_named(tmp_path, data):
    path = tmp_path / "d.tsv"
    path.write_bytes(data)
    kinds = {"participant_id": "text", "age": "number", "sex": "text"}
    try:
        table = read_table(path, kinds, extra=True, key="participant_id")
    except (TableError, InputFileError) as error:
        assert str(path) in str(error)
        return
    # an obvious twin: what a person sees in the file
    lines = [line for line in re.split("\r\n|\r|\n", data.decode("utf-8-sig")) if line.strip(" ")]
    cells = [[cell.strip() for cell in line.split("\t")] for line in lines]
    ages = [row[cells[0].index("age")] for row in cells[1:]]
    assert list(table) == cells[0]
    assert table["participant_id"].tolist() == [
        row[cells[0].index("participant_id")] for row in cells[1:]
    ]
    assert [None if pd.isna(age) else age for age in table["age"]] == [
        None if age in {"", "n/a"} else float(age) for age in ages
    ]


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_windows_line_ends_and_byte_order_mark_are_read(tmp_path):
    path = write(tmp_path / "w.tsv", "id\tage\r\n007\t61\r\n", "utf-8-sig")
    table = read_table(path, {"id": "text", "age": "number"})
    assert table["id"].tolist() == ["007"]
    assert table["age"].tolist() == [61]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id\n1\n", "1 of 2 needed columns missing: 'age'"),
        ("ID\tAges\n1\t2\n", r"did you mean 'ID' for 'id', 'Ages' for 'age'\?"),
        ("id\tage\tsxe\n1\t2\t3\n", "unknown columns: 'sxe'"),
        ("id\tage\tsxe\n1\t2\t3\n", r"did you mean 'sex' for 'sxe'\?"),
        ("id\tage\tage\n1\t2\t3\n", "columns named twice: 'age'"),
        ("id\tage\n1\tsixty\n", "column age: 1 values are not a number or n/a: 'sixty'.*line 2"),
        ("id\tage\n1\t2\n1\t3\n", "1 values of id appear more than once: '1'"),
        ("id\tage\n\t2\n", r"1 rows have no id \(first in line 2\)"),
        ("id\tage\n1\t2\n\t\n", r"1 rows have no id \(first in line 3\)"),
        ("id\tage\n1\t2\t3\n", "rows differ.* 1 of 1 .* first is line 2, with 3"),
        ("id\tage\n\n1\t2\n3\n", "rows differ.* 1 of 2 .* first is line 4, with 1: '3'"),
        ("id,age\n1,2\n", r"(?s)'id,age'.*separated by commas, not by tabs"),
        ("id;age\n1;2\n", "(?s)separated by semicolons"),
        ("id age\n1 2\n", "(?s)separated by spaces"),
        ('"id"\t"age"\n1\t2\n', "(?s)names stand in quotation marks"),
        ("id\tage\n\n1\t61,5\n", r"(?s)'61,5' \(first in line 3\).*decimal commas"),
        ("id\tage\n1\t1_000\n", "not a number or n/a: '1_000'"),
        ("id\tage\tn\n1\t2\t2.5\n", "column n: 1 values are not a whole number"),
        ("id\tage\tn\n1\t2\t1e300\n", "column n: 1 values are not a whole number"),
    ],
)
def test_a_malformed_table_is_named(tmp_path, text, words):
    path = write(tmp_path / "bad.tsv", text)
    optional = {"sex": "text", "n": "integer"}
    with pytest.raises(TableError, match=words):
        read_table(path, {"id": "text", "age": "number"}, optional=optional, key="id")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b" \n\t\r\n", "the file is empty"),
        ("id\nJosé\n".encode("latin-1"), "(?s)not UTF-8 text .*iconv -f LATIN1"),
        ("id\nJosé\n".encode("utf-16"), "(?s)not UTF-8 text but UTF-16.*iconv -f UTF-16"),
        ("id\nAnna\n".encode("utf-16-le"), "(?s)NUL bytes.*UTF-16LE"),
        (b"id\n00\x007\n", "NUL bytes"),
        (b"PK\x03\x04\x14\x00", "spreadsheet or zip archive"),
        (gzip.compress(b"id\n1\n", mtime=0), "(?s)compressed with gzip.*gunzip"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path, data, words):
    path = tmp_path / "no.tsv"
    path.write_bytes(data)
    with pytest.raises(InputFileError, match=words):
        read_table(path, {"id": "text"})


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.tsv", tmp_path):
        with pytest.raises(InputFileError, match="no such file"):
            read_table(path, {"id": "text"})


def test_line_ends_of_old_and_new_systems_are_read(tmp_path):
    for ends in ("\n", "\r\n", "\r"):
        path = write(tmp_path / "e.tsv", ends.join(["id\tage", "007\t61", "", "NA\tn/a", ""]))
        table = read_table(path, {"id": "text", "age": "number"})
        assert table["id"].tolist() == ["007", "NA"]
        assert table["age"].isna().tolist() == [False, True]


def test_a_value_that_no_table_can_hold_is_refused_and_nothing_is_written(tmp_path):
    table = pd.DataFrame({"site": ["A\tB", 'C"D'], "n": [1, 2]})
    with pytest.raises(TableError, match="1 values hold a tab or a line break"):
        write_table(tmp_path / "t.tsv", table)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        *("id\nJosé\n".encode(code) for code in ("latin-1", "utf-16", "utf-16-le")),
        gzip.compress("id\nJosé\n".encode(), mtime=0),
    ],
)
def test_read_table__a_file_in_another_form_is_read_after_what_it_says(tmp_path, content):
    path = tmp_path / "people.tsv"
    path.write_bytes(content)
    with pytest.raises(InputFileError) as error:
        read_table(path, {"id": "text"})
    command = re.search(r"(iconv|gunzip) [^,;]* > fixed", error.value.next_step)
    assert command is not None
    subprocess.run(["bash", "-ec", command[0]], cwd=tmp_path, check=True)
    assert read_table(tmp_path / "fixed", {"id": "text"})["id"].tolist() == ["José"]
