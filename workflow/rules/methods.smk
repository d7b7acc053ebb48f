"""What the rules of training and ranking ask of one method: its slice, its files, its code."""

from gendmr.config.resources import for_method
from gendmr.estimate.size import known_size

# Made once, not for each of thousands of jobs.
SLICES = {name: STUDY.method_options(name) for name in METHODS}
SLICE_TEXTS = {name: slice.dump() for name, slice in SLICES.items()}
# What folds leave besides the files that every fold has: ("masks.h5",) -> methods.
METHODS_BY_LEFT_FILES = {}
for name, slice in SLICES.items():
    METHODS_BY_LEFT_FILES.setdefault(slice.left_files, []).append(name)
# Where files do not tell how large the study is, a method asks for what it takes at least.
SIZE = known_size(STUDY)
NEEDS, NULL_NEEDS = (
    {
        name: for_method(
            slice,
            SIZE.people if SIZE else 0,
            SIZE.available if SIZE else {},
            null=null,
            refits=not null or STUDY.refits(name),
        )
        for name, slice in SLICES.items()
    }
    for null in (False, True)
)


def stems_of(files):
    """The names of files without their endings, each once: ["masks", "retrieval"]."""
    return list(dict.fromkeys(name.partition(".")[0] for name in files))


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
    return STUDY.null_range(wildcards.method, int(wildcards.chunk))


def null_evidence(wildcards):
    """The option of a null that collects evidence and fits nothing."""
    return "" if STUDY.refits(wildcards.method) else "--evidence"


def null_gpus(wildcards):
    """GPUs of a chunk of the null: none where nothing is fitted."""
    return NULL_NEEDS[wildcards.method].gpus


def null_threads(wildcards):
    """Threads of a chunk of the null."""
    return NULL_NEEDS[wildcards.method].threads


def null_chunks(wildcards):
    """The number of chunks of one method's null in each fold."""
    return STUDY.null_chunks(wildcards.method)


def null_of(method):
    """The null of one method: all chunks of all folds."""
    return study_files(
        "training/{method}/null/repeat-{repeat}/fold-{fold}/chunk-{chunk}.nc",
        method=method,
        repeat=REPEATS,
        fold=FOLDS,
        chunk=range(STUDY.null_chunks(method)),
    )


def null_files(wildcards):
    """The same as inputs of a ranking."""
    return null_of(wildcards.method)


def ranking_options(wildcards):
    """The section `ranking` for one method: without what is said of other methods."""
    return STUDY.ranking_of(wildcards.method).dump()


def method_outcome(wildcards):
    """The JSON of the outcome that a method learns."""
    return SLICES[wildcards.method].task.dump()


def method_outcome_name(wildcards):
    """The name of that outcome."""
    return SLICES[wildcards.method].outcome


def metrics_code(wildcards):
    """The fingerprint of the code of a method's metrics: those of its task."""
    kind = SLICES[wildcards.method].task.kind
    return fingerprint(
        "training.evaluate", f"tasks.{kind}.task", f"tasks.{kind}.metrics"
    )


def modality_files(wildcards):
    """The cohort's files of the modalities that a method or its outcome needs, and of no other."""
    return study_files("cohort/{name}.nc", name=list(SLICES[wildcards.method].files))


def method_gpus(wildcards):
    """Networks ask for one GPU; without one they run on the CPU and their run.json says so."""
    return NEEDS[wildcards.method].gpus


def method_threads(wildcards):
    """Threads of a fold."""
    return NEEDS[wildcards.method].threads


def fold_memory(wildcards, attempt):
    """MB of a fold: what the method takes, and what its modalities hold."""
    return double_per_attempt(NEEDS[wildcards.method].memory_mb)(wildcards, attempt)


def fold_minutes(wildcards, attempt):
    """Minutes of a fold."""
    return double_per_attempt(NEEDS[wildcards.method].minutes)(wildcards, attempt)


def null_memory(wildcards, attempt):
    """MB of a chunk of the null."""
    return double_per_attempt(NULL_NEEDS[wildcards.method].memory_mb)(
        wildcards, attempt
    )


def null_minutes(wildcards, attempt):
    """Minutes of a chunk of the null."""
    return double_per_attempt(NULL_NEEDS[wildcards.method].minutes)(wildcards, attempt)
