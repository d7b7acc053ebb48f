"""Start the follower of a study beside the workflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from gendmr.config.study import Study
from gendmr.tracking.views import columns_of_study

PACKAGE = Path(__file__).resolve().parents[2]


def follow_training(study: Study) -> None:
    """Start a process that logs to the study's MLflow server while folds train.

    It ends by itself after the process that calls this. Without `tracking.live`, nothing is done;
    where it cannot be started, the report says so.

    Parameters
    ----------
    study : Study
    """
    if not study.tracking.live:
        return
    name = study.study
    log = Path("logs", name, "tracking", "follow.log")
    state_file = Path("results", name, "tracking", "live.json")
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        state_file.unlink(missing_ok=True)
        with log.open("w") as stream:
            # Not ended with the workflow by Ctrl-C: it still has to mark what was cut short.
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "gendmr", "tracking", "follow"),
                    *("--results", f"results/{name}", "--options", study.tracking.dump()),
                    *("--methods", " ".join(study.methods)),
                    *("--repeats", str(study.cohort.repeats), "--folds", str(study.cohort.folds)),
                    *(
                        "--columns",
                        json.dumps(
                            [asdict(task_columns) for task_columns in columns_of_study(study)]
                        ),
                    ),
                    "--until-parent-ends",
                ],
                env=os.environ | {"PYTHONPATH": str(PACKAGE)},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
    except OSError as error:
        print(f"  Live logging did not start: {error}", file=sys.stderr)
