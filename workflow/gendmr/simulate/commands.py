"""The command line of the stage `simulate`."""

from __future__ import annotations

import click

OPTIONS = click.option(
    "--options",
    default="{}",
    metavar="JSON|YAML",
    help="The section `simulate`: JSON, or a YAML file with it.",
)
SEED = click.option("--seed", type=int, required=True, help="The study's seed.")


@click.group()
def group() -> None:
    """Make a cohort with planted truth."""


@group.command()
@click.option("--genes", required=True, help="Table of genes with GRCh37 coordinates.")
@click.option("--regions", required=True, help="Table of regions with MNI centroids.")
@OPTIONS
@SEED
@click.option("--output", required=True, help="Folder for the tables and genotypes.")
def cohort(genes: str, regions: str, options: str, seed: int, output: str) -> None:
    """People, genotypes, diagnoses and the atrophy that will be seen."""
    from gendmr.config.simulate import SimulateSection
    from gendmr.simulate.cohort import simulate_cohort

    section = SimulateSection.parse(options, where="simulate")
    simulate_cohort(genes, regions, section, seed, output)


@group.command()
@click.option("--regions", required=True, help="Table of regions with MNI centroids.")
@click.option("--labels", required=True, help="NIfTI file to write, one number per region.")
@click.option("--table", required=True, help="Table to write: index, region, hemisphere.")
def atlas(regions: str, labels: str, table: str) -> None:
    """A label atlas on the template's grey matter, for the named regions."""
    from gendmr.simulate.atlas import make_atlas

    make_atlas(regions, labels, table)


@group.command()
@click.option("--anatomy", required=True, help="Size and atrophy per participant.")
@click.option("--labels", required=True, help="The atlas, NIfTI.")
@click.option("--table", required=True, help="The atlas's table.")
@OPTIONS
@SEED
@click.option("--threads", type=click.IntRange(1), default=1, help="Images made side by side.")
@click.option("--output", required=True, help="BIDS folder to write.")
def images(
    anatomy: str, labels: str, table: str, options: str, seed: int, threads: int, output: str
) -> None:
    """T1w images in BIDS form."""
    from gendmr.config.simulate import SimulateSection
    from gendmr.simulate.images import simulate_images

    section = SimulateSection.parse(options, where="simulate")
    simulate_images(anatomy, labels, table, section, seed, threads, output)


@group.command()
@click.option("--anatomy", required=True, help="Size and atrophy per participant.")
@click.option("--regions", required=True, help="Table of regions with MNI centroids.")
@OPTIONS
@SEED
@click.option("--output", required=True, help="NetCDF file to write.")
def measurements(anatomy: str, regions: str, options: str, seed: int, output: str) -> None:
    """Measurements of regions, without images."""
    from gendmr.config.simulate import SimulateSection
    from gendmr.simulate.measurements import simulate_measurements

    section = SimulateSection.parse(options, where="simulate")
    simulate_measurements(anatomy, regions, section, seed, output)


@group.command()
@click.option("--measurements", required=True, help="Measurements of regions, NetCDF.")
@click.option("--regions", required=True, help="Table of regions with MNI centroids.")
@click.option("--labels", required=True, help="The atlas, NIfTI.")
@click.option("--atlas", required=True, help="The atlas's table.")
@OPTIONS
@SEED
@click.option("--output", required=True, help="Table of maps to write; they lie beside it.")
def maps(
    measurements: str, regions: str, labels: str, atlas: str, options: str, seed: int, output: str
) -> None:
    """Grey-matter maps whose regions are as large as was measured."""
    from gendmr.config.simulate import SimulateSection
    from gendmr.simulate.maps import simulate_maps

    section = SimulateSection.parse(options, where="simulate")
    simulate_maps(measurements, regions, labels, atlas, section, seed, output)


@group.command()
@click.option("--connections", required=True, help="Motion and connections per participant.")
@OPTIONS
@SEED
@click.option("--series", required=True, help="Archive (.npz) to write.")
@click.option("--components", required=True, help="Table of regions to write.")
def signals(connections: str, options: str, seed: int, series: str, components: str) -> None:
    """Signals of regions, with planted connections."""
    from gendmr.config.simulate import SimulateSection
    from gendmr.simulate.signals import simulate_signals

    section = SimulateSection.parse(options, where="simulate")
    simulate_signals(connections, section, seed, series, components)


@group.command()
@OPTIONS
@SEED
@click.option("--output", required=True, help="Folder for the tables and features.")
def tumours(options: str, seed: int, output: str) -> None:
    """People with a tumour: outcomes, expression, features of patches of their slides."""
    from gendmr.config.simulate import SimulateSection
    from gendmr.simulate.tumours import simulate_tumours

    section = SimulateSection.parse(options, where="simulate")
    simulate_tumours(section, seed, output)


@group.command()
@OPTIONS
@SEED
@click.option("--output", required=True, help="Folder for the tables, images and masks.")
def lesions(options: str, seed: int, output: str) -> None:
    """People with a lesion: expression, images and masks."""
    from gendmr.config.simulate import SimulateSection
    from gendmr.simulate.lesions import simulate_lesions

    section = SimulateSection.parse(options, where="simulate")
    simulate_lesions(section, seed, output)
