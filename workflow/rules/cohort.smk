"""Who is analysed: people and what is measured of them joined; folds that never split kin."""


localrules:
    cohort,


rule cohort:
    """The people of the analysis, one file per modality, and the folds."""
    input:
        study_files(
            "cohort/participants.tsv", "cohort/attrition.tsv", "cohort/splits.tsv"
        ),
        COHORT_FILES,
        study_files("cohort/figures/flow.png", "cohort/inputs.json"),
        study_files("cohort/check.json", "cohort/strata.tsv"),
        study_files("cohort/participants.json", "cohort/summary.json"),
        study_files("cohort/splits.json", "cohort/strata.json"),


rule check_people:
    """All that is missing or does not fit, before hours are spent on genotypes and images."""
    input:
        participants=STUDY.cohort.participants,
        # of a simulated cohort only who is in it is looked at
        genotypes=[
            path for path in GENOTYPES if path.endswith(".fam") or not STUDY.simulate
        ],
        tables=[] if STUDY.simulate else STUDY.tables(),
        images=[paths[0] for paths in IMAGES.values() if STUDY.simulate],
        given=GIVEN_SOURCES,
        measurements=MEASUREMENTS,
    output:
        nonempty("results/{study}/cohort/check.json"),
    log:
        "logs/{study}/cohort/check.log",
    benchmark:
        "logs/{study}/cohort/check.benchmark.tsv"
    priority: 100
    conda:
        "../../envs/cohort.yaml"
    threads: 1
    resources:
        # The files of a simulated cohort are not there when a plan is made, and small.
        mem_mb=double_per_attempt(1000, per_input_mb=0.0 if STUDY.simulate else 0.5),
        runtime=double_per_attempt(20, per_input_mb=0.0 if STUDY.simulate else 0.005),
    params:
        options=options("cohort"),
        modalities=modalities_json,
        stages=as_json(STAGES),
        simulated="--simulated" if STUDY.simulate else "",
        code=fingerprint("cohort.check", *SOURCE_CODE, *TASK_CODE, *PREFLIGHT_CODE),
    shell:
        "python -m gendmr cohort check --options {params.options:q}"
        " --modalities {params.modalities:q} --stages {params.stages:q} {params.simulated}"
        " --output {output} &> {log}; awk -v word=WARNING: '$1 == word' {log} >&2"


rule record_inputs:
    """Checksums of the files that the study was given; who reads them reruns by its own inputs."""
    input:
        files=[*GENOTYPES, *STUDY.tables()],
        # who lacks an image or a mask is listed by the stage imaging
        images=[
            file
            for paths in IMAGES.values()
            for file in ([paths[0]] if STUDY.simulate else files_of(paths[0]))
        ],
        masks=[path for who in IMAGES for path in if_exists(STUDY.imaging.mask_of(who))],
        functional=FUNCTIONAL,
        lesions=LESION_FILES,
        slides=SLIDES,
        listed=[path for paths in LISTED_FILES.values() for path in paths],
        measurements=MEASUREMENTS,
    output:
        nonempty("results/{study}/cohort/inputs.json"),
    log:
        "logs/{study}/cohort/inputs.log",
    benchmark:
        "logs/{study}/cohort/inputs.benchmark.tsv"
    conda:
        "../../envs/cohort.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(500),
        runtime=double_per_attempt(60),
    params:
        imaging=options("imaging"),
        connectivity=options("connectivity"),
        lesions=options("lesions"),
        histology=options("histology"),
        modalities=modalities_json,
        code=fingerprint("cohort.inputs", "files.provenance"),
    shell:
        "python -m gendmr cohort inputs --imaging {params.imaging:q}"
        " --connectivity {params.connectivity:q} --lesions {params.lesions:q}"
        " --histology {params.histology:q} --modalities {params.modalities:q}"
        " --output {output}"
        " {input.files:q} &> {log}"


rule join_people:
    """Join by identifier; list who does not join, and why; keep who lacks one modality."""
    input:
        participants=STUDY.cohort.participants,
        sources=ALL_SOURCES,
    output:
        participants=nonempty("results/{study}/cohort/participants.tsv"),
        description=nonempty("results/{study}/cohort/participants.json"),
        attrition=nonempty("results/{study}/cohort/attrition.tsv"),
        summary=nonempty("results/{study}/cohort/summary.json"),
        flow=nonempty(
            report(
                "results/{study}/cohort/figures/flow.png",
                caption="../report/flow.rst",
                category="Cohort",
                labels={"figure": "who was analysed, who left and why"},
            )
        ),
    log:
        "logs/{study}/cohort/join.log",
    benchmark:
        "logs/{study}/cohort/join.benchmark.tsv"
    conda:
        "../../envs/cohort.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(2000),
        runtime=double_per_attempt(30),
    params:
        options=options("cohort"),
        sources=as_json(SOURCES),
        modalities=modalities_json,
        folder=subpath(output.participants, parent=True),
        code=fingerprint("cohort.join", *SOURCE_CODE, *TASK_CODE),
    shell:
        "python -m gendmr cohort join --sources {params.sources:q}"
        " --modalities {params.modalities:q} --options {params.options:q}"
        " --output {params.folder} &> {log}"


rule collect_modality:
    """The file of one modality: a row for each person of the cohort who has it."""
    input:
        participants="results/{study}/cohort/participants.tsv",
        sources=sources_of_modality,
        # one that was not fetched is for the rule to name
        listed=listed_of_modality,
    output:
        nonempty("results/{study}/cohort/{modality}.nc"),
    log:
        "logs/{study}/cohort/collect-{modality}.log",
    benchmark:
        "logs/{study}/cohort/collect-{modality}.benchmark.tsv"
    wildcard_constraints:
        modality="|".join(MODALITIES),
    conda:
        "../../envs/cohort.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(1500, per_input_mb=0.5),
        runtime=double_per_attempt(30, per_input_mb=0.05),
    params:
        options=options("cohort"),
        sources=sources_json,
        modalities=modality_json,
        code=collect_code,
    shell:
        "python -m gendmr cohort collect --modality {wildcards.modality}"
        " --sources {params.sources:q} --modalities {params.modalities:q}"
        " --participants {input.participants} --options {params.options:q}"
        " --output {output} &> {log}"


rule split_folds:
    """Repeated folds, stratified by outcomes and modalities, families together."""
    input:
        participants="results/{study}/cohort/participants.tsv",
    output:
        splits=nonempty("results/{study}/cohort/splits.tsv"),
        summary=nonempty("results/{study}/cohort/splits.json"),
    log:
        "logs/{study}/cohort/splits.log",
    benchmark:
        "logs/{study}/cohort/splits.benchmark.tsv"
    conda:
        "../../envs/cohort.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(1000),
        runtime=double_per_attempt(10),
    params:
        options=options("cohort"),
        values=as_json(FOLD_VALUES),
        seed=STUDY.seed,
        code=fingerprint("cohort.splits", *TASK_CODE),
    shell:
        "python -m gendmr cohort split --participants {input.participants}"
        " --options {params.options:q} --seed {params.seed} --values {params.values:q}"
        " --output {output.splits} &> {log}"


rule stratify_people:
    """Strata of sex, site, ancestry and age within which the null permutes outcomes."""
    input:
        participants="results/{study}/cohort/participants.tsv",
        # in studies with genotypes only
        components=(
            "results/{study}/genotypes/components.tsv" if STUDY.genotypes else []
        ),
    output:
        strata=nonempty("results/{study}/cohort/strata.tsv"),
        summary=nonempty("results/{study}/cohort/strata.json"),
    log:
        "logs/{study}/cohort/strata.log",
    benchmark:
        "logs/{study}/cohort/strata.benchmark.tsv"
    conda:
        "../../envs/cohort.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(1000),
        runtime=double_per_attempt(10),
    params:
        options=options("cohort"),
        components="--components" if STUDY.genotypes else "",
        seed=STUDY.seed,
        code=fingerprint("cohort.strata", *TASK_CODE),
    shell:
        "python -m gendmr cohort strata --participants {input.participants}"
        " {params.components} {input.components} --options {params.options:q}"
        " --seed {params.seed}"
        " --output {output.strata} &> {log}"
