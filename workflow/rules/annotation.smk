"""SNPs assigned to genes by strand-aware windows."""


localrules:
    annotation,


rule annotation:
    """Which SNP belongs to which genes."""
    input:
        study_files(
            "annotation/snp2gene.tsv",
            "annotation/genes.tsv",
            "annotation/summary.json",
        ),


rule map_snps:
    """Assign SNPs to genes by strand-aware windows, conventions and builds checked."""
    input:
        variants="results/{study}/genotypes/qc.bim",
        genes=STUDY.annotation.genes,
    output:
        table=nonempty("results/{study}/annotation/snp2gene.tsv"),
        genes=nonempty("results/{study}/annotation/genes.tsv"),
        summary=nonempty("results/{study}/annotation/summary.json"),
    log:
        "logs/{study}/annotation/map.log",
    benchmark:
        "logs/{study}/annotation/map.benchmark.tsv"
    conda:
        "../../envs/annotation.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(2000),
        runtime=double_per_attempt(20),
    params:
        options=options("annotation"),
        build=STUDY.genotypes.build,
        folder=subpath(output.table, parent=True),
        code=fingerprint("annotation.mapping"),
    shell:
        "python -m gendmr annotation map --variants {input.variants} --build {params.build}"
        " --options {params.options:q} --output {params.folder} &> {log}"
