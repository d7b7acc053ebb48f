"""Tables: identifiers stay text, damage is named."""

from __future__ import annotations

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
    max_size=12,
    unique=True,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ids=identifiers, data=st.data())
def test_identifiers_and_numbers_read_back_as_written(tmp_path, ids, data):
    numbers = data.draw(
        st.lists(
            st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
            min_size=len(ids),
            max_size=len(ids),
        )
    )
    table = pd.DataFrame({"id": ids, "value": pd.array(numbers, dtype="Float64")})
    write_table(tmp_path / "t.tsv", table)
    back = read_table(tmp_path / "t.tsv", {"id": "text", "value": "number"}, key="id")
    assert back["id"].tolist() == ids
    assert [None if pd.isna(x) else float(x) for x in back["value"]] == numbers


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
        ("id\tage\tsxe\n1\t2\t3\n", "unknown columns: 'sxe'"),
        ("id\tage\tage\n1\t2\t3\n", "columns named twice: 'age'"),
        ("id\tage\n1\tsixty\n", "column age: 1 values are not a number or n/a: 'sixty'.*line 2"),
        ("id\tage\n1\t2\n1\t3\n", "1 values of id appear more than once: '1'"),
        ("id\tage\n\t2\n", "1 rows have no id"),
        ("id\tage\n1\t2\t3\n", "rows differ"),
    ],
)
def test_a_malformed_table_is_named(tmp_path, text, words):
    path = write(tmp_path / "bad.tsv", text)
    with pytest.raises(TableError, match=words):
        read_table(path, {"id": "text", "age": "number"}, key="id")


def test_missing_empty_and_wrongly_encoded_files_are_named(tmp_path):
    with pytest.raises(InputFileError, match="no such file"):
        read_table(tmp_path / "none.tsv", {"id": "text"})
    with pytest.raises(InputFileError, match="empty"):
        read_table(write(tmp_path / "empty.tsv", ""), {"id": "text"})
    with pytest.raises(InputFileError, match="not UTF-8"):
        read_table(write(tmp_path / "l.tsv", "id\nJosé\n", "latin-1"), {"id": "text"})
