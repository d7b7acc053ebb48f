"""Genes, regions and other instances ranked by attributions, with their stability over folds."""

from gendmr.ranking.catalogue import FIGURES, code_of, figures_of, tables_of

# To paint regions on, where images are registered here.
PAINTED = ["atlas.nii.gz", "regions.tsv", "t1.nii.gz", "template.json"]
TEMPLATE = study_files("imaging/template/{name}", name=PAINTED if IMAGES else [])
TEMPLATE_OPTION = f"--template results/{STUDY.study}/imaging/template" if IMAGES else ""
GENES = study_files("annotation/genes.tsv") if STUDY.annotation else []
GENES_OPTION = f"--genes {GENES[0]}" if GENES else ""
# What is ranked: (snp, region) -> methods. A method has tables and figures of what it reads.
RANKED_BY_READS = {}
for name in RANKED:
    reads = tuple(
        source
        for source in SLICES[name].reads
        if source in MODALITIES and SECTIONS[source].shared
    )
    RANKED_BY_READS.setdefault(reads, []).append(name)
WITH_GENES = [
    name
    for reads, names in RANKED_BY_READS.items()
    if "genes" in tables_of(reads)
    for name in names
]
# Genes that need no map: sets of them are matched on their expression.
WITH_EXPRESSION = [
    name
    for reads, names in RANKED_BY_READS.items()
    if "expressions" in tables_of(reads)
    for name in names
]
TESTS_EXPRESSION = STUDY.expression and (
    STUDY.expression.groups
    or (STUDY.ranking.enrichment and STUDY.ranking.enrichment.sets)
)


localrules:
    ranking,


rule ranking:
    """Ranked genes, LD blocks, regions and instances of each method that has attributions."""
    input:
        [
            study_files(
                "ranking/{method}/{file}",
                method=names,
                file=[
                    *(f"{table}.tsv" for table in tables_of(reads)),
                    *("null.nc", "summary.json"),
                    *(f"figures/{figure}.png" for figure in figures_of(reads)),
                    *(f"figures/{figure}.svg" for figure in figures_of(reads)),
                ],
            )
            for reads, names in RANKED_BY_READS.items()
        ],
        (
            study_files("ranking/comparison.tsv", "ranking/comparison.json")
            if WITH_GENES
            else []
        ),
        (
            study_files(
                "ranking/{method}/{file}",
                method=WITH_GENES,
                file=[
                    "enrichment.tsv",
                    "figures/enrichment.png",
                    "figures/enrichment.svg",
                ],
            )
            if STUDY.ranking.enrichment
            else []
        ),
        (
            study_files(
                "ranking/{method}/{file}",
                method=WITH_EXPRESSION,
                file=[
                    "enrichment-expression.tsv",
                    "figures/enrichment-expression.png",
                    "figures/enrichment-expression.svg",
                ],
            )
            if TESTS_EXPRESSION
            else []
        ),


# A rule for each set of modalities, since outputs of a rule cannot depend on its wildcards.
for reads, names in RANKED_BY_READS.items():

    rule:
        """Average attributions over folds, sum them by gene, compare them with the null."""
        name:
            f"rank_{'_'.join(reads)}"
        input:
            attributions=expand(
                "results/{{study}}/training/{{method}}/repeat-{repeat}/fold-{fold}/attributions.nc",
                repeat=REPEATS,
                fold=FOLDS,
            ),
            predictions=expand(
                "results/{{study}}/training/{{method}}/repeat-{repeat}/fold-{fold}/{file}",
                repeat=REPEATS,
                fold=FOLDS,
                file=["predictions.tsv", "run.json"],
            ),
            null=null_files,
            genes=GENES if "genes" in tables_of(reads) else [],
            modalities=study_files("cohort/{name}.nc", name=reads),
            # Copied into summary.json as provenance; `ancient`, so that a new checksum ranks nothing.
            provenance=ancient("results/{study}/cohort/inputs.json"),
        output:
            tables=nonempty(
                expand(
                    "results/{{study}}/ranking/{{method}}/{table}.tsv",
                    table=tables_of(reads),
                )
            ),
            null=nonempty("results/{study}/ranking/{method}/null.nc"),
            summary=nonempty("results/{study}/ranking/{method}/summary.json"),
        log:
            "logs/{study}/ranking/{method}/rank.log",
        benchmark:
            "logs/{study}/ranking/{method}/rank.benchmark.tsv"
        wildcard_constraints:
            method="|".join(names),
        conda:
            "../../envs/ranking.yaml"
        threads: 1
        resources:
            mem_mb=double_per_attempt(4000),
            runtime=double_per_attempt(30),
        params:
            options=ranking_options,
            chunks=null_chunks,
            reads=[f"--reads {source}" for source in reads],
            genes=GENES_OPTION if "genes" in tables_of(reads) else "",
            cohort=subpath(input.provenance, parent=True),
            folder=subpath(output.summary, parent=True),
            code=fingerprint(*code_of(reads)),
        shell:
            "python -m gendmr ranking rank --method {wildcards.method} --cohort {params.cohort}"
            " {params.reads} {params.genes} --options {params.options:q}"
            " --null-chunks {params.chunks} --output {params.folder} {input.attributions} &> {log}"

    rule:
        """Draw the ranking of one method from its tables."""
        name:
            f"draw_{'_'.join(reads)}"
        input:
            tables=expand(
                "results/{{study}}/ranking/{{method}}/{table}.tsv",
                table=tables_of(reads),
            ),
            null="results/{study}/ranking/{method}/null.nc",
            summary="results/{study}/ranking/{method}/summary.json",
            places=(
                study_files("cohort/region.nc") if "brain" in figures_of(reads) else []
            ),
            template=TEMPLATE if "brain" in figures_of(reads) else [],
        output:
            figures=nonempty(
                [
                    report(
                        f"results/{{study}}/ranking/{{method}}/figures/{figure}.png",
                        caption=f"../report/{figure}.rst",
                        category="Ranking",
                        labels={"method": "{method}", "figure": FIGURES[figure].label},
                    )
                    for figure in figures_of(reads)
                ]
            ),
            vectors=nonempty(
                expand(
                    "results/{{study}}/ranking/{{method}}/figures/{figure}.svg",
                    figure=figures_of(reads),
                )
            ),
        log:
            "logs/{study}/ranking/{method}/figures.log",
        benchmark:
            "logs/{study}/ranking/{method}/figures.benchmark.tsv"
        wildcard_constraints:
            method="|".join(names),
        conda:
            "../../envs/ranking.yaml"
        threads: 1
        resources:
            mem_mb=double_per_attempt(2000),
            runtime=double_per_attempt(20),
        params:
            options=options(STUDY.ranking.figures),
            ranking=subpath(input.summary, parent=True),
            results=subpath(input.summary, ancestor=3),
            template=TEMPLATE_OPTION if "brain" in figures_of(reads) else "",
            code=fingerprint("ranking.draw", *code_of(reads)[1:]),
        shell:
            "python -m gendmr ranking figures --ranking {params.ranking}"
            " --cohort {params.results}/cohort --options {params.options:q} {params.template}"
            " &> {log}"


rule compare_rankings:
    """Who finds what: the genes of all methods side by side."""
    input:
        expand("results/{{study}}/ranking/{method}/genes.tsv", method=WITH_GENES),
    output:
        table=nonempty("results/{study}/ranking/comparison.tsv"),
        summary=nonempty("results/{study}/ranking/comparison.json"),
    log:
        "logs/{study}/ranking/comparison.log",
    benchmark:
        "logs/{study}/ranking/comparison.benchmark.tsv"
    conda:
        "../../envs/ranking.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(1000),
        runtime=double_per_attempt(10),
    params:
        top_k=STUDY.ranking.top_k,
        code=fingerprint("ranking.comparison"),
    shell:
        "python -m gendmr ranking compare --top-k {params.top_k} --output {output.table}"
        " {input} &> {log}"


if STUDY.ranking.enrichment and STUDY.genotypes:

    rule test_enrichment:
        """Gene sets and known loci against LD blocks of like size, and under permuted outcomes."""
        input:
            genes="results/{study}/ranking/{method}/genes.tsv",
            blocks="results/{study}/ranking/{method}/blocks.tsv",
            null="results/{study}/ranking/{method}/null.nc",
            sets=list(STUDY.ranking.enrichment.sets),
            loci=list(STUDY.ranking.enrichment.loci),
        output:
            table=nonempty("results/{study}/ranking/{method}/enrichment.tsv"),
            figure=nonempty(
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
            vector=nonempty("results/{study}/ranking/{method}/figures/enrichment.svg"),
        log:
            "logs/{study}/ranking/{method}/enrichment.log",
        benchmark:
            "logs/{study}/ranking/{method}/enrichment.benchmark.tsv"
        conda:
            "../../envs/ranking.yaml"
        threads: 1
        resources:
            mem_mb=double_per_attempt(2000),
            runtime=double_per_attempt(20),
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


if TESTS_EXPRESSION:

    rule test_expression_enrichment:
        """Families and sets of genes against genes of like mean and variance of expression."""
        input:
            genes="results/{study}/ranking/{method}/expressions.tsv",
            null="results/{study}/ranking/{method}/null.nc",
            sets=list(STUDY.ranking.enrichment.sets) if STUDY.ranking.enrichment else [],
        output:
            table=nonempty("results/{study}/ranking/{method}/enrichment-expression.tsv"),
            figure=nonempty(
                report(
                    "results/{study}/ranking/{method}/figures/enrichment-expression.png",
                    caption="../report/enrichment_expression.rst",
                    category="Ranking",
                    labels={
                        "method": "{method}",
                        "figure": "families and sets of genes",
                    },
                )
            ),
            vector=nonempty(
                "results/{study}/ranking/{method}/figures/enrichment-expression.svg"
            ),
        log:
            "logs/{study}/ranking/{method}/enrichment-expression.log",
        benchmark:
            "logs/{study}/ranking/{method}/enrichment-expression.benchmark.tsv"
        conda:
            "../../envs/ranking.yaml"
        threads: 1
        resources:
            mem_mb=double_per_attempt(2000),
            runtime=double_per_attempt(20),
        params:
            options=options(STUDY.ranking.enrichment),
            seed=STUDY.seed,
            folder=subpath(output.table, parent=True),
            code=fingerprint("ranking.expression_enrichment"),
        shell:
            "python -m gendmr ranking enrichment-expression --method {wildcards.method}"
            " --ranking {params.folder} --options {params.options:q} --seed {params.seed} &> {log}"
