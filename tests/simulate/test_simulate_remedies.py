"""What an error of a simulation says to change is changed, and the cohort can be drawn then."""

from __future__ import annotations

import numpy as np
import pytest

from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError, TableError
from gendmr.simulate.disease import choose_balanced
from gendmr.simulate.lesion_names import lesion_people
from gendmr.simulate.reference import read_genes
from gendmr.simulate.slide_names import slides_of
from remedies import mended, row

HEAD = "symbol\tentrez\tchromosome\tstart\tend\tstrand\tcandidate\n"
GENES = HEAD + "A\t1\t1\t100\t200\t+\tTrue\nB\t2\t2\t5\t9\t-\tFalse\n"
REFERENCE = "simulate/reference.py"


@pytest.mark.parametrize(
    ("module", "remedy", "section", "call"),
    [
        row("simulate/lesion_names.py", "add `simulate: lesions: ", "lesions", lesion_people),
        row("simulate/slide_names.py", "add `simulate: tumours: ", "tumours", slides_of),
    ],
)
def test_names_of_people__after_the_section_is_added(module, remedy, section, call):
    entries = {"people": 40, "images": 40}
    with mended(
        module, remedy, ConfigurationError, lambda: call(SimulateSection.parse(entries))
    ) as refused:
        assert f"`simulate: {section}: {{}}`" in refused.next_step
        entries[section] = {}


@pytest.mark.parametrize(
    ("module", "remedy", "wrong", "mending"),
    [
        row(REFERENCE, "give 1-based closed GRCh37 coordinates and strand + or -",
            {"text": GENES.replace("\t100\t200", "\t0\t200")}, {"text": GENES}),
        row(REFERENCE, "lower simulate.genes or simulate.planted, or extend the table",
            {"genes": 3}, {"genes": 2}),
        row(REFERENCE, "lower simulate.genes or simulate.planted, or extend the table",
            {"planted": 2}, {"planted": 1}),
        row(REFERENCE, "lower simulate.genes or simulate.planted, or extend the table",
            {"genes": 3}, {"text": GENES + "C\t3\t3\t5\t9\t+\tFalse\n"}),
    ],
)  # fmt: skip
def test_read_genes__after_each_part_of_its_remedy(tmp_path, module, remedy, wrong, mending):
    path = tmp_path / "genes.tsv"
    call = {"text": GENES, "genes": 2, "planted": 1, **wrong}

    def read():
        path.write_text(call["text"])
        read_genes(path, call["genes"], call["planted"])

    with mended(module, remedy, TableError, read):
        call.update(mending)


def test_choose_balanced__a_pool_of_weaker_effects():
    case = np.array([True] * 30 + [False] * 5)
    words = "lower simulate.strongest_odds_ratio or age_effect, or change the seed"
    with mended(
        "simulate/disease.py", words, ConfigurationError, lambda: choose_balanced(case, 20)
    ):
        case[:12] = False
