"""The stages of a simulated study in one process: the calls of the rules, without their starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gendmr.annotation.mapping import map_snps
from gendmr.cohort.collect import collect_modality
from gendmr.cohort.join import join_people
from gendmr.cohort.splits import split_folds
from gendmr.cohort.strata import stratify_people
from gendmr.cohort.view import FoldView
from gendmr.config.study import Study
from gendmr.connectivity.collect import collect_connectivity
from gendmr.files.tables import read_table, write_table
from gendmr.genotypes.components import compute_components
from gendmr.genotypes.figures import draw_stage
from gendmr.genotypes.merging import merge_genotypes
from gendmr.genotypes.participants import filter_participants
from gendmr.genotypes.plink import Plink
from gendmr.genotypes.variants import filter_variants
from gendmr.imaging.measurements import read_measurements
from gendmr.methods.base import FitInputs
from gendmr.preprocessing.preparation import Preparation
from gendmr.ranking.rank import rank_method
from gendmr.seeds import derive, generator
from gendmr.simulate.atlas import make_atlas
from gendmr.simulate.cohort import simulate_cohort
from gendmr.simulate.maps import simulate_maps
from gendmr.simulate.measurements import simulate_measurements
from gendmr.simulate.signals import simulate_signals
from gendmr.statistics.classification import auc
from gendmr.tasks import task_of
from gendmr.tasks.binary.outcome import CaseStatus
from gendmr.training.evaluate import collect_metrics
from gendmr.training.fold import build_method, train_fold
from gendmr.training.null import fit_null

ROOT = Path(__file__).resolve().parents[1]
GENES, REGIONS = ROOT / "resources/demo_genes.tsv", ROOT / "resources/demo_regions.tsv"
PLINK_MEMORY = 2000  # MiB


def make_simulated_cohort(study: Study, results: Path) -> None:
    """Write the folder `cohort` of a simulated study with measurements, and all that leads to it.

    Parameters
    ----------
    study : Study
        With the sections `simulate`, `genotypes`, `annotation`, `imaging` and perhaps
        `connectivity`, whose paths lie in `results`.
    results : Path
        `results/<study>`.
    """
    if not (study.simulate and study.genotypes and study.annotation and study.imaging):
        raise SystemExit(
            f"the study {study.study} is not simulated with genotypes and measurements"
        )
    simulated = results / "simulate"
    simulate_cohort(GENES, REGIONS, study.simulate, study.seed, simulated)
    simulate_measurements(
        simulated / "anatomy.tsv", REGIONS, study.simulate, study.seed, simulated / "regions.nc"
    )
    if study.simulate.maps:
        labels, table = simulated / "atlas.nii.gz", simulated / "atlas.tsv"
        make_atlas(REGIONS, labels, table)
        simulate_maps(
            simulated / "regions.nc",
            REGIONS,
            labels,
            table,
            study.simulate,
            study.seed,
            simulated / "maps.tsv",
        )
    if study.connectivity:
        simulate_signals(
            simulated / "connections.tsv",
            study.simulate,
            study.seed,
            simulated / "series.npz",
            simulated / "components.tsv",
        )
        collect_connectivity(study.connectivity, results / "connectivity")
    measure_genotypes(study, results)
    read_measurements(study.imaging, results / "imaging")
    cohort = join_cohort(study, results)
    draw_folds(study, cohort, results / "genotypes/components.tsv")


def measure_genotypes(study: Study, results: Path) -> None:
    """Run the stages `genotypes` and `annotation`, which know no diagnosis.

    Parameters
    ----------
    study : Study
        With these sections.
    results : Path
        `results/<study>`.
    """
    if not (study.genotypes and study.annotation):
        raise SystemExit(f"the study {study.study} has no genotypes or no genes")
    work, plink = results / "genotypes/work", Plink(1, PLINK_MEMORY)
    merge_genotypes(study.genotypes, work, plink)
    filter_participants(study.genotypes, work, plink)
    filter_variants(study.genotypes, work, plink)
    compute_components(study.genotypes, work, plink, study.seed)
    draw_stage(study.genotypes, work, study.seed)
    map_snps(
        study.annotation,
        results / "genotypes/qc.bim",
        study.genotypes.build,
        results / "annotation",
    )


def draw_folds(study: Study, cohort: Path, components: Path | None) -> None:
    """Write the folds and strata of a cohort.

    Parameters
    ----------
    study : Study
    cohort : Path
        The folder `cohort`.
    components : Path, optional
        Table of ancestry components; None without genotypes.
    """
    participants = cohort / "participants.tsv"
    split_folds(participants, study.cohort, study.seed, cohort / "splits.tsv")
    stratify_people(participants, components, study.cohort, study.seed, cohort / "strata.tsv")


def permute_diagnoses(cohort: Path, seed: int) -> None:
    """Give each person of a cohort the diagnosis of somebody else; folds must be drawn anew.

    Parameters
    ----------
    cohort : Path
        The folder `cohort`, whose participants.tsv is changed.
    seed : int
    """
    path = cohort / "participants.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    order = generator(seed, "benchmark", "permuted").permutation(len(table))
    table["diagnosis"] = table["diagnosis"].to_numpy()[order]
    write_table(path, table)


def join_cohort(study: Study, results: Path) -> Path:
    """Join the people of a study and collect its modalities; return the folder `cohort`.

    Parameters
    ----------
    study : Study
    results : Path
        `results/<study>`, with what its stages measured.
    """
    sections = study.modality_sections()
    sources = {name: section.sources(str(results)) for name, section in sections.items()}
    cohort = results / "cohort"
    participants = cohort / "participants.tsv"
    join_people(sources, sections, study.cohort, cohort)
    for name, section in sections.items():
        output = cohort / f"{name}.nc"
        collect_modality(name, sources[name], section, participants, study.cohort, output)
    return cohort


def train_folds(study: Study, method: str, results: Path, *, device: str = "cpu") -> None:
    """Train all folds of a method; write metrics.tsv.

    Parameters
    ----------
    study : Study
    method : str
    results : Path
        `results/<study>`, with the folder `cohort`.
    device : str
        `auto`, `cpu` or `cuda`, for networks.
    """
    options = study.method_options(method)
    training = results / "training" / method
    folders = []
    for repeat, fold in _folds(results):
        folders.append(training / f"repeat-{repeat}/fold-{fold}")
        train_fold(
            results / "cohort",
            folders[-1],
            method=method,
            repeat=repeat,
            fold=fold,
            options=options,
            seed=study.seed,
            device=device,
        )
    task = task_of(options.outcome, options.task)
    collect_metrics(folders, training / "metrics.tsv", method=method, task=task, seed=study.seed)


def train_method(study: Study, method: str, results: Path, *, device: str = "cpu") -> None:
    """Train all folds of a method (`train_folds`), and their nulls, one chunk each.

    Parameters
    ----------
    study : Study
    method : str
        One of its methods that has a null.
    results : Path
        `results/<study>`, with the folder `cohort`.
    device : str
        `auto`, `cpu` or `cuda`, for networks.
    """
    train_folds(study, method, results, device=device)
    for repeat, fold in _folds(results):
        fit_null(
            results / "cohort",
            results / f"training/{method}/null/repeat-{repeat}/fold-{fold}/chunk-0.nc",
            method=method,
            repeat=repeat,
            fold=fold,
            first=0,
            count=study.training.null.permutations,
            options=study.method_options(method),
            seed=study.seed,
            device=device,
            evidence_alone=not study.refits(method),
        )


def training_key(study: Study, method: str) -> tuple[str, bool]:
    """Return what methods have in common that share folds and nulls: all but their ranking."""
    return study.method_options(method).dump(), study.refits(method)


def _folds(results: Path) -> list[tuple[int, int]]:
    """Return repeat and fold of each fold; those by a column are as many as it has values."""
    splits = read_table(
        results / "cohort/splits.tsv", {"repeat": "integer", "fold": "integer"}, extra=True
    )
    pairs = zip(splits["repeat"].tolist(), splits["fold"].tolist(), strict=True)
    return sorted(set(pairs))


def judge_folds(study: Study, method: str, results: Path) -> np.ndarray:
    """Return the AUC of a method in each fold, float64 (fold,), without attributions or files.

    Folds, seeds and predictions are those of `train_folds`. Attributions to maps take ten times as
    long as training, and what a part of a method changes in its AUC needs none.
    """
    options = study.method_options(method)
    task = task_of(options.outcome, options.task)
    values = []
    for repeat, fold in _folds(results):
        view = FoldView.open(
            results / "cohort", repeat, fold, task=task, modalities=tuple(options.modalities)
        )
        preparation = Preparation.fit(view, options)
        train, validation = preparation.apply(view.train), preparation.apply(view.validation)
        seed = derive(study.seed, "training", method, repeat, fold)
        inputs = FitInputs(train, validation, preparation, seed)
        fitted = build_method(options).fit(inputs, device="cpu", progress=lambda line: None)
        view.seal()
        held_out = preparation.apply(view.held_out)
        if not isinstance(held_out.outcome, CaseStatus):
            raise SystemExit(f"{method}: folds of a binary outcome alone are judged here")
        values.append(auc(held_out.outcome.case, fitted.predict(held_out)[:, 0]))
    return np.array(values)


def auc_of_folds(results: Path, method: str) -> np.ndarray:
    """Return the AUC of a method in each fold, as `train_folds` left it, float64 (fold,)."""
    table = read_table(
        results / "training" / method / "metrics.tsv",
        {"fold": "text", "metric": "text", "value": "number"},
        extra=True,
    )
    auc_rows = (table["metric"] == "auc") & table["fold"].str.isdigit()
    return table.loc[auc_rows, "value"].to_numpy(dtype=float)


def rank_trained(study: Study, trained: str, results: Path, *, ranked_as: str) -> None:
    """Rank what a method attributes; methods that differ in aggregation alone share a training.

    Parameters
    ----------
    study : Study
    trained : str
        The method whose folds are read.
    results : Path
    ranked_as : str
        The method whose entry of `ranking.methods` counts and whose folder is written.
    """
    options = study.method_options(trained)
    rank_method(
        method=ranked_as,
        attributions=[
            str(path)
            for path in sorted((results / "training" / trained).glob("repeat-*/fold-*/attri*.nc"))
        ],
        modalities=[name for name in options.reads if name in options.modalities],
        null_chunks=int(study.training.null.permutations > 0),
        cohort=results / "cohort",
        genes=results / "annotation/genes.tsv",
        options=study.ranking_of(ranked_as),
        output=results / "ranking" / ranked_as,
    )
