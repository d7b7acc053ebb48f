"""A cohort with planted truth: the same inputs a user would bring."""

from gendmr.files.shipped import shipped_file
from gendmr.simulate.lesion_names import planned_lesions
from gendmr.simulate.roster import planned_maps
from gendmr.simulate.slide_names import planned_slides

# Files of functional scans, where some are simulated.
CONNECTIONS, SERIES = (
    (
        ["results/{study}/simulate/connections.tsv"],
        study_files("simulate/series.npz", "simulate/components.tsv"),
    )
    if STUDY.simulate.functional
    else ([], [])
)


localrules:
    simulate,


rule simulate:
    """The whole cohort."""
    input:
        study_files("simulate/participants.tsv", "simulate/truth.json"),
        study_files("simulate/slides.tsv") if STUDY.simulate.tumours else [],
        list(IMAGES.values()),
        MEASUREMENTS,
        SERIES,
        study_files("simulate/maps.tsv") if STUDY.simulate.maps else [],


if STUDY.simulate.tumours:

    rule simulate_tumours:
        """People with a tumour: outcomes, expression, and features of patches of their slides."""
        output:
            participants=nonempty("results/{study}/simulate/participants.tsv"),
            expression=nonempty("results/{study}/simulate/expression.tsv"),
            groups=nonempty("results/{study}/simulate/groups.tsv"),
            slides=nonempty("results/{study}/simulate/slides.tsv"),
            truth=nonempty("results/{study}/simulate/truth.json"),
            patches=nonempty("results/{study}/simulate/planted_patches.tsv"),
            features=nonempty(
                planned_slides(STUDY.simulate, "results/{study}/simulate/slides.tsv")
            ),
        log:
            "logs/{study}/simulate/tumours.log",
        benchmark:
            "logs/{study}/simulate/tumours.benchmark.tsv"
        conda:
            "../../envs/simulate.yaml"
        threads: 1
        resources:
            mem_mb=double_per_attempt(1000),
            runtime=double_per_attempt(20),
        params:
            options=options("simulate"),
            seed=STUDY.seed,
            folder=subpath(output.participants, parent=True),
            code=fingerprint("simulate.tumours"),
        shell:
            "python -m gendmr simulate tumours --options {params.options:q}"
            " --seed {params.seed} --output {params.folder} &> {log}"

    # Both make participants.tsv; a study has one of them.
    ruleorder: simulate_tumours > simulate_cohort


if STUDY.simulate.lesions:

    rule simulate_lesions:
        """People with a lesion: expression, images and masks."""
        output:
            participants=nonempty("results/{study}/simulate/participants.tsv"),
            expression=nonempty("results/{study}/simulate/expression.tsv"),
            truth=nonempty("results/{study}/simulate/truth.json"),
            images=nonempty(planned_lesions(STUDY.simulate, "results/{study}/simulate")),
        log:
            "logs/{study}/simulate/lesions.log",
        benchmark:
            "logs/{study}/simulate/lesions.benchmark.tsv"
        conda:
            "../../envs/simulate.yaml"
        threads: 1
        resources:
            mem_mb=double_per_attempt(1000),
            runtime=double_per_attempt(20),
        params:
            options=options("simulate"),
            seed=STUDY.seed,
            folder=subpath(output.participants, parent=True),
            code=fingerprint("simulate.lesions"),
        shell:
            "python -m gendmr simulate lesions --options {params.options:q}"
            " --seed {params.seed} --output {params.folder} &> {log}"

    # Both make participants.tsv; a study has one of them.
    ruleorder: simulate_lesions > simulate_cohort


rule simulate_cohort:
    """People, genotypes, diagnoses and the atrophy that will be seen."""
    input:
        genes=shipped_file("resources/demo_genes.tsv"),
        regions=shipped_file("resources/demo_regions.tsv"),
    output:
        participants=nonempty("results/{study}/simulate/participants.tsv"),
        description=nonempty("results/{study}/simulate/participants.json"),
        truth=nonempty("results/{study}/simulate/truth.json"),
        genes=nonempty("results/{study}/simulate/genes.gene.loc"),
        anatomy=nonempty("results/{study}/simulate/anatomy.tsv"),
        connections=nonempty(CONNECTIONS),
        genotypes=nonempty(
            expand(
                "results/{{study}}/simulate/genotypes/{array}.{suffix}",
                array=["array1", "array2"],
                suffix=["bed", "bim", "fam"],
            )
        ),
    log:
        "logs/{study}/simulate/cohort.log",
    benchmark:
        "logs/{study}/simulate/cohort.benchmark.tsv"
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(2000),
        runtime=double_per_attempt(20),
    params:
        options=options("simulate"),
        seed=STUDY.seed,
        folder=subpath(output.participants, parent=True),
        code=fingerprint("simulate.cohort"),
    shell:
        "python -m gendmr simulate cohort --genes {input.genes} --regions {input.regions}"
        " --options {params.options:q} --seed {params.seed} --output {params.folder} &> {log}"


rule simulate_atlas:
    """A label atlas on the template's grey matter, for the named regions of the demo."""
    input:
        regions=shipped_file("resources/demo_regions.tsv"),
    output:
        labels=nonempty("results/{study}/simulate/atlas.nii.gz"),
        table=nonempty("results/{study}/simulate/atlas.tsv"),
    log:
        "logs/{study}/simulate/atlas.log",
    benchmark:
        "logs/{study}/simulate/atlas.benchmark.tsv"
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(2000),
        runtime=double_per_attempt(10),
    params:
        code=fingerprint("simulate.atlas"),
    shell:
        "python -m gendmr simulate atlas --regions {input.regions}"
        " --labels {output.labels} --table {output.table} &> {log}"


rule simulate_images:
    """T1w images in BIDS form: template anatomy, bent, shrunk where planted, biased and noisy."""
    input:
        anatomy=study_files("simulate/anatomy.tsv"),
        labels=study_files("simulate/atlas.nii.gz"),
        table=study_files("simulate/atlas.tsv"),
    output:
        images=nonempty(list(IMAGES.values())),
        description=nonempty(
            f"results/{STUDY.study}/simulate/bids/dataset_description.json"
        ),
    log:
        f"logs/{STUDY.study}/simulate/images.log",
    benchmark:
        f"logs/{STUDY.study}/simulate/images.benchmark.tsv"
    conda:
        "../../envs/simulate.yaml"
    threads: 2
    resources:
        mem_mb=double_per_attempt(3000),
        runtime=double_per_attempt(30),
    params:
        options=options("simulate"),
        seed=STUDY.seed,
        folder=subpath(output.description, parent=True),
        code=fingerprint("simulate.images"),
    shell:
        "python -m gendmr simulate images --anatomy {input.anatomy} --labels {input.labels}"
        " --table {input.table} --options {params.options:q} --seed {params.seed}"
        " --threads {threads} --output {params.folder} &> {log}"


rule simulate_measurements:
    """Measurements of regions, with noise, in place of images."""
    input:
        anatomy="results/{study}/simulate/anatomy.tsv",
        regions=shipped_file("resources/demo_regions.tsv"),
    output:
        regions=nonempty("results/{study}/simulate/regions.nc"),
    log:
        "logs/{study}/simulate/measurements.log",
    benchmark:
        "logs/{study}/simulate/measurements.benchmark.tsv"
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(1000),
        runtime=double_per_attempt(10),
    params:
        options=options("simulate"),
        seed=STUDY.seed,
        code=fingerprint("simulate.measurements"),
    shell:
        "python -m gendmr simulate measurements --anatomy {input.anatomy}"
        " --regions {input.regions} --options {params.options:q} --seed {params.seed}"
        " --output {output.regions} &> {log}"


if STUDY.simulate.maps:

    rule simulate_maps:
        """Grey-matter maps whose regions are as large as was measured."""
        input:
            measurements="results/{study}/simulate/regions.nc",
            regions=shipped_file("resources/demo_regions.tsv"),
            labels="results/{study}/simulate/atlas.nii.gz",
            atlas="results/{study}/simulate/atlas.tsv",
        output:
            table=nonempty("results/{study}/simulate/maps.tsv"),
            maps=nonempty(
                planned_maps(STUDY.simulate, "results/{study}/simulate/maps.tsv")
            ),
        log:
            "logs/{study}/simulate/maps.log",
        benchmark:
            "logs/{study}/simulate/maps.benchmark.tsv"
        conda:
            "../../envs/simulate.yaml"
        threads: 1
        resources:
            mem_mb=double_per_attempt(1500),
            runtime=double_per_attempt(20),
        params:
            options=options("simulate"),
            seed=STUDY.seed,
            code=fingerprint("simulate.maps"),
        shell:
            "python -m gendmr simulate maps --measurements {input.measurements:q}"
            " --regions {input.regions} --labels {input.labels} --atlas {input.atlas:q}"
            " --options {params.options:q} --seed {params.seed} --output {output.table}"
            " &> {log}"


rule simulate_signals:
    """Signals of regions, whose correlations are weaker where that was planted."""
    input:
        connections="results/{study}/simulate/connections.tsv",
    output:
        series=nonempty("results/{study}/simulate/series.npz"),
        components=nonempty("results/{study}/simulate/components.tsv"),
    log:
        "logs/{study}/simulate/signals.log",
    benchmark:
        "logs/{study}/simulate/signals.benchmark.tsv"
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=double_per_attempt(1000),
        runtime=double_per_attempt(10),
    params:
        options=options("simulate"),
        seed=STUDY.seed,
        code=fingerprint("simulate.signals"),
    shell:
        "python -m gendmr simulate signals --connections {input.connections:q}"
        " --options {params.options:q} --seed {params.seed} --series {output.series}"
        " --components {output.components} &> {log}"
