"""What GenDMR leaves undone in a fold for lack of people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gendmr.methods.evidence import Evidence
from gendmr.methods.gendmr.network import MODALITIES
from gendmr.preprocessing.prepared import PreparedSubset

FEWEST_TO_EXCHANGE = 10  # people with both modalities


def with_both(train: PreparedSubset, modalities: Sequence[str]) -> int:
    """Return the number of training people with genotypes and region measurements."""
    if len(modalities) < 2:
        return 0
    return int((train.present["snp"] & train.present["region"]).sum())


def not_done(
    train: PreparedSubset,
    modalities: Sequence[str],
    evidence: Evidence,
    *,
    channels: Sequence[str],
    exchange_wanted: bool,
) -> tuple[str, ...]:
    """Return notes on what is not done in a fit for lack of people.

    Parameters
    ----------
    train : PreparedSubset
    modalities : sequence of str
        That the fit reads.
    evidence : Evidence
        Collected from `train`.
    channels : sequence of str
        Channels of evidence that were asked for.
    exchange_wanted : bool
        Whether a modality is to teach another.
    """
    notes = []
    nobody = np.zeros(len(train), dtype=bool)
    typed, imaged = (train.present.get(name, nobody) for name in MODALITIES)
    if "imaging" in channels and not evidence.imaging_people:
        notes.append(
            f"{int(imaged.sum())} training people have region measurements,"
            f" {int((imaged & typed).sum())} of them genotypes: too few for"
            " imaging to say anything of SNPs; the evidence is the outcome alone."
        )
    if "outcome" in channels and "snp" in modalities and not evidence.snp_all.any():
        notes.append(
            f"No SNP can be tested: beyond {train.covariates.shape[1]} covariates and"
            f" components, nothing varies among {int(typed.sum())} training people with"
            " genotypes; SNPs have no evidence."
        )
    paired = with_both(train, modalities)
    if paired < FEWEST_TO_EXCHANGE and exchange_wanted:
        notes.append(
            f"{paired} training people have both modalities, fewer than {FEWEST_TO_EXCHANGE}:"
            " no modality teaches the other in this fold."
        )
    return tuple(notes)
