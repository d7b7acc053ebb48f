"""Expression matrices: checked against their unit, joined into one order of genes."""


localrules:
    expression,


rule expression:
    """The expression of all people, and the quality of every sample."""
    input:
        study_files(
            "expression/expression.nc",
            "expression/quality.tsv",
            "expression/genes.tsv",
            "expression/attrition.tsv",
            "expression/summary.json",
            "expression/figures/quality.png",
        ),


rule join_expression:
    """All matrices: units checked, one row for each gene, one order; what left, and why."""
    input:
        STUDY.expression.files(),
    output:
        expression=nonempty("results/{study}/expression/expression.nc"),
        quality=nonempty("results/{study}/expression/quality.tsv"),
        genes=nonempty("results/{study}/expression/genes.tsv"),
        attrition=nonempty("results/{study}/expression/attrition.tsv"),
        summary=nonempty("results/{study}/expression/summary.json"),
        figure=nonempty(
            report(
                "results/{study}/expression/figures/quality.png",
                caption="../report/expression.rst",
                category="Expression",
                labels={"figure": "expression of all people"},
            )
        ),
    log:
        "logs/{study}/expression/join.log",
    benchmark:
        "logs/{study}/expression/join.benchmark.tsv"
    conda:
        "../../envs/expression.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(1500, per_input_mb=20),
        runtime=double_per_attempt(20, per_input_mb=0.2),
    params:
        options=options("expression"),
        folder=subpath(output.expression, parent=True),
        code=fingerprint("expression.join", "expression.figures"),
    shell:
        "python -m gendmr expression join --options {params.options:q}"
        " --output {params.folder} &> {log}"
