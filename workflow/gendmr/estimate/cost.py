"""Jobs, processor and GPU hours, memory and disk of a plan, per stage, from measured rates."""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

from gendmr.config.study import DATA_STAGES, Study
from gendmr.errors import ConfigurationError, first_few
from gendmr.estimate.plan import Job
from gendmr.estimate.size import TRAINING, Size, drivers, rate_name, rule_family
from gendmr.files.shipped import ROOT

STAGES = (*DATA_STAGES, "cohort", "training", "ranking", "tracking", "report")
RULES = ROOT / "workflow" / "rules"


@dataclass
class Stage:
    """Sums over the jobs of a stage; times in seconds, memory and disk in MB."""

    name: str
    jobs: int = 0
    cpu: float = 0.0
    gpu: float = 0.0
    disk: float = 0.0
    memory: float = 0.0
    longest: float = 0.0
    longest_job: str = ""
    gpu_jobs: int = 0


@dataclass
class Cost:
    """What a plan costs."""

    stages: list[Stage] = field(default_factory=list)
    asked_mb: int = 0
    unmeasured: dict[str, int] = field(default_factory=dict)
    """Jobs without rates, by name: methods that nobody has measured."""

    @property
    def cpu(self) -> float:
        """Processor seconds of all jobs."""
        return sum(stage.cpu for stage in self.stages)

    def wall(self, cores: int, gpus: int) -> float:
        """Return seconds from start to end, stage after stage, on some cores and GPUs."""
        seconds = 0.0
        for stage in self.stages:
            lanes = min(cores, gpus) if gpus else cores
            seconds += max((stage.cpu - stage.gpu) / cores + stage.gpu / lanes, stage.longest)
        return seconds


@cache
def load_rates() -> dict[str, object]:
    """Return the measured rates, data of the package."""
    text = Path(__file__).with_name("rates.yaml").read_text(encoding="utf-8")
    rates: dict[str, object] = yaml.safe_load(text)
    return rates


@cache
def stages_of_rules() -> dict[str, str]:
    """Return the stage of each rule: the file of rules in which it stands."""
    stages: dict[str, str] = {}
    for stage in STAGES:
        text = (RULES / f"{stage}.smk").read_text(encoding="utf-8")
        names = re.findall(r"^\s*rule (\w+):", text, re.M)
        # Of rules that stand once for each set of modalities or files: what their names begin with.
        families = re.findall(r'^\s*name:\s*f?"(\w+?)(?:_\{|")', text, re.M)
        stages |= dict.fromkeys([*names, *families], stage)
    return stages


def seconds_of(job: Job, study: Study, size: Size) -> float | None:
    """Return the processor seconds of a job by its rate, None where it has none."""
    rates = _rates_of(study)
    name = rate_name(job, study)
    if name not in rates:
        return None
    by = drivers(job, study, size)
    return sum(rate * by.get(driver, 0.0) for driver, rate in rates[name]["seconds"].items())


def stage_of(job: Job, study: Study) -> str:
    """Return the stage of a job; its rule where that belongs to none."""
    return stages_of_rules().get(rule_family(job, study), job.rule)


def _rates_of(study: Study) -> dict[str, Mapping[str, Mapping[str, float]]]:
    rates: dict[str, Mapping[str, Mapping[str, float]]]
    rates = dict(load_rates()["rules"])  # type: ignore[call-overload]
    for method in study.methods.values():
        rates |= {
            f"{rule} {method.kind}": rates_of_rule for rule, rates_of_rule in method.rates.items()
        }
    return rates


def cost_of(jobs: Iterable[Job], study: Study, size: Size) -> Cost:
    """Sum the rates of jobs; those of methods without rates are listed apart.

    Raises
    ------
    ConfigurationError
        A rule has no rate.
    """
    rates = _rates_of(study)
    stages = stages_of_rules()
    sums: dict[str, Stage] = {name: Stage(name) for name in STAGES}
    cost = Cost()
    unknown = set()
    for job in jobs:
        name = rate_name(job, study)
        if name not in rates and rule_family(job, study) in TRAINING:
            cost.unmeasured[name] = cost.unmeasured.get(name, 0) + 1
            continue
        if name not in rates:
            unknown.add(name)
            continue
        by = drivers(job, study, size)
        used = {
            resource: sum(
                rate * by.get(driver, 0.0) for driver, rate in rates[name][resource].items()
            )
            for resource in ("seconds", "memory", "disk")
        }
        stage = sums[stages[rule_family(job, study)]]
        stage.jobs += 1
        stage.cpu += used["seconds"]
        stage.disk += used["disk"]
        stage.memory = max(stage.memory, used["memory"])
        if job.gpu:
            stage.gpu += used["seconds"]
            stage.gpu_jobs += 1
        if used["seconds"] > stage.longest:
            stage.longest, stage.longest_job = used["seconds"], name
        cost.asked_mb = max(cost.asked_mb, job.mem_mb)
    if unknown:
        raise ConfigurationError(
            f"no rate for {len(unknown)} kinds of jobs: {first_few(sorted(unknown))}",
            cause="a rule was added after the rates were measured",
            next_step="add it to workflow/gendmr/estimate/rates.yaml",
        )
    cost.stages = [stage for stage in sums.values() if stage.jobs]
    return cost


def measured(study: str, folder: Path | str = "logs") -> dict[str, float]:
    """Return processor seconds per stage in Snakemake's benchmark files of a finished study."""
    seconds: dict[str, float] = defaultdict(float)
    root = Path(folder, study)
    for path in sorted(root.rglob("*.benchmark.tsv")):
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream, delimiter="\t"):
                used = float(row["cpu_time"]) if row["cpu_time"] not in {"NA", "-"} else 0.0
                seconds[path.relative_to(root).parts[0]] += used
    return dict(seconds)


def table(cost: Cost, *, cores: int, gpus: int) -> str:
    """Return the estimate as text, with how far off it may be."""
    rates = load_rates()
    factor: dict[str, float] = rates["factor"]  # type: ignore[assignment]
    if not cost.stages and not cost.unmeasured:
        return "Nothing is left to run."
    if not cost.stages:
        return _unmeasured(cost)
    lines = [f"{'stage':<12}{'jobs':>7}{'CPU h':>9}{'GPU h':>9}{'disk GB':>9}{'memory MB':>11}"]
    total = Stage("all")
    for stage in cost.stages:
        lines.append(_row(stage))
        total.jobs += stage.jobs
        total.cpu += stage.cpu
        total.gpu += stage.gpu
        total.disk += stage.disk
        total.memory = max(total.memory, stage.memory)
    lines.append(_row(total))
    longest = max(cost.stages, key=lambda stage: stage.longest)
    wall = cost.wall(cores, gpus)
    hardware = f"{cores} cores" + (f" and {gpus} GPUs" if gpus else "")
    # A sum without methods that nobody has measured is no estimate of the whole.
    about = "at least" if cost.unmeasured else "about"
    lines += [
        "",
        f"On {hardware}: {about} {_time(wall)}. Longest job: {longest.longest_job},"
        f" {_time(longest.longest)}. Jobs reserve up to {cost.asked_mb} MB each.",
        f"Rates: {rates['measured']}. The total may be off by a factor of {factor['total']:g}, a"
        f" stage by {factor['stage']:g}; another processor adds its own. Epochs and instances are"
        " counted as the configuration allows; training may stop earlier and read fewer.",
    ]
    if cost.unmeasured:
        lines.append(_unmeasured(cost))
    if total.gpu and not rates["gpu_measured"]:
        lines.append("GPU hours are those of the same jobs on one core: no GPU was measured.")
    return "\n".join(lines)


def _unmeasured(cost: Cost) -> str:
    names = ", ".join(f"{name} ({count} jobs)" for name, count in cost.unmeasured.items())
    return f"Not measured, and in no sum above: {names}."


def _row(stage: Stage) -> str:
    return (
        f"{stage.name:<12}{stage.jobs:>7}{stage.cpu / 3600:>9.3f}{stage.gpu / 3600:>9.3f}"
        f"{stage.disk / 1000:>9.2f}{math.ceil(stage.memory / 10) * 10:>11}"
    )


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
