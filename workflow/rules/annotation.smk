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
        table=whole("results/{study}/annotation/snp2gene.tsv"),
        genes=whole("results/{study}/annotation/genes.tsv"),
        summary=whole("results/{study}/annotation/summary.json"),
    log:
        "logs/{study}/annotation/map.log",
    benchmark:
        "logs/{study}/annotation/map.benchmark.tsv"
    conda:
        "../../envs/annotation.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        options=options("annotation"),
        build=STUDY.genotypes.build,
        folder=subpath(output.table, parent=True),
        code=fingerprint("annotation.mapping"),
    shell:
        "python -m gendmr annotation map --variants {input.variants} --build {params.build}"
        " --options {params.options:q} --output {params.folder} &> {log}"
