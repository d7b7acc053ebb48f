"""What is read out of a trained network: retrieval of people, genes behind the size of a lesion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from gendmr.config.methods.mgi import RETRIEVAL_FILES
from gendmr.engine.batches import in_order
from gendmr.engine.forward import Forward
from gendmr.engine.layout import Layout
from gendmr.files.tables import write_table
from gendmr.methods.additive import attribution_of
from gendmr.methods.base import Attribution
from gendmr.methods.integrated_gradients import integrated_gradients
from gendmr.methods.mgi.contrastive import recall_table
from gendmr.methods.mgi.network import MgiNet
from gendmr.methods.mgi.rows import EXPRESSION, PersonRows
from gendmr.methods.slices import KNOWN, SLICE, with_slices
from gendmr.preprocessing.prepared import PreparedSubset

if TYPE_CHECKING:
    from gendmr.methods.fitted_network import FittedNetwork
    from gendmr.methods.mgi.method import Mgi

TABLE, FIGURE = RETRIEVAL_FILES
COLLAPSED = 0.99  # mean cosine of different people from which on embeddings are all alike
SLICES_OF_VOLUME = 8  # of a person, evenly spaced, whose genes are attributed
POINTS = 16  # on the way from the average to the person, in one pass


@dataclass(frozen=True)
class PairedEmbeddings:
    """Embeddings of people who have images and genes.

    Parameters
    ----------
    people : PreparedSubset
    image, gene : float64 (person, width)
        Of length 1; that of a person's image is the mean of those of the slices.
    """

    people: PreparedSubset
    image: np.ndarray
    gene: np.ndarray

    @property
    def similarity(self) -> np.ndarray:
        """Cosines of image i and genes j, float64 (person, person)."""
        return np.asarray(self.image @ self.gene.T)

    def alarms(self) -> list[str]:
        """Return a note where embeddings of different people are all alike."""
        notes = []
        for name, embeddings in (("images", self.image), ("genes", self.gene)):
            people = len(embeddings)
            if people < 2:
                continue
            cosines = embeddings @ embeddings.T
            between = (cosines.sum() - np.trace(cosines)) / (people * (people - 1))
            if between > COLLAPSED:
                notes.append(
                    f"ALARM: embeddings of {name} of different people have a mean cosine of"
                    f" {between:.3f}: they collapsed."
                )
        return notes


def alignment_of(
    method: Mgi, fitted: FittedNetwork, weights: torch.Tensor, people: PreparedSubset
) -> PairedEmbeddings | None:
    """Return embeddings of those who have images and genes, None where nobody has both.

    Parameters
    ----------
    method : Mgi
    fitted : FittedNetwork
    weights : Tensor (weight,)
        As pre-training left them.
    people : PreparedSubset
    """
    paired = with_slices(people.take(np.flatnonzero(people.present[EXPRESSION])))
    if not len(paired):
        return None
    rows = method.rows(paired, fitted.preparation, fitted.modalities)

    def embed(module: torch.nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        net = cast(MgiNet, module)
        if SLICE in batch:
            return {SLICE: net.embed_images(method.planes(batch[SLICE], batch[KNOWN]))}
        return {EXPRESSION: net.embed_genes(batch[EXPRESSION])}

    forward = Forward(embed, fitted.module, Layout(fitted.module))
    total = np.zeros((len(paired), method.options.projection))
    with torch.no_grad():
        for piece in in_order(len(rows), method.optimisation.batch_size):
            batch = {
                name: value.to(weights.device) for name, value in rows.read(piece.rows).items()
            }
            embedding = forward(weights, fitted.buffers, batch, False)[SLICE].cpu().numpy()
            np.add.at(total, rows.person[piece.rows], embedding.astype(np.float64))
        levels = rows.designs[EXPRESSION].to(weights.device)
        gene = forward(weights, fitted.buffers, {EXPRESSION: levels}, False)[EXPRESSION]
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return PairedEmbeddings(
        paired, total / np.maximum(length, 1e-12), gene.cpu().numpy().astype(float)
    )


def leave_retrieval(
    folder: Path, aligned: PairedEmbeddings | None, hospital_column: str
) -> list[str]:
    """Write retrieval.tsv and the matrix of cosines as retrieval.png; return a sentence.

    Parameters
    ----------
    folder : Path
        Of the fold.
    aligned : PairedEmbeddings, optional
        Of held-out people; without it the table has no rows.
    hospital_column : str
        Label of people; without it in the cohort all are of one hospital.
    """
    from gendmr.methods.mgi.figure import draw_retrieval

    labels = aligned.people.labels.get(hospital_column) if aligned is not None else None
    people = len(aligned.people) if aligned is not None else 0
    similarity = aligned.similarity if aligned is not None else np.zeros((0, 0))
    hospital = np.array(["all"] * people) if labels is None else labels.astype(str)
    table = recall_table(similarity, hospital)
    write_table(folder / TABLE, table)
    draw_retrieval(folder / FIGURE, similarity, hospital)
    if not people:
        return [
            f"Nobody could be found by image or genes, and {TABLE} is empty: no held-out person has"
            " both, or there was no pre-training."
        ]
    by = table.set_index(["query", "retriever", "among"])["recall_1"]
    chance = table.set_index(["query", "retriever", "among"])["chance_1"]
    everybody, within = ("image", "network", "all"), ("image", "network", "hospital")
    return [
        f"Held-out images find the genes of their person first in {by[everybody]:.0%} of"
        f" {people} people (chance {chance[everybody]:.0%}; by the hospital alone"
        f" {by['image', 'hospital', 'all']:.0%}), within hospitals in {by[within]:.0%} (chance"
        f" {chance[within]:.0%}): see {TABLE}."
    ]


def attribute_volume(method: Mgi, fitted: FittedNetwork, people: PreparedSubset) -> Attribution:
    """Return integrated gradients of genes to the predicted size of the lesion.

    The size is the mean probability over pixels of at most `SLICES_OF_VOLUME` slices, evenly
    spaced, in per cent; the baseline is that of average genes.
    """
    genes = len(fitted.preparation.instances(EXPRESSION))
    values = np.zeros((len(people), genes))
    base = np.zeros(len(people))
    has = people.present[EXPRESSION] & people.present[SLICE]
    layout, order = Layout(fitted.module), method.order(fitted.preparation, fitted.modalities)
    forward = Forward(_volume, fitted.module, layout)
    for place in np.flatnonzero(has):
        person = people.take(np.array([place]))
        rows: PersonRows = method.rows(person, fitted.preparation, fitted.modalities)
        count = min(len(rows), SLICES_OF_VOLUME)
        sampled = np.unique(np.linspace(0, len(rows) - 1, count).round().astype(np.int64))
        batch = {name: value.to(fitted.row.device) for name, value in rows.read(sampled).items()}
        images = method.planes(batch[SLICE], batch[KNOWN])  # (slice, channel, side, side)

        def scalar(
            inputs: Mapping[str, torch.Tensor],
            index: np.ndarray,
            images: torch.Tensor = images,
        ) -> torch.Tensor:
            outputs = forward(
                fitted.row, fitted.buffers, {SLICE: images, EXPRESSION: inputs[EXPRESSION]}, False
            )
            return outputs["volume"]  # (point,)

        levels = rows.designs[EXPRESSION].to(fitted.row.device)  # (1, gene), in order
        gradients, start, _ = integrated_gradients(scalar, {EXPRESSION: levels}, POINTS)
        values[place, order] = gradients[EXPRESSION][0]
        base[place] = start[0]
    return attribution_of(values, has, base)


def _volume(module: torch.nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the size of one person's lesion, per cent, for each of several genes (point,)."""
    net = cast(MgiNet, module)
    images, levels = batch[SLICE], batch[EXPRESSION]
    points, slices = len(levels), len(images)
    owner = torch.arange(points, device=levels.device).repeat_interleave(slices)
    logits = net.segment(images, owner, levels, None, copies=points)
    share = torch.sigmoid(logits).mean((1, 2))  # (point * slice,)
    return {"volume": 100 * share.view(points, slices).mean(1)}
