"""What was found and how far to believe it: one page, and the numbers behind it."""

from gendmr.report.catalogue import code_modules, drawn_figures, legend_file

OUTCOMES = STUDY.cohort.outcomes
# Those of the outcomes that some method learns: a task with another figure reruns the report only.
DRAWN = drawn_figures(OUTCOMES, {STUDY.outcome_of(name) for name in METHODS})
# Methods whose attributions are of patches, which lie elsewhere in each person.
READ_SLIDES = [
    name
    for name in METHODS
    if "patch" in SLICES[name].reads and SLICES[name].method.attributes
]


localrules:
    report,


rule report:
    """The one-page summary; `snakemake --report` packs it with the figures of all stages."""
    input:
        study_files("report/summary.html", "report/summary.json"),
        study_files("report/comparison.tsv", "report/by_modality.tsv"),
        study_files("report/by_ancestry.tsv", "report/versions.json"),
        study_files("report/embedded.html"),
        study_files(*[figure.path for figure in DRAWN.values()]),
        study_files(
            *[f"{figure.path.removesuffix('.png')}.svg" for figure in DRAWN.values()]
        ),
        study_files("report/figures/patches-{method}.png", method=READ_SLIDES),


rule draw_patches:
    """What patches add to the predictions of three held-out people, on their slides."""
    input:
        fold=multiext(
            "results/{study}/training/{method}/repeat-0/fold-0/",
            "attributions.nc",
            "predictions.tsv",
        ),
        bags="results/{study}/cohort/patch.nc",
    output:
        nonempty(
            report(
                "results/{study}/report/figures/patches-{method}.png",
                caption="../report/patches.rst",
                category="Histology",
                labels={"method": "{method}", "figure": "contributions of patches"},
            )
        ),
    log:
        "logs/{study}/report/patches-{method}.log",
    benchmark:
        "logs/{study}/report/patches-{method}.benchmark.tsv"
    wildcard_constraints:
        method="|".join(READ_SLIDES) or "none",
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(1000),
        runtime=double_per_attempt(10),
    params:
        outcome=method_outcome_name,
        outcomes=outcomes_json,
        results=subpath(input.bags, ancestor=2),
        code=fingerprint("report.patches"),
    shell:
        "python -m gendmr report patches --results {params.results}"
        " --method {wildcards.method} --outcome {params.outcome:q}"
        " --outcomes {params.outcomes:q} --output {output} &> {log}"


rule summarize_study:
    """Numbers, tables, figures and page of the whole study.

    Methods that log the dominant modality of training people also leave
    report/figures/dominance-<method>.png: which ones is known from their histories only, so these
    are no outputs; the page holds them. The other figures are those of the tasks.
    """
    input:
        [getattr(rules, stage).input for stage in MEASURING if stage != "simulate"],
        rules.cohort.input,
        rules.ranking.input,
        tracking="results/{study}/tracking/synced.json",
        tables=expand("results/{{study}}/training/{method}/metrics.tsv", method=METHODS),
        folds=expand(
            "results/{{study}}/training/{method}/repeat-{repeat}/fold-{fold}/{file}",
            method=METHODS,
            repeat=REPEATS,
            fold=FOLDS,
            file=["run.json", "fold.json", "history.jsonl", "predictions.tsv"],
        ),
        given="results/{study}/cohort/inputs.json",
        truth=STUDY.report.truth or [],
    output:
        page=nonempty(
            report(
                "results/{study}/report/summary.html",
                caption="../report/summary.rst",
                category="Summary",
                labels={"page": "the study on one page"},
            )
        ),
        # The same for the first page of Snakemake's report: report/workflow.rst.
        embedded=nonempty("results/{study}/report/embedded.html"),
        numbers=nonempty(
            report(
                "results/{study}/report/summary.json",
                caption="../report/numbers.rst",
                category="Summary",
                labels={"page": "its numbers (JSON)"},
            )
        ),
        versions=nonempty(
            report(
                "results/{study}/report/versions.json",
                caption="../report/versions.rst",
                category="Summary",
                labels={"page": "versions by stage (JSON)"},
            )
        ),
        comparison=nonempty(
            report(
                "results/{study}/report/comparison.tsv",
                caption="../report/comparison_table.rst",
                category="Training",
                labels={"method": "all", "figure": "comparison (table)"},
            )
        ),
        by_modality=nonempty(
            report(
                "results/{study}/report/by_modality.tsv",
                caption="../report/by_modality.rst",
                category="Training",
                labels={
                    "method": "all",
                    "figure": "by what is known of a person (table)",
                },
            )
        ),
        by_ancestry=nonempty(
            report(
                "results/{study}/report/by_ancestry.tsv",
                caption="../report/by_ancestry.rst",
                category="Training",
                labels={"method": "all", "figure": "by ancestry group (table)"},
            )
        ),
        figures=nonempty(
            [
                report(
                    f"results/{{study}}/{figure.path}",
                    caption=legend_file(
                        name, figure, Path(".snakemake/gendmr-captions")
                    ),
                    category="Training",
                    labels={"method": "all", "figure": figure.label},
                )
                for name, figure in DRAWN.items()
            ]
        ),
        vectors=nonempty(
            [
                f"results/{{study}}/{figure.path.removesuffix('.png')}.svg"
                for figure in DRAWN.values()
            ]
        ),
    log:
        "logs/{study}/report/summary.log",
    benchmark:
        "logs/{study}/report/summary.benchmark.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(2000),
        runtime=double_per_attempt(20),
    params:
        options=options("report"),
        outcomes=outcomes_json,
        methods=METHODS,
        ranked=RANKED,
        results=subpath(output.numbers, ancestor=2),
        code=fingerprint(*code_modules(OUTCOMES, MEASURING)),
    shell:
        "python -m gendmr report summarize --results {params.results}"
        " --options {params.options:q} --outcomes {params.outcomes:q}"
        " --methods '{params.methods}' --ranked '{params.ranked}' &> {log}"
