"""How large a study is, from its configuration and the headers of its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gendmr.config.study import Study
from gendmr.errors import InputFileError
from gendmr.estimate.plan import Job

MILLION = 1e6


@dataclass(frozen=True)
class Size:
    """What the cost of a study grows with.

    Attributes
    ----------
    people : int
        With genotypes.
    variants : int
        Before quality control.
    snps : int
        SNPs that enter a fold, at most: what the selection allows.
    scans : int
        Registrations in the plan of the whole study.
    """

    people: int
    variants: int
    snps: int
    scans: int


def study_size(
    study: Study, *, scans: int, people: int | None = None, variants: int | None = None
) -> Size:
    """Return the size of a study; `people` and `variants` take the place of what files say.

    Raises
    ------
    InputFileError
        Genotypes are missing, or of a form whose header is not read here.
    """
    simulated = study.simulate
    if simulated:
        genes = simulated.genes
        typed = genes * simulated.snps_per_gene
        people = people or simulated.people
        variants = variants or typed + simulated.background_snps
    else:
        genes = _lines(study.annotation.genes)
        if people is None or variants is None:
            found = _genotypes(study.genotypes.inputs)
            people, variants = people or found[0], variants or found[1]
        typed = variants
    selection = study.training.selection
    in_genes = selection.per_gene * genes if selection.mode != "fold_association" else variants
    return Size(people, variants, min(selection.maximum, in_genes, typed), scans)


def _genotypes(inputs: tuple[str, ...]) -> tuple[int, int]:
    people: set[str] = set()
    rows, variants = 0, []
    for prefix in inputs:
        fam, bim = Path(f"{prefix}.fam"), Path(f"{prefix}.bim")
        if not (fam.is_file() and bim.is_file()):
            raise InputFileError(
                f"{prefix}: no .fam and .bim from which to tell people and variants",
                cause="the path is wrong, or the genotypes have another form",
                next_step="check `genotypes: inputs:`, or add --people N --variants M",
            )
        names = [line.split()[1] for line in fam.read_text(encoding="utf-8").splitlines() if line]
        people |= set(names)
        rows += len(names)
        variants.append(_lines(str(bim)))
    # Sets of the same people are laid side by side, those of other people share their variants.
    same = len(people) < 0.75 * rows
    return len(people), sum(variants) if same else max(variants)


def _lines(path: str) -> int:
    if not Path(path).is_file():
        raise InputFileError(f"{path}: no such file", next_step="check the path in the study")
    with Path(path).open("rb") as stream:
        return sum(1 for _ in stream)


def drivers(job: Job, study: Study, size: Size) -> dict[str, float]:
    """Return what the cost of one job is made of: the names that rates are given for.

    Products are in millions. Epochs are the configured ones: training often stops earlier.
    """
    cells = size.people * size.snps / MILLION
    epochs = study.training.optimisation.epochs
    folds = study.cohort.folds * study.cohort.repeats
    count = 0
    if "chunk" in job.wildcards:
        count = study.training.null_range(int(job.wildcards["chunk"]))[1]
    preset = study.imaging.preset if study.imaging and study.imaging.bids else "testing"
    return {
        "start": 1.0,
        "people_variants": size.people * size.variants / MILLION,
        "people_snps": cells,
        "epochs_people_snps": epochs * cells,
        "permutations_people_snps": count * cells,
        "permutations_epochs_people_snps": count * epochs * cells,
        "scans": float(size.scans),
        "folds": float(folds),
        "method_folds": float(folds * len(study.training.methods)),
        "permutations_folds": float(study.training.null.permutations * folds),
        preset: 1.0,
    }


def rate_name(job: Job, study: Study) -> str:
    """Return the key of a job's rates: its rule, and for training the kind of its method."""
    if job.rule in {"train_fold", "train_null"}:
        return f"{job.rule} {study.training.methods[job.wildcards['method']].kind}"
    return job.rule
