"""What an error of a file of gene sets says to change is changed, and the file is read then."""

from __future__ import annotations

import pandas as pd
import pytest

from gendmr.errors import AnnotationError, GendmrError, RankingError, TableError
from gendmr.ranking.folds import order_folds
from gendmr.ranking.gene_sets import read_gmt, read_loci
from remedies import mended, row

SETS = "ranking/gene_sets.py"
PLACES = pd.DataFrame(
    {
        "gene": ["APOE", "TOMM40", "BIN1", "CR1"],
        "chromosome": ["19", "19", "2", "1"],
        "start": pd.array([45_409_039, 45_394_477, 127_805_599, 207_669_473], dtype="Int64"),
        "end": pd.array([45_412_650, 45_406_946, 127_864_903, 207_815_110], dtype="Int64"),
    }
)
LOCI = "chromosome\tposition\n19\t45411941\n2\t127850000\n"
LIFT_NAMED = (
    "chromosome\tposition\tname\n19\t44905796\tAPOE\n2\t127048027\tBIN1\n"
    "1\t207496147\tCR1\n19\t45400000\tELSEWHERE\n"
)
LIFTED = (
    LIFT_NAMED.replace("44905796", "45409039")
    .replace("127048027", "127805599")
    .replace("207496147", "207669492")
)
CODES = "write 1 to 22, X, Y, XY or MT, with or without chr"


@pytest.mark.parametrize(
    ("module", "remedy", "error", "wrong", "mending"),
    [
        row(SETS, "rename one of them, or give the collections as two files", TableError,
            "A\td\tAPOE\nA\td\tBIN1\n", "A\td\tAPOE\nB\td\tBIN1\n"),
        row(SETS, "rename one of them, or give the collections as two files", TableError,
            "A\td\tAPOE\nA\td\tBIN1\n", "A\td\tAPOE\n"),
        row(SETS, "give sets with the names of annotation/genes.tsv; MSigDB has each",
            AnnotationError,
            "A\td\t348\t274\n", "A\td\tAPOE\tBIN1\n"),
    ],
)  # fmt: skip
def test_read_gmt__after_what_the_remedy_says(tmp_path, module, remedy, error, wrong, mending):
    path = tmp_path / "sets.gmt"
    path.write_text(wrong)
    with mended(module, remedy, error, lambda: read_gmt(path, ["APOE", "BIN1"])):
        path.write_text(mending)


@pytest.mark.parametrize(
    ("module", "remedy", "error", "wrong", "mending"),
    [
        row(SETS, ", or raise ranking.enrichment.window_kb", AnnotationError,
            "chromosome\tposition\n19\t45413650\n", 1000),
        row(SETS, "rename the columns", TableError, "chromosome\tpos\n19\t45411941\n", LOCI),
        row(SETS, "restore it, or leave it out", TableError, "chromosome\tposition\n", LOCI),
        row(SETS, "positions are base pairs, counted from 1", TableError,
            LOCI.replace("45411941", "0"), LOCI),
        row(SETS, CODES, AnnotationError, LOCI.replace("\n2", "\nNC_000002.11"), LOCI),
        row(SETS, CODES, AnnotationError, LOCI.replace("\n2", "\nNC_000002.11"),
            LOCI.replace("\n2", "\nchr2")),
        row(SETS, "lift the loci over to ", AnnotationError,
            "chromosome\tposition\tbuild\n19\t44908684\tGRCh38\n",
            "chromosome\tposition\tbuild\n19\t45411941\tGRCh37\n"),
        row(SETS, "lift the loci over to the build of the study", AnnotationError, LIFT_NAMED,
            LIFTED),
    ],
)  # fmt: skip
def test_read_loci__after_what_the_remedy_says(
    tmp_path, module, remedy, error: type[GendmrError], wrong, mending
):
    path = tmp_path / "loci.tsv"
    path.write_text(wrong)
    options = {"window_bp": 0}
    with mended(module, remedy, error, lambda: read_loci(path, PLACES, build="GRCh37", **options)):
        if isinstance(mending, int):
            options["window_bp"] = mending
        else:
            path.write_text(mending)


def test_order_folds__paths_as_they_are_told(tmp_path):
    paths = [str(tmp_path / "attributions.nc")]
    words = "repeat-<r>/fold-<k>/attributions.nc of each fold"
    with mended("ranking/folds.py", words, RankingError, lambda: order_folds(paths)):
        paths[0] = str(tmp_path / "repeat-0/fold-1/attributions.nc")
