"""One job per method, repeat and fold; the metrics of a method over its folds."""


localrules:
    training,


rule training:
    """Every fold of every method, and its null."""
    input:
        study_files("training/{method}/metrics.tsv", method=METHODS),
        study_files(
            "training/{method}/repeat-{repeat}/fold-{fold}/{file}",
            method=METHODS,
            repeat=REPEATS,
            fold=FOLDS,
            file=[
                *("model.safetensors", "history.jsonl", "fold.json"),
                *("predictions.tsv", "attributions.nc", "run.json"),
            ],
        ),
        [
            study_files(
                "training/{method}/repeat-{repeat}/fold-{fold}/{file}",
                method=names,
                repeat=REPEATS,
                fold=FOLDS,
                file=extra_files,
            )
            for extra_files, names in METHODS_BY_LEFT_FILES.items()
        ],
        [null_of(name) for name in STUDY.null_methods()],


# A rule for each set of files that a task or a method leaves beside those of every fold, since
# outputs of a rule cannot depend on its wildcards.
for extra_files, names in METHODS_BY_LEFT_FILES.items():

    rule:
        """Fit one method on the training people of one fold, predict everybody, attribute."""
        name:
            "train_fold" + "".join(f"_{stem}" for stem in stems_of(extra_files))
        input:
            participants="results/{study}/cohort/participants.tsv",
            description="results/{study}/cohort/participants.json",
            splits="results/{study}/cohort/splits.tsv",
            modalities=modality_files,
            # Copied into run.json as provenance; `ancient`, so that a new checksum alone retrains nothing.
            provenance=ancient("results/{study}/cohort/inputs.json"),
        output:
            model=nonempty(
                "results/{study}/training/{method}/repeat-{repeat}/fold-{fold}/model.safetensors"
            ),
            history="results/{study}/training/{method}/repeat-{repeat}/fold-{fold}/history.jsonl",
            fold=nonempty(
                "results/{study}/training/{method}/repeat-{repeat}/fold-{fold}/fold.json"
            ),
            predictions=nonempty(
                "results/{study}/training/{method}/repeat-{repeat}/fold-{fold}/predictions.tsv"
            ),
            attributions=nonempty(
                "results/{study}/training/{method}/repeat-{repeat}/fold-{fold}/attributions.nc"
            ),
            run=nonempty(
                "results/{study}/training/{method}/repeat-{repeat}/fold-{fold}/run.json"
            ),
            left=nonempty(
                [
                    f"results/{{study}}/training/{{method}}/repeat-{{repeat}}/fold-{{fold}}/{file}"
                    for file in extra_files
                ]
            ),
        log:
            "logs/{study}/training/{method}/repeat-{repeat}/fold-{fold}.log",
        benchmark:
            "logs/{study}/training/{method}/repeat-{repeat}/fold-{fold}.benchmark.tsv"
        wildcard_constraints:
            method="|".join(names),
        conda:
            "../../envs/training.yaml"
        threads: method_threads
        resources:
            mem_mb=fold_memory,
            runtime=fold_minutes,
            gpu=method_gpus,
        params:
            options=method_options,
            seed=STUDY.seed,
            cohort=subpath(input.participants, parent=True),
            folder=subpath(output.model, parent=True),
            code=method_code,
        shell:
            "python -m gendmr training fold --method {wildcards.method} --cohort {params.cohort}"
            " --repeat {wildcards.repeat} --fold {wildcards.fold} --options {params.options:q}"
            " --seed {params.seed} --threads {threads} --output {params.folder} &> {log}"


rule train_null:
    """Scores of one method in one fold under some permutations of the outcome."""
    input:
        participants="results/{study}/cohort/participants.tsv",
        description="results/{study}/cohort/participants.json",
        splits="results/{study}/cohort/splits.tsv",
        strata="results/{study}/cohort/strata.tsv",
        modalities=modality_files,
    output:
        nonempty(
            "results/{study}/training/{method}/null/repeat-{repeat}/fold-{fold}/chunk-{chunk}.nc"
        ),
    log:
        "logs/{study}/training/{method}/null/repeat-{repeat}/fold-{fold}/chunk-{chunk}.log",
    benchmark:
        "logs/{study}/training/{method}/null/repeat-{repeat}/fold-{fold}/chunk-{chunk}.benchmark.tsv"
    conda:
        "../../envs/training.yaml"
    threads: null_threads
    resources:
        mem_mb=null_memory,
        runtime=null_minutes,
        gpu=null_gpus,
    params:
        options=method_options,
        permutations=null_range,
        evidence=null_evidence,
        seed=STUDY.seed,
        cohort=subpath(input.participants, parent=True),
        code=null_code,
    shell:
        "python -m gendmr training null --method {wildcards.method} --cohort {params.cohort}"
        " --repeat {wildcards.repeat} --fold {wildcards.fold}"
        " --first {params.permutations[0]} --count {params.permutations[1]}"
        " {params.evidence} --options {params.options:q} --seed {params.seed} --threads {threads}"
        " --output {output} &> {log}"


rule collect_metrics:
    """Metrics of all folds, their means with intervals, and pooled over people."""
    input:
        folds=expand(
            "results/{{study}}/training/{{method}}/repeat-{repeat}/fold-{fold}/fold.json",
            repeat=REPEATS,
            fold=FOLDS,
        ),
        predictions=expand(
            "results/{{study}}/training/{{method}}/repeat-{repeat}/fold-{fold}/{file}",
            repeat=REPEATS,
            fold=FOLDS,
            file=["predictions.tsv", "run.json"],
        ),
    output:
        table=nonempty("results/{study}/training/{method}/metrics.tsv"),
    log:
        "logs/{study}/training/{method}/metrics.log",
    benchmark:
        "logs/{study}/training/{method}/metrics.benchmark.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(1000),
        runtime=double_per_attempt(10),
    params:
        seed=STUDY.seed,
        outcome=method_outcome_name,
        task=method_outcome,
        folder=subpath(output.table, parent=True),
        code=metrics_code,
    shell:
        "python -m gendmr training metrics --method {wildcards.method} --seed {params.seed}"
        " --outcome {params.outcome:q} --task {params.task:q} --output {output.table} {params.folder}/repeat-*/fold-*/ &> {log}"
