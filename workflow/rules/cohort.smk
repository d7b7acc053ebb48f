"""Who is analysed: participants, genotypes and regions joined; folds that never split kin."""


localrules:
    cohort,


rule cohort:
    """The people of the analysis, one file per modality, and the folds."""
    input:
        study_files(
            "cohort/participants.tsv", "cohort/attrition.tsv", "cohort/splits.tsv"
        ),
        study_files("cohort/snp.nc", "cohort/figures/flow.png", "cohort/inputs.json"),
        study_files("cohort/check.json", "cohort/strata.tsv"),
        COHORT_REGIONS,


rule check_people:
    """What the join would refuse, before hours are spent on genotypes and images."""
    input:
        participants=STUDY.cohort.participants,
        fams=[path for path in GENOTYPES if path.endswith(".fam")],
        images=[paths[0] for paths in IMAGES.values() if STUDY.simulate],
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
        mem_mb=double_per_attempt(1000),
        runtime=double_per_attempt(10),
    params:
        options=options("cohort"),
        imaging=options("imaging"),
        code=fingerprint("cohort.check"),
    shell:
        "python -m gendmr cohort check --options {params.options:q} --imaging {params.imaging:q}"
        " --output {output} {input.fams:q} &> {log}"


rule record_inputs:
    """Checksums of the files that the study was given; who reads them reruns by its own inputs."""
    input:
        files=[*GENOTYPES, *STUDY.tables()],
        # who lacks an image or a mask is listed by the stage imaging
        images=[
            paths[0] for paths in IMAGES.values() if STUDY.simulate or there(paths[0])
        ],
        masks=[path for who in IMAGES for path in there(STUDY.imaging.mask_of(who))],
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
        code=fingerprint("cohort.inputs", "files.provenance"),
    shell:
        "python -m gendmr cohort inputs --imaging {params.imaging:q} --output {output}"
        " {input.files:q} &> {log}"


rule join_cohort:
    """Join by identifier; list who does not join, and why; keep who lacks one modality."""
    input:
        participants=STUDY.cohort.participants,
        genotypes="results/{study}/genotypes/qc.bed",
        names=multiext("results/{study}/genotypes/qc", ".bim", ".fam"),
        attrition="results/{study}/genotypes/attrition.tsv",
        kinship="results/{study}/genotypes/kinship.tsv",
        genes="results/{study}/annotation/snp2gene.tsv",
        annotation="results/{study}/annotation/summary.json",
        images=REGIONS,
    output:
        # in studies with images or measurements only
        nonempty(["results/{study}/cohort/region.nc"] if STUDY.imaging else []),
        participants=nonempty("results/{study}/cohort/participants.tsv"),
        description=nonempty("results/{study}/cohort/participants.json"),
        attrition=nonempty("results/{study}/cohort/attrition.tsv"),
        snp=nonempty("results/{study}/cohort/snp.nc"),
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
        mem_mb=double_per_attempt(4000),
        runtime=double_per_attempt(30),
    params:
        options=options("cohort"),
        genotypes=subpath(input.genotypes, strip_suffix=".bed"),
        folder=subpath(output.participants, parent=True),
        code=fingerprint("cohort.join"),
    shell:
        "python -m gendmr cohort join --genotypes {params.genotypes}"
        " --attrition {input.attrition} --kinship {input.kinship} --genes {input.genes}"
        " --annotation {input.annotation} --options {params.options:q}"
        " --output {params.folder} {input.images} &> {log}"


rule split_folds:
    """Repeated folds, stratified by diagnosis and modalities, families together."""
    input:
        participants="results/{study}/cohort/participants.tsv",
    output:
        splits=nonempty("results/{study}/cohort/splits.tsv"),
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
        seed=STUDY.seed,
        code=fingerprint("cohort.splits"),
    shell:
        "python -m gendmr cohort split --participants {input.participants}"
        " --options {params.options:q} --seed {params.seed} --output {output.splits} &> {log}"


rule stratify_people:
    """Strata of sex, site, ancestry and age within which the null permutes diagnoses."""
    input:
        participants="results/{study}/cohort/participants.tsv",
        components="results/{study}/genotypes/components.tsv",
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
        seed=STUDY.seed,
        code=fingerprint("cohort.permutation"),
    shell:
        "python -m gendmr cohort strata --participants {input.participants}"
        " --components {input.components} --options {params.options:q} --seed {params.seed}"
        " --output {output.strata} &> {log}"
