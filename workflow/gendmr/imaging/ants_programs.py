"""The programs of ANTs inside this process, fed with files.

antspyx wraps the command lines of ANTs in one extension module. Importing the whole of `ants` takes
seconds, for it brings plotting and statistics along; the extension alone loads in a tenth of one,
and there is one process per scan.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from gendmr.errors import ToolError

THREADS = "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"


@lru_cache(maxsize=1)
def _library() -> ModuleType:
    # With more than one thread sums are made in changing order, and the bytes of results change.
    # ITK reads this once, when its library is loaded.
    os.environ[THREADS] = "1"
    # Loaded once per process, because loading it twice would abort the process.
    if "ants.lib" in sys.modules:
        return sys.modules["ants.lib"]
    package = importlib.util.find_spec("ants")
    folders = list(package.submodule_search_locations or []) if package else []
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    for folder in folders:
        for file in sorted(Path(folder).glob("lib.*")):
            if file.name.endswith(suffixes):
                spec = importlib.util.spec_from_file_location("ants.lib", file)
                if spec is not None and spec.loader is not None:
                    library = importlib.util.module_from_spec(spec)
                    spec.loader.exec_module(library)
                    sys.modules["ants.lib"] = library
                    return library
    raise ToolError(
        "antspyx is not installed, or holds no compiled library",
        cause="the environment of the stage `imaging` is incomplete",
        next_step="pip install antspyx, or run snakemake with --sdm conda",
    )


class FailedProgramError(ToolError):
    """A program of ANTs ended with a status other than 0."""


def run(program: str, *arguments: object) -> None:
    """Run one program of ANTs, as its command line would be written.

    Raises
    ------
    ToolError
        The program is not in the library, or breaks off.
    FailedProgramError
        It ends with a status other than 0.
    """
    function = getattr(_library(), program, None)
    if function is None:
        raise ToolError(
            f"antspyx has no program {program}", next_step="install the pinned version of antspyx"
        )
    texts = [str(argument) for argument in arguments]
    sys.stdout.flush()
    try:
        status = function(texts)
    except RuntimeError as error:
        raise ToolError(
            f"{program} stopped: {error}", next_step=f"{program} {' '.join(texts)}"
        ) from error
    if status != 0:
        raise FailedProgramError(
            f"{program} ended with status {status}",
            cause="the images do not overlap at all, or the memory ran out",
            next_step="look at the scan; the call was: " + " ".join([program, *texts]),
        )
