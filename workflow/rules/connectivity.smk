"""Functional data: correlations between regions, their quality, pictures."""

# Where signals are read, not where connectomes are given.
AMPLITUDES = (
    ["results/{study}/connectivity/amplitudes.nc"]
    if STUDY.connectivity.has_signals
    else []
)
# Of fMRIPrep's images: the signals that one job each reads out of them.
EXTRACTED = (
    study_files(
        "connectivity/signals/{participant}/{name}",
        participant=[
            who for who in FUNCTIONAL_FILES if who not in STUDY.connectivity.exclude
        ],
        name=["signals.tsv", "scan.json"],
    )
    if STUDY.connectivity.fmriprep
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


if STUDY.connectivity.fmriprep:

    rule extract_signals:
        """Signals of one person's preprocessed image in the regions of the atlas; or why not."""
        input:
            atlas=STUDY.connectivity.fmriprep.atlas,
            image=functional_of,
        output:
            signals=nonempty(
                "results/{study}/connectivity/signals/{participant}/signals.tsv"
            ),
            scan=nonempty(
                "results/{study}/connectivity/signals/{participant}/scan.json"
            ),
        log:
            "logs/{study}/connectivity/{participant}.log",
        benchmark:
            "logs/{study}/connectivity/{participant}.benchmark.tsv"
        group:
            "signals"
        conda:
            "../../envs/connectivity.yaml"
        threads: 1
        resources:
            mem_mb=double_per_attempt(4000),
            runtime=double_per_attempt(30),
        params:
            options=options("connectivity"),
            folder=subpath(output.scan, parent=True),
            code=fingerprint("connectivity.signals"),
        shell:
            "python -m gendmr connectivity extract --participant {wildcards.participant:q}"
            " --options {params.options:q} --output {params.folder:q} &> {log:q}"


rule collect_connectivity:
    """All scans: correlations, amplitudes, who cannot be used and why.

    Also leaves connectivity/pictures/<participant>.png of everybody whose scan can be read: who
    that is is known afterwards only, so these are no outputs.
    """
    input:
        given=STUDY.connectivity.files(),
        # one that was not fetched is for the rule to list
        scans=EXTRACTED or FUNCTIONAL,
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
