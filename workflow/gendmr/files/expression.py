"""The schema of expression: of the stage that measures it, and of the modality."""

from __future__ import annotations

from gendmr.files.datasets import Variable, no_infinity

EXPRESSION = {
    "participant": Variable(("participant",), "text", "", "participant_id"),
    "platform": Variable(("participant",), "text", "", "cohort or platform of the person"),
    "logarithmic": Variable(
        ("participant",), "int8", "", "0: numbers on a linear scale; otherwise log2 or z"
    ),
    "expression": Variable(("expression",), "text", "", "gene, by symbol where there is one"),
    "groups": Variable(("expression",), "text", "", "families of the gene, separated by ;"),
    "place": Variable(
        ("expression",), "int64", "", "place along the genome, counted from 0; -1 is unknown"
    ),
    "level": Variable(
        ("participant", "expression"),
        "float32",
        "",
        "as measured (counts as counts per million); NaN is missing",
        no_infinity,
    ),
}
