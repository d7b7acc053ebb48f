"""What spreadsheets do to names, ages and identifiers is named as what it is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendmr.annotation.genes import read_genes
from gendmr.cohort.participants import read_participants
from gendmr.config.cohort import CohortSection
from gendmr.config.expression import MatrixSection
from gendmr.errors import IdentifierError, TableError
from gendmr.expression.matrix import read_matrix
from gendmr.files.spreadsheets import is_date
from gendmr.ranking.gene_sets import read_gmt

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
SECTION = CohortSection.parse(
    {
        "participants": "p.tsv",
        "outcomes": {"diagnosis": {"kind": "binary", "case": ["AD"], "control": ["CN"]}},
        "covariates": ["age"],
        "folds": 2,
    }
)


@st.composite
def dates(draw):
    """Give a date as a spreadsheet shows or exports the name of a gene."""
    month, day = draw(st.integers(1, 12)), draw(st.integers(1, 15))
    year = draw(st.integers(1990, 2030))
    return draw(
        st.sampled_from(
            [
                f"{day}-{MONTHS[month - 1]}",
                f"{day:02d}-{MONTHS[month - 1].upper()}",
                f"{MONTHS[month - 1]}-{day:02d}",
                f"{day}-{MONTHS[month - 1]}-{year % 100:02d}",
                f"{year}-{month:02d}-{day:02d}",
                f"{year}-{month:02d}-{day:02d} 00:00:00",
                f"{month}/{day}/{year}",
                f"{day:02d}.{month:02d}.{year}",
            ]
        )
    )


GENES = [
    *("APOE", "SEPTIN2", "MARCHF1", "DELEC1", "HLA-A", "HLA-DRB1", "NKX2-1", "SEPT2", "MARCH1"),
    *("RP11-34P13.7", "ENSG00000130203.9", "7SK", "348", "AC004.1", "MIR-1-2", "H3-4", "DEC1"),
    *("OCT4", "APR-1A", "MAYBE", "NOV", "JUN", "5-HT1A", "1-8D", "10-FTHFDH"),
]


@settings(max_examples=60, deadline=None)
@given(date=dates(), form=st.sampled_from(["gene.loc", "glist", "matrix", "gmt"]))
def test_genes_that_became_dates_are_refused_wherever_genes_are_read(tmp_path_factory, date, form):
    folder = tmp_path_factory.mktemp("genes")
    path = folder / "genes.txt"
    if " " in date and form in ("gene.loc", "glist"):
        return  # columns of these are separated by spaces too
    if form == "gene.loc":
        path.write_text(f"1\t1\t10\t20\t+\tAPOE\n2\t1\t30\t40\t+\t{date}\n")
        with pytest.raises(TableError, match="are dates"):
            read_genes(path, form)
    elif form == "glist":
        path.write_text(f"1 10 20 APOE\n1 30 40 {date}\n")
        with pytest.raises(TableError, match="are dates"):
            read_genes(path, form)
    elif form == "matrix":
        path.write_text(f"gene\tP1\tP2\nAPOE\t1\t2\n{date}\t3\t4\n")
        with pytest.raises(TableError, match="are dates"):
            read_matrix(MatrixSection(path=str(path), unit="counts"))
    else:
        path.write_text(f"set\tabout\tAPOE\t{date}\n")
        with pytest.raises(TableError, match="are dates"):
            read_gmt(path, ["APOE"])


@pytest.mark.parametrize("name", GENES)
def test_a_name_of_a_gene_is_no_date(name):
    assert not is_date(name)


def table(folder, ids, ages):
    rows = [
        f"{who}\t{age}\t{('AD', 'CN')[n % 2]}"
        for n, (who, age) in enumerate(zip(ids, ages, strict=True))
    ]
    path = folder / "participants.tsv"
    path.write_text("\n".join(["participant_id\tage\tdiagnosis", *rows]) + "\n")
    return SECTION.model_copy(update={"participants": str(path)})


@settings(max_examples=40, deadline=None)
@given(
    numbers=st.lists(st.integers(1000, 10**12), min_size=4, max_size=12, unique=True),
    form=st.sampled_from(["decimal", "comma", "power"]),
    prefix=st.sampled_from(["", "sub-"]),
)
def test_identifiers_that_became_numbers_are_refused(tmp_path_factory, numbers, form, prefix):
    write = {
        "decimal": lambda number: f"{number}.0",
        "comma": lambda number: f"{number},0",
        "power": lambda number: f"{number:.5E}",
    }[form]
    ids = [prefix + write(number) for number in numbers]
    options = table(tmp_path_factory.mktemp("ids"), ids, [70] * len(ids))
    with pytest.raises((IdentifierError, TableError), match=r"became|several|twice|more than"):
        read_participants(options)


def test_a_few_identifiers_of_that_form_are_names(tmp_path):
    options = table(tmp_path, ["A1", "A2", "A3", "12.0"], [70] * 4)
    assert len(read_participants(options).people) == 4


@settings(max_examples=40, deadline=None)
@given(
    ages=st.lists(st.integers(40, 90), min_size=6, max_size=20),
    form=st.sampled_from(["birth", "date", "comma", "months"]),
)
def test_ages_in_another_form_are_named_as_what_they_are(tmp_path_factory, ages, form):
    written, cause, remedy = {
        "birth": ([2020 - age for age in ages], "years of birth", [str(age) for age in ages]),
        "date": ([f"{2020 - age}-03-01" for age in ages], "dates", [str(age) for age in ages]),
        "comma": (
            [f"{age},5" for age in ages],
            "decimal commas",
            [f"{age}.5" for age in ages],
        ),
        "months": ([12 * age for age in ages], "ages in months", [str(age) for age in ages]),
    }[form]
    folder = tmp_path_factory.mktemp("ages")
    ids = [f"P{number}" for number in range(len(ages))]
    options = table(folder, ids, written)
    with pytest.raises(TableError) as error:
        read_participants(options)
    assert error.value.cause.startswith(cause)
    # What is printed is done: the table then reads.
    assert len(read_participants(table(folder, ids, remedy)).people) == len(ages)
