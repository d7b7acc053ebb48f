"""Helpers of the rules: the typed configuration, its slices, code fingerprints, lists of people."""

import shlex
import sys
from pathlib import Path

PACKAGE = Path(str(workflow.current_basedir)).resolve().parent
if (PACKAGE / "gendmr").is_dir():
    sys.path.insert(0, str(PACKAGE))
else:
    from gendmr.files.shipped import import_folder

    # Installed by name: jobs import the package and none of those that lie beside it.
    PACKAGE = import_folder()
# Rules call `python -m gendmr`; it is found here in every environment, installed or not.
shell.prefix(
    f"export PYTHONPATH={shlex.quote(str(PACKAGE))} GENDMR_RUN=$PPID; set -euo pipefail; "
)

from gendmr.cli.console import (
    changes_summary,
    failure_summary,
    missing_summary,
    refusal,
    start_summary,
    watch,
)
from gendmr.cli.interruption import GO_ON, Interruption
from gendmr.cli.progress import show_progress
from gendmr.cohort.fold_values import size_of_split
from gendmr.config.resources import double_per_attempt
from gendmr.config.study import Study
from gendmr.errors import GendmrError
from gendmr.files.fingerprint import fingerprint, persist_cache
from gendmr.tracking.launch import follow_training

try:
    STUDY = Study.parse(config, where="configuration")
    n_repeats, n_folds = size_of_split(STUDY.cohort, STUDY.simulate)
except GendmrError as error:
    raise WorkflowError(refusal(globals().get("STUDY"), error, config)) from None

persist_cache(Path(".snakemake/gendmr-code.json"))
REPEATS = range(n_repeats)
FOLDS = range(n_folds)
FAILURES = watch(workflow)
show_progress(workflow, STUDY)
INTERRUPTION = Interruption()
MODALITIES = list(STUDY.modality_sections())
MEASURING = STUDY.measuring_stages()
METHODS = list(STUDY.methods)
RANKED = STUDY.ranked_methods()
print(missing_summary(STUDY, workflow.is_main_process), end="", file=sys.stderr)
print(changes_summary(STUDY.study, workflow.is_main_process), end="", file=sys.stderr)


wildcard_constraints:
    study=STUDY.study,
    participant="[^/]+",
    slide="[^/]+",
    method="|".join(METHODS),
    repeat=r"\d+",
    fold=r"\d+",
    chunk=r"\d+",


def nonempty(files):
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


GENOTYPES = STUDY.genotypes.files if STUDY.genotypes else []
# the section for the template and each scan, a named atlas as the files that will be fetched
ATLAS_FOLDER = f"results/{STUDY.study}/imaging/atlas"
SCANS = STUDY.imaging.for_scans().with_atlas(ATLAS_FOLDER) if STUDY.imaging else None
FETCHED_ATLAS = (
    study_files("imaging/atlas/labels.nii.gz", "imaging/atlas/table.tsv")
    if STUDY.imaging and STUDY.imaging.fetches_atlas
    else []
)
MEASUREMENTS = STUDY.imaging.measured_files() if STUDY.imaging else []
REGIONS = (
    study_files("imaging/regions.nc", "imaging/quality.tsv") if STUDY.imaging else []
)
COHORT_REGIONS = study_files("cohort/region.nc") if STUDY.imaging else []
COHORT_FILES = study_files("cohort/{name}.nc", name=MODALITIES)


onstart:
    INTERRUPTION.listen()
    print(start_summary(STUDY, images=len(IMAGES)), file=sys.stderr)
    follow_training(STUDY)


onerror:
    print(
        (
            GO_ON
            if INTERRUPTION.stopped
            else failure_summary(STUDY.study, FAILURES, sys.argv[1:])
        ),
        file=sys.stderr,
    )
