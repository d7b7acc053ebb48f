"""PLINK sets merged and filtered; every removal listed with its reason. No diagnosis is read."""


localrules:
    genotypes,


rule genotypes:
    """Checked genotypes, who and what left, kinship, components."""
    input:
        study_files(
            "genotypes/qc.bed",
            "genotypes/qc.bim",
            "genotypes/qc.fam",
            "genotypes/attrition.tsv",
            "genotypes/kinship.tsv",
            "genotypes/components.tsv",
            "genotypes/summary.json",
            # what the steps leave: a step that failed is run again although later files exist
            "genotypes/work/merge.json",
            "genotypes/work/participants.json",
            "genotypes/work/variants.json",
        ),


rule merge_genotypes:
    """Check the input sets, merge them, drop variants with too many missing calls."""
    input:
        genotype_inputs,
    output:
        genotypes=temp(
            multiext("results/{study}/genotypes/work/merged", ".bed", ".bim", ".fam")
        ),
        missingness=temp(
            multiext(
                "results/{study}/genotypes/work/merged", ".smiss", ".missingness.npy"
            )
        ),
        attrition="results/{study}/genotypes/work/merge.attrition.tsv",
        summary="results/{study}/genotypes/work/merge.json",
    log:
        "logs/{study}/genotypes/merge.log",
    benchmark:
        "logs/{study}/genotypes/merge.benchmark.tsv"
    conda:
        "../../envs/genotypes.yaml"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        options=options("genotypes"),
        folder=subpath(output.summary, parent=True),
        code=fingerprint("genotypes.merging"),
    shell:
        "python -m gendmr genotypes merge --options {params.options:q} --threads {threads}"
        " --memory $(({resources.mem_mb} * 2 / 3)) --work {params.folder} &> {log}"


rule filter_participants:
    """Remove people by missing calls, sex, heterozygosity and duplicates; list pairs of kin."""
    input:
        genotypes=rules.merge_genotypes.output.genotypes,
        missingness=rules.merge_genotypes.output.missingness,
        summary=rules.merge_genotypes.output.summary,
    output:
        kinship="results/{study}/genotypes/kinship.tsv",
        figures=report(
            expand(
                "results/{{study}}/genotypes/figures/{name}.png",
                name=["person_missingness", "sex", "heterozygosity", "kinship"],
            ),
            caption="../report/genotypes.rst",
            category="Genotypes",
        ),
        attrition="results/{study}/genotypes/work/participants.attrition.tsv",
        summary="results/{study}/genotypes/work/participants.json",
        pruned="results/{study}/genotypes/work/pruned.txt",
    log:
        "logs/{study}/genotypes/participants.log",
    benchmark:
        "logs/{study}/genotypes/participants.benchmark.tsv"
    conda:
        "../../envs/genotypes.yaml"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        options=options("genotypes"),
        folder=subpath(output.summary, parent=True),
        code=fingerprint("genotypes.participants"),
    shell:
        "python -m gendmr genotypes participants --options {params.options:q}"
        " --threads {threads} --memory $(({resources.mem_mb} * 2 / 3))"
        " --work {params.folder} &> {log}"


rule filter_variants:
    """Remove variants by frequency and Hardy-Weinberg among those who stay; checked genotypes."""
    input:
        genotypes=rules.merge_genotypes.output.genotypes,
        missingness=rules.merge_genotypes.output.missingness,
        merge=rules.merge_genotypes.output.attrition,
        participants=rules.filter_participants.output.attrition,
        summary=rules.merge_genotypes.output.summary,
    output:
        genotypes=multiext("results/{study}/genotypes/qc", ".bed", ".bim", ".fam"),
        attrition="results/{study}/genotypes/attrition.tsv",
        figures=report(
            expand(
                "results/{{study}}/genotypes/figures/{name}.png",
                name=["variant_missingness", "maf", "hwe"],
            ),
            caption="../report/genotypes.rst",
            category="Genotypes",
        ),
        summary="results/{study}/genotypes/work/variants.json",
    log:
        "logs/{study}/genotypes/variants.log",
    benchmark:
        "logs/{study}/genotypes/variants.benchmark.tsv"
    conda:
        "../../envs/genotypes.yaml"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        options=options("genotypes"),
        folder=subpath(output.summary, parent=True),
        code=fingerprint("genotypes.variants"),
    shell:
        "python -m gendmr genotypes variants --options {params.options:q} --threads {threads}"
        " --memory $(({resources.mem_mb} * 2 / 3)) --work {params.folder} &> {log}"


rule compute_components:
    """Ancestry components for pictures and description, and the summary of the stage."""
    input:
        genotypes=rules.filter_variants.output.genotypes,
        pruned=rules.filter_participants.output.pruned,
        summaries=[
            rules.merge_genotypes.output.summary,
            rules.filter_participants.output.summary,
            rules.filter_variants.output.summary,
        ],
    output:
        components="results/{study}/genotypes/components.tsv",
        figure=report(
            "results/{study}/genotypes/figures/components.png",
            caption="../report/components.rst",
            category="Genotypes",
        ),
        summary="results/{study}/genotypes/summary.json",
    log:
        "logs/{study}/genotypes/components.log",
    benchmark:
        "logs/{study}/genotypes/components.benchmark.tsv"
    conda:
        "../../envs/genotypes.yaml"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        options=options("genotypes"),
        seed=STUDY.seed,
        folder=subpath(input.pruned, parent=True),
        code=fingerprint("genotypes.components"),
    shell:
        "python -m gendmr genotypes components --options {params.options:q} --threads {threads}"
        " --memory $(({resources.mem_mb} * 2 / 3)) --seed {params.seed}"
        " --work {params.folder} &> {log}"
