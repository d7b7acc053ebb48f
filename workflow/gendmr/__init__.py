"""GenDMR: imaging-genetics workflow, from PLINK files and T1-weighted MRIs to ranked genes."""

__version__ = "0.3.0"


def open(results: object) -> object:
    """Return the results of a study for a notebook: ``gendmr.open("results/mine")``.

    See `gendmr.notebook.OpenedStudy`.
    """
    from importlib import import_module

    # By name: what every job imports must not import what reads results.
    return import_module("gendmr.notebook").open_study(results)
