"""Statistics of single SNPs and single regions as a method: the ranking to compare with; no torch.

`channels: outcome` is the usual test of each SNP against the outcome. `channels: both` is the
two-channel score, which is ours: the root of the summed squares of the tests against the
out-of-fold prediction from imaging and against what imaging leaves unexplained
(`gendmr.methods.evidence`).
"""

from __future__ import annotations

import numpy as np

from gendmr.config.methods.association import AssociationMethod
from gendmr.config.training import MethodOptions
from gendmr.methods.additive import FittedAdditive, fit_scores, note_missing, only_epoch
from gendmr.methods.base import FitInputs, Progress, SequentialFits
from gendmr.methods.evidence import TWO_CHANNELS, CrossFitting, Evidence, collect
from gendmr.seeds import generator

PARTS = 5
SPREAD = 0.5  # SD of a bag's output


def build(options: MethodOptions) -> Association:
    """Return the method for its options."""
    method = options.method
    if not isinstance(method, AssociationMethod):
        raise TypeError(f"options of {method.kind}, not of association")
    return Association(method)


class Association(SequentialFits):
    """Attributions in proportion to statistics of one SNP or one region at a time.

    The statistic of a SNP is z (`outcome`), or the root of the summed squares of the two channels
    with the sign of the outcome's z (`both`): a SNP whose channels disagree in direction is shown
    in that of the outcome. The statistic of a region is the root mean square of z of its three
    measures.

    The value of a SNP is its statistic times the centred dosage over the mean absolute deviation of
    the dosage, so that the mean of |value| over the training people is the statistic, whatever the
    allele frequency; with SDs a rarer allele would lose rank. The value of a region is its
    statistic times the z-weighted sum of its measures, over the mean of its absolute value. One
    factor per bag makes the SD of the bag's output 0.5 in people whose own statistics were left
    out.

    The output of a person is an intercept and a multiple, at least 0, of the output of each bag
    that the person has; these numbers come from the linear model of the task on bags made of
    statistics without the person's part of the training people. With several outputs (classes),
    everything is done for each.
    """

    def __init__(self, options: AssociationMethod) -> None:
        self.options = options

    def fit(
        self, inputs: FitInputs, *, device: str, progress: Progress, checkpoint: object = None
    ) -> FittedAdditive:
        """Fit on the training people; see `Method.fit`. It runs on the CPU."""
        train, preparation, task = inputs.train, inputs.preparation, inputs.task
        two_channels = self.options.channels == "both"
        evidence = collect(
            train,
            task,
            CrossFitting(
                parts=PARTS,
                partitions=1,
                channels=TWO_CHANNELS if two_channels else TWO_CHANNELS[:1],
            ),
            generator(inputs.seed, "association"),
        )
        notes: list[str] = []
        coefficients, scores = self._bags(inputs, evidence, notes)
        if two_channels and "snp" in coefficients and not evidence.imaging_people:
            imaged = train.present.get("region", np.zeros(len(train), dtype=bool))
            notes.append(
                f"{int(imaged.sum())} training people have region measurements,"
                f" {int((imaged & train.present['snp']).sum())} of them genotypes: too few for"
                " imaging to say anything of SNPs; the statistic is that of the outcome alone."
            )
        notes += note_missing(train, tuple(coefficients), "it adds nothing to their score")
        no_features = np.zeros((len(train), 0))
        _, slopes, intercept = fit_scores(task, no_features, train.outcome, scores)
        fitted = FittedAdditive(
            preparation=preparation,
            intercept=intercept,
            covariates=np.zeros((train.covariates.shape[1], task.n_outputs)),
            coefficients=coefficients,
            share=dict(zip(coefficients, map(float, slopes), strict=True)),
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
        fitted.history = only_epoch(fitted, inputs)
        counts = [
            f"{len(preparation.instances(modality))} {modality}s" for modality in preparation.reads
        ]
        progress(", ".join(counts))
        return fitted

    def _bags(
        self, inputs: FitInputs, evidence: Evidence, notes: list[str]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return the coefficients of each bag that has any, and its cross-fitted outputs.

        Returns
        -------
        coefficients : dict of float64 (instance, measure, output)
            In outputs of the bag per SD.
        scores : float64 (person, bag, output)
            From statistics without the person's part; 0 for people without the modality.
        """
        train, outputs = inputs.train, inputs.task.n_outputs
        coefficients: dict[str, np.ndarray] = {}
        scores: list[np.ndarray] = []
        for name in inputs.preparation.reads:
            present = train.present[name]
            design = inputs.preparation.design(train, name)
            weigh = self._snp_weights if name == "snp" else _region_weights
            weights_of_all, weights_of_parts = weigh(evidence, design[present])
            # One phenotype stands behind all outputs of a task that has several for one person.
            if weights_of_all.shape[-1] != outputs:
                weights_of_all = np.repeat(weights_of_all, outputs, axis=-1)
                weights_of_parts = np.repeat(weights_of_parts, outputs, axis=-1)
            score = _crossed(design, weights_of_parts, evidence.part[0]) * present[:, None]
            spread = float(score[present].std()) if present.any() else 0.0
            if spread > 0 and weights_of_all.any():
                coefficients[name] = weights_of_all * (SPREAD / spread)
                scores.append(score * (SPREAD / spread))
            else:
                notes.append(f"No {name} has a statistic: there is no such bag.")
        if not scores:
            return coefficients, np.zeros((len(train), 0, outputs))
        return coefficients, np.stack(scores, axis=1)

    def _statistic(self, z: np.ndarray) -> np.ndarray:
        """Return the statistic (..., snp, phenotype) of channels (..., snp, channel, phenotype)."""
        z = z.astype(np.float64)
        if self.options.channels == "outcome":
            return z[..., 0, :]
        sign = np.where(z[..., 0, :] < 0, -1.0, 1.0)
        return np.asarray(sign * np.hypot(z[..., 1, :], z[..., 2, :]))

    def _snp_weights(self, evidence: Evidence, dosage: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return weights (snp, 1, phenotype) from all training people and without each part."""
        deviation = np.abs(dosage).mean(axis=0) if len(dosage) else np.zeros(dosage.shape[1:])
        scale = np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1), 0.0)[..., None]
        return (
            self._statistic(evidence.snp_all)[:, None] * scale,
            self._statistic(evidence.snp[0])[:, :, None] * scale,
        )


def _region_weights(evidence: Evidence, regions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (region, 3, phenotype) from all training people and without each part.

    Parameters
    ----------
    evidence : Evidence
    regions : float64 (person, region, 3)
        Training people with region measurements.
    """
    z = np.concatenate([evidence.region_all[None], evidence.region[0]]).astype(np.float64)
    statistic = np.sqrt((z**2).mean(axis=2))
    weights = np.zeros_like(z)
    if len(regions):
        size = np.abs(np.einsum("irm,krmp->kirp", regions, z)).mean(axis=1)
        scale = np.where(size > 0, statistic / np.where(size > 0, size, 1), 0.0)
        weights = z * scale[:, :, None]
    return weights[0], weights[1:]


def _crossed(design: np.ndarray, weights: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Return sums (person, output) of a design with the weights of each person's part.

    Parameters
    ----------
    design : float64 (person, instance, measure)
    weights : float64 (part, instance, measure, output)
    part : int (person,)
    """
    values = design.reshape(len(design), -1)
    sums = np.zeros((len(design), weights.shape[-1]))
    for number, weight in enumerate(weights):
        inside = part == number
        sums[inside] = values[inside] @ weight.reshape(values.shape[1], weights.shape[-1])
    return sums
