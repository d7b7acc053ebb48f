"""Functional data: correlations between regions, their quality, pictures."""

# Where signals are read, not where connectomes are given.
AMPLITUDES = (
    ["results/{study}/connectivity/amplitudes.nc"]
    if STUDY.connectivity.has_signals
    else []
)


localrules:
    connectivity,


rule connectivity:
    """Connectomes of all people and their quality."""
    input:
        study_files(
            "connectivity/edges.nc",
            "connectivity/quality.tsv",
            "connectivity/regions.tsv",
            "connectivity/summary.json",
            "connectivity/figures/connectome.png",
        ),
        expand(AMPLITUDES, study=STUDY.study),


rule collect_connectivity:
    """All scans: correlations, amplitudes, who cannot be used and why.

    Also leaves connectivity/pictures/<participant>.png of everybody whose scan can be read: who
    that is is known afterwards only, so these are no outputs.
    """
    input:
        given=STUDY.connectivity.files(),
        # one that was not fetched is for the rule to list
        scans=FUNCTIONAL,
    output:
        edges=nonempty("results/{study}/connectivity/edges.nc"),
        amplitudes=nonempty(AMPLITUDES),
        quality=nonempty("results/{study}/connectivity/quality.tsv"),
        regions=nonempty("results/{study}/connectivity/regions.tsv"),
        summary=nonempty("results/{study}/connectivity/summary.json"),
        figure=nonempty(
            report(
                "results/{study}/connectivity/figures/connectome.png",
                caption="../report/connectome.rst",
                category="Connectivity",
                labels={"figure": "connectome of the group"},
            )
        ),
    log:
        "logs/{study}/connectivity/collect.log",
    benchmark:
        "logs/{study}/connectivity/collect.benchmark.tsv"
    conda:
        "../../envs/connectivity.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(2000),
        runtime=double_per_attempt(30),
    params:
        options=options("connectivity"),
        folder=subpath(output.edges, parent=True),
        code=fingerprint("connectivity.collect"),
    shell:
        "python -m gendmr connectivity collect --options {params.options:q}"
        " --output {params.folder} &> {log}"
