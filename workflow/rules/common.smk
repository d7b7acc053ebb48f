"""Helpers of the rules: the typed configuration, its slices, code fingerprints, lists of people."""

import shlex
import sys
from pathlib import Path

PACKAGE = Path(str(workflow.current_basedir)).resolve().parent
sys.path.insert(0, str(PACKAGE))
# Rules call `python -m gendmr`; it is found here in every environment, installed or not.
shell.prefix(
    f"export PYTHONPATH={shlex.quote(str(PACKAGE))} GENDMR_RUN=$PPID; set -euo pipefail; "
)

from gendmr.cli.console import changes_summary, failure_summary, start_summary, watch
from gendmr.config.resources import growing
from gendmr.config.study import Study
from gendmr.errors import GendmrError
from gendmr.files.fingerprint import fingerprint, remember
from gendmr.imaging.bids import find_images, there
from gendmr.report.catalogue import DRAWING_MODULES, DRAWN, legend_file
from gendmr.simulate.roster import planned_images
from gendmr.tracking.launch import follow_training

try:
    STUDY = Study.parse(config, where="configuration")
    # participant -> T1w images, the first counts; a simulated cohort is known before it is made
    IMAGES = {}
    if STUDY.imaging and STUDY.imaging.bids:
        IMAGES = (
            planned_images(STUDY.simulate, STUDY.imaging.bids)
            if STUDY.simulate
            else find_images(STUDY.imaging.bids, exclude=STUDY.imaging.exclude)
        )
except GendmrError as error:
    raise WorkflowError(f"{type(error).__name__}: {error}") from None

remember(Path(".snakemake/gendmr-code.json"))
REPEATS = range(STUDY.cohort.repeats)
FOLDS = range(STUDY.cohort.folds)
FAILURES = watch(workflow)
MODALITIES = list(STUDY.modality_sections())
METHODS = list(STUDY.methods)
# Made once, not for each of thousands of jobs.
SLICES = {name: STUDY.method_options(name) for name in METHODS}
SLICE_TEXTS = {name: options.dump() for name, options in SLICES.items()}
RANKED = STUDY.ranked_methods()
print(changes_summary(STUDY.study, workflow.is_main_process), end="", file=sys.stderr)


wildcard_constraints:
    study=STUDY.study,
    participant="[^/]+",
    method="|".join(METHODS),
    repeat=r"\d+",
    fold=r"\d+",
    chunk=r"\d+",


def whole(files):
    """Outputs that are no results where they are empty, whatever the job's exit status says."""
    return ensure(files, non_empty=True)


def study_files(*patterns, **values):
    """Expand patterns below results/<study>/."""
    return expand([f"results/{STUDY.study}/{name}" for name in patterns], **values)


def options(section):
    """The JSON of a section: a rule reruns when its own slice changes, not when another does."""
    value = getattr(STUDY, section) if isinstance(section, str) else section
    text = "{}" if value is None else value.dump()
    # Text would be searched for wildcards, and the path of masks holds `{participant}`.
    return lambda wildcards: text


def method_options(wildcards):
    """The slice of one method: its own entry and what all methods share."""
    return SLICE_TEXTS[wildcards.method]


def method_code(wildcards):
    """The fingerprint of one method's code."""
    return fingerprint(*SLICES[wildcards.method].code("training.fold"))


def null_code(wildcards):
    """The fingerprint of the code of one method's null."""
    return fingerprint(*SLICES[wildcards.method].code("training.null"))


def null_range(wildcards):
    """The first permutation of a chunk and how many."""
    return STUDY.training.null_range(int(wildcards.chunk))


def null_chunks(wildcards):
    """The number of chunks of one method's null in each fold."""
    return STUDY.null_chunks(wildcards.method)


def null_files(wildcards):
    """The null of one method: all chunks of all folds."""
    return study_files(
        "training/{method}/null/repeat-{repeat}/fold-{fold}/chunk-{chunk}.nc",
        method=wildcards.method,
        repeat=REPEATS,
        fold=FOLDS,
        chunk=range(null_chunks(wildcards)),
    )


def ranking_options(wildcards):
    """The section `ranking` for one method: without what is said of other methods."""
    return STUDY.ranking.of(wildcards.method).dump()


def method_outcome(wildcards):
    """The JSON of the outcome that a method learns."""
    return SLICES[wildcards.method].task.dump()


def method_outcome_name(wildcards):
    """The name of that outcome."""
    return SLICES[wildcards.method].outcome


def metrics_code(wildcards):
    """The fingerprint of the code of a method's metrics: those of its task."""
    return fingerprint("training.evaluate", f"tasks.{SLICES[wildcards.method].task.kind}.task")


def modality_files(wildcards):
    """The cohort's files of the modalities that a method needs, and of no other."""
    return study_files("cohort/{name}.nc", name=list(SLICES[wildcards.method].modalities))


def method_gpus(wildcards):
    """Networks ask for one GPU; without one they run on the CPU and their run.json says so."""
    return STUDY.methods[wildcards.method].resources.gpus


def image_of(wildcards):
    """The T1w image of one participant."""
    return IMAGES[wildcards.participant][0]


def image_there(wildcards):
    """The same as an input: one that was not fetched is for the rule to list."""
    return image_of(wildcards) if STUDY.simulate else there(image_of(wildcards))


def mask_of(wildcards):
    """The brain mask of one participant, where masks are given and it is there."""
    return there(STUDY.imaging.mask_of(wildcards.participant))


GENOTYPES = STUDY.genotypes.files if STUDY.genotypes else []
MEASUREMENTS = (STUDY.imaging and STUDY.imaging.measurements) or []
REGIONS = (
    study_files("imaging/regions.nc", "imaging/quality.tsv") if STUDY.imaging else []
)
COHORT_REGIONS = study_files("cohort/region.nc") if STUDY.imaging else []
COHORT_FILES = study_files("cohort/{name}.nc", name=MODALITIES)


onstart:
    print(start_summary(STUDY, images=len(IMAGES)), file=sys.stderr)
    follow_training(STUDY)


onerror:
    print(failure_summary(STUDY.study, FAILURES, sys.argv[1:]), file=sys.stderr)
