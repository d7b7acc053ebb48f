"""What the rules of training and ranking ask of one method: its slice, its files, its code."""

# Made once, not for each of thousands of jobs.
SLICES = {name: STUDY.method_options(name) for name in METHODS}
SLICE_TEXTS = {name: slice.dump() for name, slice in SLICES.items()}


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
    return fingerprint(
        "training.evaluate", f"tasks.{SLICES[wildcards.method].task.kind}.task"
    )


def modality_files(wildcards):
    """The cohort's files of the modalities that a method needs, and of no other."""
    return study_files(
        "cohort/{name}.nc", name=list(SLICES[wildcards.method].modalities)
    )


def method_gpus(wildcards):
    """Networks ask for one GPU; without one they run on the CPU and their run.json says so."""
    return STUDY.methods[wildcards.method].resources.gpus
