"""Genes and regions ranked by signed held-out risk, with their stability over folds."""


localrules:
    ranking,


rule ranking:
    """Ranked genes and regions of each method that reads instances."""
    input:
        study_files(
            "ranking/{method}/genes.tsv", "ranking/{method}/regions.tsv", method=RANKED
        ),


rule rank_genes:
    """Average the risk of SNPs and regions over folds, sum it by gene, say how firm the order is."""
    input:
        attention=expand(
            "results/{{study}}/training/{{method}}/repeat-{repeat}/fold-{fold}/attention.nc",
            repeat=REPEATS,
            fold=FOLDS,
        ),
        predictions=expand(
            "results/{{study}}/training/{{method}}/repeat-{repeat}/fold-{fold}/predictions.tsv",
            repeat=REPEATS,
            fold=FOLDS,
        ),
        genes="results/{study}/annotation/genes.tsv",
        snp="results/{study}/cohort/snp.nc",
        region=cohort_regions,
    output:
        genes="results/{study}/ranking/{method}/genes.tsv",
        regions="results/{study}/ranking/{method}/regions.tsv",
        snps="results/{study}/ranking/{method}/snps.tsv",
        summary="results/{study}/ranking/{method}/summary.json",
        genome=report(
            "results/{study}/ranking/{method}/figures/genome.png",
            caption="../report/genome.rst",
            category="Ranking",
            labels={"method": "{method}", "figure": "genes along the genome"},
        ),
        stability=report(
            "results/{study}/ranking/{method}/figures/stability.png",
            caption="../report/stability.rst",
            category="Ranking",
            labels={"method": "{method}", "figure": "stability of ranks"},
        ),
        brain=report(
            "results/{study}/ranking/{method}/figures/brain.png",
            caption="../report/brain.rst",
            category="Ranking",
            labels={"method": "{method}", "figure": "regions on the brain"},
        ),
    log:
        "logs/{study}/ranking/{method}/genes.log",
    benchmark:
        "logs/{study}/ranking/{method}/genes.benchmark.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        options=options("ranking"),
        cohort=subpath(input.snp, parent=True),
        folder=subpath(output.genes, parent=True),
        code=fingerprint("ranking.rank"),
    shell:
        "python -m gendmr ranking genes --method {wildcards.method} --cohort {params.cohort}"
        " --genes {input.genes} --options {params.options:q} --output {params.folder}"
        " {input.attention} &> {log}"
