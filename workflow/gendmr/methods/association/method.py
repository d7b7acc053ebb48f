"""Statistics of single SNPs and single regions as a method: the ranking to compare with; no torch.

`channels: diagnosis` is the usual test of each SNP against the diagnosis. `channels: both` is the
two-channel score, which is ours: the root of the summed squares of the tests against the
out-of-fold imaging risk and against what imaging leaves unexplained (`gendmr.methods.evidence`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gendmr.config.methods import AssociationMethod
from gendmr.config.training import MethodOptions
from gendmr.methods.additive import FittedAdditive, logistic, note_missing, only_epoch, standardise
from gendmr.methods.base import OneByOne, Progress
from gendmr.methods.evidence import TWO_CHANNELS, Evidence, collect
from gendmr.seeds import generator
from gendmr.preprocessing.preparation import People, Preparation

if TYPE_CHECKING:
    from gendmr.engine.checkpoint import Checkpoint

PARTS = 5
SPREAD = 0.5  # SD of a bag's logit


def build(options: MethodOptions) -> Association:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, AssociationMethod):
        raise TypeError(f"options of {method.kind}, not of association")
    return Association(method)


class Association(OneByOne):
    """Signed risks in proportion to statistics of one SNP or one region at a time.

    The statistic of a SNP is z (`diagnosis`), or the root of the summed squares of the two channels
    with the sign of the diagnosis' z (`both`): a SNP whose channels disagree in direction is shown
    in that of the diagnosis. The statistic of a region is the root mean square of z of its three
    measures.

    The risk of a SNP is its statistic times the centred dosage over the mean absolute deviation of
    the dosage, so that the mean of |risk| over the training people is the statistic, whatever the
    allele frequency; with SDs a rarer allele would lose rank. The risk of a region is its statistic
    times the z-weighted sum of its measures, over the mean of its absolute value. One factor per
    bag makes the SD of the bag's logit 0.5 in people whose own statistics were left out.

    The logit of a person is an intercept and a multiple, at least 0, of the logit of each bag that
    the person has; these three or two numbers come from a logistic regression on bags made of
    statistics without the person's part of the training people.
    """

    kind = "association"
    task = "classification"
    modalities = frozenset({"snp", "region"})

    def __init__(self, options: AssociationMethod) -> None:
        self.options = options

    def fit(
        self,
        train: People,
        validation: People,
        preparation: Preparation,
        *,
        seed: int,
        device: str,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
    ) -> FittedAdditive:
        """Fit on `train`; see `Method.fit`. The device does not matter: it runs on the CPU."""
        both = self.options.channels == "both"
        evidence = collect(
            train,
            parts=PARTS,
            partitions=1,
            channels=TWO_CHANNELS if both else ("diagnosis",),
            random=generator(seed, "association"),
        )
        notes: list[str] = []
        kept, scores = self._bags(train, preparation, evidence, notes)
        if both and "snp" in kept and not evidence.imaging_people:
            notes.append(
                f"{int(train.has_region.sum())} training people have region measurements,"
                f" {int((train.has_region & train.has_snp).sum())} of them genotypes: too few for"
                " imaging to say anything of SNPs; the statistic is that of the diagnosis alone."
            )
        notes += note_missing(train, tuple(kept))
        y = train.diagnosis.astype(int)
        _, slopes, intercept = logistic(np.zeros((len(train), 0)), y, scores)
        fitted = FittedAdditive(
            preparation=preparation,
            intercept=intercept,
            covariates=np.zeros(train.covariates.shape[1]),
            snp=kept.get("snp"),
            region=kept["region"].reshape(-1, 3) if "region" in kept else None,
            share=dict(zip(kept, map(float, slopes), strict=True)),
            notes=notes,
            learned={
                "statistic.snp": np.ascontiguousarray(evidence.snp_all[:, : len(TWO_CHANNELS)]),
                "statistic.region": evidence.region_all,
            },
        )
        for name, share in fitted.share.items():
            if not share:
                notes.append(
                    f"The bag of {name}s does not rise with the risk in people whom its statistics"
                    " were not made from: it is ranked, and adds nothing to the score."
                )
        fitted.history = only_epoch(fitted, train, validation)
        progress(f"{len(preparation.snps)} SNPs, {len(preparation.regions)} regions")
        return fitted

    def _bags(
        self, train: People, preparation: Preparation, evidence: Evidence, notes: list[str]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return the weights of each bag that has any, and its cross-fitted logits.

        Returns
        -------
        weights : dict of float64 (instance * measure,)
            In logits of the bag per SD.
        logits : float64 (people, bag)
            From statistics without the person's part; 0 for people without the modality.
        """
        dosage = standardise(train, preparation)
        weights, logits = {}, []
        for name, present, values, (all_people, others) in (
            ("snp", train.has_snp, dosage, self._snp_weights(evidence, dosage[train.has_snp])),
            (
                "region",
                train.has_region,
                train.regions.reshape(len(train), -1),
                _region_weights(evidence, train.regions[train.has_region]),
            ),
        ):
            logit = _crossed(values, others, evidence.part[0]) * present
            spread = float(logit[present].std()) if present.any() else 0.0
            if spread > 0 and all_people.any():
                weights[name] = all_people * (SPREAD / spread)
                logits.append(logit * (SPREAD / spread))
            else:
                notes.append(f"No {name} has a statistic: there is no such bag.")
        return weights, np.column_stack(logits) if logits else np.zeros((len(train), 0))

    def _statistic(self, z: np.ndarray) -> np.ndarray:
        """Return the signed statistic (..., snp) of the channels (..., snp, channel)."""
        z = z.astype(np.float64)
        if self.options.channels == "diagnosis":
            return z[..., 0]
        return np.where(z[..., 0] < 0, -1.0, 1.0) * np.hypot(z[..., 1], z[..., 2])

    def _snp_weights(self, evidence: Evidence, dosage: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return weights (snp,) from all training people and (part, snp) without each part."""
        deviation = np.abs(dosage).mean(axis=0) if len(dosage) else np.zeros(dosage.shape[1])
        scale = np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1), 0.0)
        return self._statistic(evidence.snp_all) * scale, self._statistic(evidence.snp[0]) * scale


def _region_weights(evidence: Evidence, regions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (region * 3,) from all training people and (part, region * 3) without each.

    Parameters
    ----------
    evidence : Evidence
    regions : float32 (people, region, 3)
        Training people with region measurements.
    """
    z = np.concatenate([evidence.region_all[None], evidence.region[0]]).astype(np.float64)
    statistic = np.sqrt((z**2).mean(axis=2))
    found = np.zeros_like(z)
    if len(regions):
        size = np.abs(np.einsum("irm,krm->kir", regions, z)).mean(axis=1)
        scale = np.where(size > 0, statistic / np.where(size > 0, size, 1), 0.0)
        found = z * scale[:, :, None]
    flat = found.reshape(len(z), -1)
    return flat[0], flat[1:]


def _crossed(values: np.ndarray, weights: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Return sums of values (people, n) with the weights (part, n) of each person's part."""
    return np.asarray(np.take_along_axis(values @ weights.T, part[:, None], axis=1)[:, 0])
