"""How large a study is, from its configuration and the headers of its inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gendmr.cohort.fold_values import size_of_split
from gendmr.config.genotypes import GenotypesSection, form_of
from gendmr.config.modalities.base import ModalitySection
from gendmr.config.study import Study
from gendmr.errors import InputFileError
from gendmr.estimate.plan import Job
from gendmr.genotypes.bgen import read_bgen_header

MILLION = 1e6
TRAINING = ("train_fold", "train_null")
NULL_OF_EVIDENCE = "train_null_evidence"  # of methods that need no fit for it
RANKING = ("rank", "draw")  # rules that stand once for each set of modalities
UNKNOWN = 100  # instances of a modality whose files cannot be looked into yet


@dataclass(frozen=True)
class Size:
    """What the cost of a study grows with.

    Attributes
    ----------
    people : int
        With genotypes; without genotypes, those of the table of participants.
    variants : int
        Before quality control; 0 without genotypes.
    scans : int
        Registrations in the plan of the whole study.
    instances : mapping of str to int
        Of each modality: those that enter a fold, at most.
    available : mapping of str to int
        Of each modality: those of the cohort.
    folds : int, optional
        Of all repeats; without it, those that the configuration names.
    """

    people: int
    variants: int
    scans: int
    instances: Mapping[str, int]
    available: Mapping[str, int]
    folds: int | None = None


def study_size(
    study: Study, *, scans: int = 0, people: int | None = None, variants: int | None = None
) -> Size:
    """Return the size of a study; `people` and `variants` take the place of what files say.

    Raises
    ------
    InputFileError
        Genotypes are missing, or of a form whose header is not read here; or there is no table of
        participants.
    """
    genes = None
    if study.simulate:
        simulated = study.simulate
        genes = simulated.genes
        typed = genes * simulated.snps_per_gene + simulated.background_snps
        people, variants = people or simulated.people, variants or typed
    elif study.genotypes is None:
        people, variants = people or _lines(study.cohort.participants) - 1, 0
    elif people is None or variants is None:
        counts = _genotypes(study.genotypes)
        people, variants = people or counts[0], variants or counts[1]
    if study.annotation is not None and not study.simulate:
        genes = _lines(study.annotation.genes)
    available = {
        name: _available(section, study, variants)
        for name, section in study.modality_sections().items()
    }
    return Size(
        people=people,
        variants=variants,
        scans=scans,
        instances={
            name: section.most(available[name], genes)
            for name, section in study.modality_sections().items()
        },
        available=available,
        folds=math.prod(size_of_split(study.cohort, study.simulate)),
    )


def known_size(study: Study) -> Size | None:
    """Return the size of a study where its files tell it: a missing one is for its rule to name."""
    try:
        return study_size(study)
    except InputFileError:
        return None


def _available(section: ModalitySection, study: Study, variants: int) -> int:
    """Return how many instances a modality has in the cohort, as far as that can be told."""
    if section.stage == "genotypes":
        return variants
    if study.imaging is not None and section.stage == "imaging" and study.imaging.atlas:
        table = getattr(study.imaging.atlas, "table", None)
        return _lines(table) - 1 if table and Path(table).is_file() else UNKNOWN
    columns = [_columns(Path(path)) for path in section.user_files() if Path(path).is_file()]
    return max(columns, default=UNKNOWN)


def _genotypes(section: GenotypesSection) -> tuple[int, int]:
    people: set[bytes] = set()
    rows, variants = 0, []
    for prefix in section.inputs:
        if form_of(prefix) == "bgen" and section.bgen and Path(prefix).is_file():
            header = read_bgen_header(Path(prefix))
            sample = Path(section.bgen.sample_of(prefix) or prefix)
            # Files of one .sample hold the same people; what is wrong with it is for its rule.
            people |= {f"{sample} {number}".encode() for number in range(header.people)}
            rows += header.people
            variants.append(header.variants)
            continue
        fam, bim = Path(f"{prefix}.fam"), Path(f"{prefix}.bim")
        if not (fam.is_file() and bim.is_file()):
            raise InputFileError(
                f"{prefix}: no .fam and .bim from which to tell people and variants",
                cause="the path is wrong, or the genotypes have another form",
                next_step="check `genotypes: inputs:`, or add --people N --variants M",
            )
        # A damaged .fam is for the rule that reads it to name: here lines are only counted.
        lines = fam.read_bytes().splitlines()
        names = [fields[min(1, len(fields) - 1)] for line in lines if (fields := line.split())]
        people |= set(names)
        rows += len(names)
        variants.append(_lines(str(bim)))
    # Sets of the same people are laid side by side, those of other people share their variants.
    same_people = len(people) < 0.75 * rows
    return len(people), sum(variants) if same_people else max(variants)


def _lines(path: str) -> int:
    if not Path(path).is_file():
        raise InputFileError(f"{path}: no such file", next_step="check the path in the study")
    with Path(path).open("rb") as stream:
        return sum(1 for _ in stream)


def _columns(path: Path) -> int:
    """Return the columns of a table but for that of the people."""
    with path.open("rb") as stream:
        return max(stream.readline().count(b"\t"), 1)


def drivers(job: Job, study: Study, size: Size) -> dict[str, float]:
    """Return what the cost of one job is made of: the names that rates are given for.

    Products are in millions. Instances are those that the job's method reads. Epochs are the
    configured ones: training often stops earlier.
    """
    method = job.wildcards.get("method")
    cells, epochs = 0.0, 0
    if method in study.methods:
        options = study.method_options(method)
        instances = sum(size.instances.get(name, 0) for name in options.reads)
        cells = size.people * instances / MILLION
        epochs = options.optimisation.epochs if options.optimisation is not None else 0
    folds = size.folds or study.cohort.folds * study.cohort.repeats
    count = 0
    if "chunk" in job.wildcards:
        count = study.null_range(str(method), int(job.wildcards["chunk"]))[1]
    preset = study.imaging.preset if study.imaging and study.imaging.bids else "testing"
    return {
        "start": 1.0,
        "people_variants": size.people * size.variants / MILLION,
        "people_instances": cells,
        "epochs_people_instances": epochs * cells,
        "permutations_people_instances": count * cells,
        "permutations_epochs_people_instances": count * epochs * cells,
        "scans": float(size.scans),
        "folds": float(folds),
        "method_folds": float(folds * len(study.methods)),
        "permutations_folds": float(study.training.null.permutations * folds),
        preset: 1.0,
        f"{preset}_heads": float(study.imaging.labelled_heads) if study.imaging else 0.0,
    }


def rule_family(job: Job, study: Study) -> str:
    """Return the rule of a job without what tells copies of a rule apart.

    Rules that stand once for each set of modalities are named `<verb>_<modalities>`, and those of
    folds once for each set of files that are left beside the others, `train_fold_<files>`.
    """
    for rule in TRAINING:
        if job.rule == rule or job.rule.startswith(f"{rule}_"):
            return rule
    verb, _, modalities = job.rule.partition("_")
    # `join_expression` is a rule of its own: only of rankings is there one for each set.
    if verb not in RANKING or not modalities:
        return job.rule
    return verb if set(modalities.split("_")) <= set(study.modality_sections()) else job.rule


def rate_name(job: Job, study: Study) -> str:
    """Return the key of a job's rates: its rule, and for training the kind of its method."""
    family = rule_family(job, study)
    if family not in TRAINING:
        return family
    name = job.wildcards["method"]
    if family == "train_null" and not study.refits(name):
        family = NULL_OF_EVIDENCE
    return f"{family} {study.methods[name].kind}"
