"""Declaration of the modality `snp`."""

from __future__ import annotations

import numpy as np

from gendmr.files.datasets import Variable
from gendmr.modalities.base import Modality

# `distance` of a SNP that no gene is near; never 0, which means inside a gene.
NO_DISTANCE = int(np.iinfo(np.int64).min)


def _dosage(values: np.ndarray) -> str | None:
    wrong = int(((values < -1) | (values > 2)).sum())
    return f"{wrong} values are none of -1, 0, 1, 2" if wrong else None


def _position(values: np.ndarray) -> str | None:
    wrong = int((values < 1).sum())
    return f"{wrong} positions are below 1" if wrong else None


MODALITY = Modality(
    name="snp",
    label="genotypes",
    instance="SNP",
    schema={
        "dosage": Variable(
            ("participant", "snp"), "int8", "copies", "effect alleles; -1 is missing", _dosage
        ),
        "participant": Variable(("participant",), "text", "", "participant_id"),
        "snp": Variable(("snp",), "text", "", "variant name"),
        "chromosome": Variable(("snp",), "text", "", "1 to 22, X"),
        "position": Variable(("snp",), "int64", "bp", "1-based", _position),
        "gene": Variable(("snp",), "text", "", "genes separated by ';', empty where none"),
        "effect_allele": Variable(("snp",), "text", "", "the allele that is counted"),
        "other_allele": Variable(("snp",), "text", "", "the other allele"),
        "distance": Variable(
            ("snp",),
            "int64",
            "bp",
            "to the first gene; negative upstream, 0 inside, the smallest int64 where none",
        ),
    },
    main="dosage",
    named=("snp", "chromosome", "position", "gene"),
    kinds=("variant",),
    agreeing={
        "build": "name the build of the training cohort in genotypes.build of the new one, and its"
        " own build with a chain file in genotypes.lift; then join it again"
    },
    steps={"maf": "minor allele frequency", "hwe": "Hardy–Weinberg proportions"},
)
