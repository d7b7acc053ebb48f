"""Genes and regions ranked by signed held-out risk, with their stability over folds."""

# To paint regions on, where images are registered here.
PAINTED = ["atlas.nii.gz", "regions.tsv", "t1.nii.gz", "template.json"]
TEMPLATE = study_files("imaging/template/{name}", name=PAINTED if IMAGES else [])
TEMPLATE_OPTION = f"--template results/{STUDY.study}/imaging/template" if IMAGES else ""


localrules:
    ranking,


rule ranking:
    """Ranked genes, LD blocks and regions of each method that reads instances."""
    input:
        study_files(
            "ranking/{method}/genes.tsv", "ranking/{method}/regions.tsv", method=RANKED
        ),
        study_files(
            "ranking/{method}/figures/{name}.png",
            method=RANKED,
            name=["genome", "qq", "stability", "brain"],
        ),
        study_files("ranking/comparison.tsv") if RANKED else [],
        (
            study_files("ranking/{method}/enrichment.tsv", method=RANKED)
            if STUDY.ranking.enrichment
            else []
        ),


rule rank_genes:
    """Average the risk of SNPs and regions over folds, sum it by gene, compare it with the null."""
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
        null=null_files,
        genes="results/{study}/annotation/genes.tsv",
        snp="results/{study}/cohort/snp.nc",
        region=COHORT_REGIONS,
        given=ancient("results/{study}/cohort/inputs.json"),
    output:
        genes=whole("results/{study}/ranking/{method}/genes.tsv"),
        blocks=whole("results/{study}/ranking/{method}/blocks.tsv"),
        regions=whole("results/{study}/ranking/{method}/regions.tsv"),
        null=whole("results/{study}/ranking/{method}/null.nc"),
        snps=whole("results/{study}/ranking/{method}/snps.tsv"),
        summary=whole("results/{study}/ranking/{method}/summary.json"),
    log:
        "logs/{study}/ranking/{method}/genes.log",
    benchmark:
        "logs/{study}/ranking/{method}/genes.benchmark.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        options=ranking_options,
        chunks=null_chunks,
        cohort=subpath(input.snp, parent=True),
        folder=subpath(output.genes, parent=True),
        code=fingerprint("ranking.rank"),
    shell:
        "python -m gendmr ranking genes --method {wildcards.method} --cohort {params.cohort}"
        " --genes {input.genes} --options {params.options:q} --null-chunks {params.chunks}"
        " --output {params.folder} {input.attention} &> {log}"


rule draw_ranking:
    """Draw the ranking of one method from its tables."""
    input:
        genes="results/{study}/ranking/{method}/genes.tsv",
        regions="results/{study}/ranking/{method}/regions.tsv",
        snps="results/{study}/ranking/{method}/snps.tsv",
        null="results/{study}/ranking/{method}/null.nc",
        summary="results/{study}/ranking/{method}/summary.json",
        region=COHORT_REGIONS,
        template=TEMPLATE,
    output:
        genome=whole(
            report(
                "results/{study}/ranking/{method}/figures/genome.png",
                caption="../report/genome.rst",
                category="Ranking",
                labels={"method": "{method}", "figure": "genes along the genome"},
            )
        ),
        qq=whole(
            report(
                "results/{study}/ranking/{method}/figures/qq.png",
                caption="../report/qq.rst",
                category="Ranking",
                labels={"method": "{method}", "figure": "p-values of genes"},
            )
        ),
        stability=whole(
            report(
                "results/{study}/ranking/{method}/figures/stability.png",
                caption="../report/stability.rst",
                category="Ranking",
                labels={"method": "{method}", "figure": "stability of ranks"},
            )
        ),
        brain=whole(
            report(
                "results/{study}/ranking/{method}/figures/brain.png",
                caption="../report/brain.rst",
                category="Ranking",
                labels={"method": "{method}", "figure": "regions on the brain"},
            )
        ),
        vectors=whole(
            expand(
                "results/{{study}}/ranking/{{method}}/figures/{name}.svg",
                name=["genome", "qq", "stability", "brain"],
            )
        ),
    log:
        "logs/{study}/ranking/{method}/figures.log",
    benchmark:
        "logs/{study}/ranking/{method}/figures.benchmark.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        options=options(STUDY.ranking.figures),
        ranking=subpath(input.genes, parent=True),
        results=subpath(input.genes, ancestor=3),
        template=TEMPLATE_OPTION,
        code=fingerprint("ranking.draw"),
    shell:
        "python -m gendmr ranking figures --ranking {params.ranking} --cohort {params.results}/cohort"
        " --options {params.options:q} {params.template} &> {log}"


rule compare_rankings:
    """Who finds what: the genes of all methods side by side."""
    input:
        expand("results/{{study}}/ranking/{method}/genes.tsv", method=RANKED),
    output:
        table=whole("results/{study}/ranking/comparison.tsv"),
        summary=whole("results/{study}/ranking/comparison.json"),
    log:
        "logs/{study}/ranking/comparison.log",
    benchmark:
        "logs/{study}/ranking/comparison.benchmark.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        top_k=STUDY.ranking.top_k,
        code=fingerprint("ranking.comparison"),
    shell:
        "python -m gendmr ranking compare --top-k {params.top_k} --output {output.table}"
        " {input} &> {log}"


if STUDY.ranking.enrichment:

    rule test_enrichment:
        """Gene sets and known loci against LD blocks of like size, and under permuted diagnoses."""
        input:
            genes="results/{study}/ranking/{method}/genes.tsv",
            blocks="results/{study}/ranking/{method}/blocks.tsv",
            null="results/{study}/ranking/{method}/null.nc",
            sets=list(STUDY.ranking.enrichment.sets),
            loci=list(STUDY.ranking.enrichment.loci),
        output:
            table=whole("results/{study}/ranking/{method}/enrichment.tsv"),
            figure=whole(
                report(
                    "results/{study}/ranking/{method}/figures/enrichment.png",
                    caption="../report/enrichment.rst",
                    category="Ranking",
                    labels={
                        "method": "{method}",
                        "figure": "gene sets and known loci",
                    },
                )
            ),
            vector=whole("results/{study}/ranking/{method}/figures/enrichment.svg"),
        log:
            "logs/{study}/ranking/{method}/enrichment.log",
        benchmark:
            "logs/{study}/ranking/{method}/enrichment.benchmark.tsv"
        conda:
            "../../envs/ranking.yaml"
        threads: 1
        resources:
            mem_mb=growing(2000),
            runtime=growing(20),
        params:
            options=options(STUDY.ranking.enrichment),
            build=STUDY.genotypes.build,
            seed=STUDY.seed,
            folder=subpath(output.table, parent=True),
            code=fingerprint("ranking.enrichment"),
        shell:
            "python -m gendmr ranking enrichment --method {wildcards.method}"
            " --ranking {params.folder} --options {params.options:q} --build {params.build}"
            " --seed {params.seed} &> {log}"
