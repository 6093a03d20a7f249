"""One question, several arms, several seeds: the same model and as many tokens on different data.

    report = ablate("curated_against_raw", lake="lake", folder="runs", benchmarks=Path("benchmarks"), say=print)

An ablation is a file of `conf/training/ablations`: a profile, what each arm sets otherwise, seeds, and the benchmarks whose
solutions are measured in bits per byte. Arms are refused that differ in model or tokens. Every arm and seed is a
run of its own that goes on after a kill; a finished one costs nothing. Written: `report.json` and `report.html`.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup
from pydantic import Field

from lakehouse.config import conf_dir
from lakehouse.errors import ConfigError, InputError, JobFailed, nearest
from training import checkpoint, models
from training.config import RunConfig, Section, load
from training.evaluate import bits, problems
from training.run import Say, train
from training.tracking import Beside, log_beside, tracking_uri

CONFIDENCE = 0.95


class AblationConfig(Section):
    """An ablation as data. `arms`: by name, what is set otherwise, by dotted key. The first is what others are compared with."""

    about: str
    profile: str
    seeds: list[int] = Field(min_length=1)
    measure: list[str] = Field(
        min_length=1, description="layouts of benchmarks, each a file <layout>.jsonl(.gz) in the folder"
    )
    arms: dict[str, dict[str, Any]] = Field(min_length=2)


@dataclass(frozen=True)
class Arm:
    """`bits`: by seed. `low`, `high`: interval of the mean. `difference`: mean over seeds of this arm less the first, with its own."""

    name: str
    bits: Mapping[int, float]
    mean: float
    low: float
    high: float
    difference: tuple[float, float, float]


@dataclass(frozen=True)
class Report:
    name: str
    about: str
    tokens: int
    parameters: int
    arms: tuple[Arm, ...]


def names() -> list[str]:
    return sorted(path.stem for path in (conf_dir() / "training" / "ablations").glob("*.yaml"))


def read(name: str) -> AblationConfig:
    """The ablation of this name. Raises ConfigError with those there are."""
    if name not in names():
        raise ConfigError(f"{name!r} is no ablation. Ablations: {', '.join(names())}.{nearest(name, names())}")
    path = conf_dir() / "training" / "ablations" / f"{name}.yaml"
    return AblationConfig.model_validate(yaml.safe_load(path.read_text("utf-8")))


def configs(name: str, plan: AblationConfig, overrides: Sequence[str]) -> dict[tuple[str, int], RunConfig]:
    """The run of every arm and seed. Raises ConfigError where arms differ in model or tokens."""
    made = {}
    for arm, changes in plan.arms.items():
        own = [f"{key}={json.dumps(value)}" for key, value in changes.items()]
        for seed in plan.seeds:
            said = [*overrides, *own, f"seed={seed}", f"name={name}-{arm}-{seed}"]
            made[arm, seed] = load(profile=plan.profile, overrides=said)
    sizes = {(config.shape, _length(config)) for config in made.values()}
    if len(sizes) > 1:
        raise ConfigError(f"ablation {name}: arms differ in model or tokens: they would answer another question.")
    return made


def _length(config: RunConfig) -> tuple[Any, ...]:
    return tuple((stage.tokens, stage.epochs) for stage in config.stages.values())


def ablate(
    name: str, *, overrides: Sequence[str], benchmarks: Path, say: Say, plan: AblationConfig | None = None
) -> Report:
    """Train what is not trained yet, measure, and write the report into `<folder of runs>/ablation-<name>`."""
    plan = plan or read(name)
    runs = configs(name, plan, overrides)
    texts = [text for layout in plan.measure for text in _texts(benchmarks, layout)]
    found: dict[tuple[str, int], float] = {}
    for nth, ((arm, seed), config) in enumerate(runs.items(), 1):
        say(f"{nth}/{len(runs)}: {arm}, seed {seed}")
        result = train(config, say=say)
        if not result.done:
            raise JobFailed(
                f"{arm}, seed {seed}: stopped at step {result.state.step}. The same command goes on from there."
            )
        found[arm, seed] = _measured(config, Path(result.checkpoint), texts)
        say(f"{arm}, seed {seed}: {found[arm, seed]:.4f} bits per byte")
    config = next(iter(runs.values()))
    report = Report(name, plan.about, result.state.tokens, config.shape.parameters, _arms(plan, found))
    folder = Path(config.folder) / f"ablation-{name}"
    _write(folder, report)
    _track(config, folder, report, say)
    return report


def _texts(folder: Path, layout: str) -> list[str]:
    files = [path for suffix in (".jsonl", ".jsonl.gz") if (path := folder / f"{layout}{suffix}").is_file()]
    if not files:
        raise InputError(
            f"{folder}: no {layout}.jsonl or {layout}.jsonl.gz. Put the benchmark's file there under that name."
        )
    return [problem.solution for problem in problems.load(layout, files[0])]


def _measured(config: RunConfig, folder: Path, texts: Sequence[str]) -> float:
    """Bits per byte of the texts under the checkpoint, for a model that reads bytes."""
    model = models.build(config.shape, seed=config.seed)
    model.load_state_dict(checkpoint.weights(checkpoint.named(str(folder))))
    length = max(stage.sequence_length for stage in config.stages.values())
    return bits.of_texts(model, texts, encode=bits.as_bytes, length=length)


def _arms(plan: AblationConfig, found: Mapping[tuple[str, int], float]) -> tuple[Arm, ...]:
    first = next(iter(plan.arms))
    made = []
    for arm in plan.arms:
        values = {seed: found[arm, seed] for seed in plan.seeds}
        # The same seed has the same first weights in both arms: paired, their noise cancels.
        apart = [found[arm, seed] - found[first, seed] for seed in plan.seeds]
        made.append(Arm(arm, values, *interval(list(values.values())), interval(apart)))
    return tuple(made)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, and its interval at CONFIDENCE by Student's t; from one value the interval is not known and is infinite."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, float("-inf"), float("inf")
    from scipy.stats import t

    half = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * statistics.stdev(values) / len(values) ** 0.5
    return mean, mean - half, mean + half


def _write(folder: Path, report: Report) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(asdict(report), indent=1))
    (folder / "report.html").write_text(page(report))


def _track(config: RunConfig, folder: Path, report: Report, say: Say) -> None:
    """The report as an MLflow run beside those of the arms. A broken server costs the run there and not the report."""
    said = (("mean", "mean"), ("low", "low"), ("high", "high"))
    metrics = {f"bits_per_byte.{arm.name}.{key}": getattr(arm, name) for arm in report.arms for key, name in said}
    metrics |= {f"bits_per_byte.{arm.name}.difference": arm.difference[0] for arm in report.arms}
    metrics = {key: value for key, value in metrics.items() if abs(value) != float("inf")}
    try:
        uri = tracking_uri(config.run_folder, config.tracking)
        log_beside(uri, config.tracking.experiment, Beside(folder.name, {"ablation": report.name}, metrics, folder))
    except Exception as error:  # noqa: BLE001  whatever is wrong with tracking must not cost the report
        say(f"tracking: {error}. The report is in {folder}.")


def page(report: Report) -> str:
    """One HTML page: the table, and every seed with mean and interval as a picture."""
    row = Markup(
        "<tr><th>{}</th><td>{:.4f}</td><td>{:.4f} to {:.4f}</td><td>{:+.4f} ({:+.4f} to {:+.4f})</td><td>{}</td></tr>"
    )
    rows = Markup("").join(
        row.format(a.name, a.mean, a.low, a.high, *a.difference, ", ".join(f"{s}: {b:.4f}" for s, b in a.bits.items()))
        for a in report.arms
    )
    return Markup(
        "<!doctype html><meta charset=utf-8><title>{name}</title><style>body{{font:16px sans-serif;max-width:60em;"
        "margin:2em auto}}td,th{{padding:.3em .8em;text-align:left}}</style><h1>{name}</h1><p>{about}. {tokens:,} tokens,"
        " {parameters:,} parameters. Bits per byte, lower is better; intervals at {level:.0%} over seeds.</p>"
        "<table><tr><th>arm</th><th>mean</th><th>interval</th><th>less the first, paired</th><th>seeds</th></tr>{rows}</table>"
        "{picture}"
    ).format(
        name=report.name, about=report.about, tokens=report.tokens, parameters=report.parameters, level=CONFIDENCE,
        rows=rows, picture=_picture(report.arms),
    )  # fmt: skip


def _picture(arms: Sequence[Arm]) -> Markup:
    """A line an arm: dots for seeds, a bar for the interval where it is finite, a tick for the mean."""
    values = [v for a in arms for v in [*a.bits.values(), a.low, a.high] if abs(v) != float("inf")]
    low, high = min(values), max(values)
    room = (high - low) or 1.0

    def x(value: float) -> str:
        return f"{20 + 75 * (min(max(value, low), high) - low) / room:.2f}%"

    drawn = []
    for nth, arm in enumerate(arms):
        y = 30 + 40 * nth
        drawn.append(Markup('<text x="0" y="{}">{}</text>').format(y + 5, arm.name))
        drawn.append(Markup('<line x1="{}" x2="{}" y1="{y}" y2="{y}" stroke="#888" stroke-width="6" opacity=".4"/>').format(
            x(arm.low), x(arm.high), y=y))  # fmt: skip
        drawn += [Markup('<circle cx="{}" cy="{}" r="4"/>').format(x(value), y) for value in arm.bits.values()]
        drawn.append(Markup('<line x1="{m}" x2="{m}" y1="{}" y2="{}" stroke="#000" stroke-width="2"/>').format(
            y - 10, y + 10, m=x(arm.mean)))  # fmt: skip
    axis = Markup('<text x="20%" y="{y}">{:.4f}</text><text x="95%" y="{y}" text-anchor="end">{:.4f}</text>').format(
        low, high, y=40 + 40 * len(arms)
    )
    return Markup('<svg width="100%" height="{}" role="img" aria-label="bits per byte by arm">{}</svg>').format(
        50 + 40 * len(arms), Markup("").join([*drawn, axis])
    )
