"""File-first tracking: finished folds are replayed into MLflow, for comparison only."""


localrules:
    tracking,
    sync_tracking,


rule tracking:
    """Every finished fold in MLflow."""
    input:
        study_files("tracking/synced.json"),


rule sync_tracking:
    """Replay new and changed folds; the database is no output, for it can be rebuilt any time.

    What MLflow does not take is a note of the report and completed by a later replay: a database or
    a server decides nothing about a study.
    """
    input:
        tables=expand("results/{{study}}/training/{method}/metrics.tsv", method=METHODS),
        folds=expand(
            "results/{{study}}/training/{method}/repeat-{repeat}/fold-{fold}/{file}",
            method=METHODS,
            repeat=REPEATS,
            fold=FOLDS,
            file=["run.json", "fold.json", "history.jsonl"],
        ),
        ranking=rules.ranking.input,
    output:
        listing=nonempty("results/{study}/tracking/synced.json"),
    log:
        "logs/{study}/tracking/sync.log",
    benchmark:
        "logs/{study}/tracking/sync.benchmark.tsv"
    conda:
        "../../envs/tracking.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(2000),
        runtime=double_per_attempt(30),
    params:
        options=options("tracking"),
        methods=METHODS,
        results=subpath(output.listing, ancestor=2),
        code=fingerprint("tracking.sync"),
    shell:
        "python -m gendmr tracking sync --guarded --results {params.results}"
        " --options {params.options:q} --methods '{params.methods}' &> {log}"
