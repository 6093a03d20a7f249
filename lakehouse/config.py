"""Configuration: YAML files merged in order, overridden key by key, validated before Spark starts.

Order: `conf/base.yaml`, then the lake's own `codelake.yaml` where it has one, then the profile, then files given with
`--conf`, then `--set key.sub=value`: what is typed wins over what lies there. A value written
as `${conf:filters/strict.yaml}` is replaced by that file's content, so that a whole rule set can be swapped or one of
its limits be overridden. An unknown key or a wrong type is refused with file, line, key, value and what is allowed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lakehouse.errors import ConfigError, nearest
from lakehouse.job import Graph, Params

# The C loader reads the file-type table in 20 ms, the Python one in 400; some builds of PyYAML lack it.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Checked = TypeVar("Checked", bound=BaseModel)
OWN_SETTINGS = "codelake.yaml"
_INCLUDE = re.compile(r"^\$\{conf:([^}]+)\}$")


class LakeConfig(BaseModel):
    """Where the lake is and how writers behave."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: str = Field(description="folder or object-store URI that holds the tables")
    lock_wait_seconds: float = Field(
        ge=0, description="how long to wait for another writer before ending with exit code 4"
    )
    docs: bool = Field(description="write Great Expectations Data Docs after each gate")

    @field_validator("root")
    @classmethod
    def _readable_by_all(cls, root: str) -> str:
        if bad := sorted(set(root) & set("[]%`")):
            raise ValueError(
                f"a path with {' '.join(bad)}, which Delta's readers do not agree on; name a folder without"
            )
        return root


class SparkConfig(BaseModel):
    """How a session is built when none exists."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    master: str = Field(description="Spark master; local[*] uses all cores of this machine")
    driver_memory: str = Field(description="heap of the driver; in local mode of everything")
    fast_start: bool = Field(description="local mode only: class-data archive, C1 compiler, serial collector")
    conf: dict[str, str] = Field(description="any Spark setting, wins over all others")


@dataclass(frozen=True)
class Config:
    """The resolved configuration. `jobs` holds each job's validated parameters by job name."""

    lake: LakeConfig
    spark: SparkConfig
    jobs: Mapping[str, Params]


def conf_dir() -> Path:
    """The folder of the configuration that comes with codelake: in the wheel, or beside the packages in a checkout."""
    here = Path(__file__).parent
    for folder in (here / "_conf", here.parent / "conf"):
        if (folder / "base.yaml").is_file():
            return folder
    raise ConfigError(f"{here / '_conf'}: no base.yaml. The installation is incomplete: install codelake again.")


def lock_digest() -> str:
    """SHA-256 of the requirements lock file, which pins every package that can change a result."""
    folder = conf_dir()
    for file in (folder / "base.lock", folder.parent / "requirements" / "base.lock"):
        if file.is_file():
            return hashlib.sha256(file.read_bytes()).hexdigest()
    raise ConfigError(f"{folder}: base.lock is missing. The installation is incomplete: install codelake again.")


def load(
    graph: Graph, *, profile: str | None = None, files: Sequence[Path] = (), overrides: Sequence[str] = ()
) -> Config:
    """Merge, validate and return. Raises ConfigError naming file, line, key, value, what is allowed."""
    base, above = conf_dir() / "base.yaml", [*([_profile(profile)] if profile else []), *files]
    values, origin = merge([base, *above], overrides)
    own = _own_settings(values)
    return _validated(graph, *(merge([base, own, *above], overrides) if own else (values, origin)))


def _own_settings(values: Mapping[str, Any]) -> Path | None:
    """The settings that lie in the lake that `values` name: what it is built from, so that nobody has to say it again."""
    root = _section(values, "lake").get("root")
    path = Path(root) / OWN_SETTINGS if isinstance(root, str) else None
    if path is None or not path.is_file():
        return None
    if "root" in _section(_read(path, {}), "lake"):
        raise ConfigError(f"{path}: lake.root cannot be set here: the file belongs to the lake it lies in. Remove it.")
    return path


def merge(paths: Sequence[Path], overrides: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The files merged in order under the overrides, and for every key where it was set."""
    origin: dict[str, str] = {}
    values: dict[str, Any] = {}
    for path in paths:
        values = overlaid(values, _read(path, origin))
    for text in overrides:
        key, value = _override(text)
        _note_origin(origin, key, value, f"--set {text}")
        patch: Any = value
        for part in reversed(key.split(".")):
            patch = {part: patch}
        values = overlaid(values, patch)
    return values, origin


def validated(model: type[Checked], values: Mapping[str, Any], origin: Mapping[str, str]) -> Checked:
    """All of `values` as one model. Raises ConfigError naming file, line, key, value, what is allowed."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain("", model, error, origin)) from error


def profiles() -> list[str]:
    return sorted(path.stem for path in (conf_dir() / "profiles").glob("*.yaml"))


def overlaid(below: Any, above: Any) -> Any:
    """Mappings merge key by key; anything else above replaces what is below.

    OmegaConf would do it too, but wraps every leaf: 3 s for the file-type table, against milliseconds.
    """
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: overlaid(below.get(key), value) for key, value in above.items()}}
    return above


def _profile(name: str) -> Path:
    if name not in profiles():
        raise ConfigError(
            f"--profile {name}: no such profile. Allowed: {', '.join(profiles())}.{nearest(name, profiles())}"
        )
    return conf_dir() / "profiles" / f"{name}.yaml"


def _read(path: Path, origin: dict[str, str]) -> dict[str, Any]:
    """One YAML file with its includes, noting for every key where it was set."""
    try:
        text = path.read_text("utf-8")
        node = yaml.compose(text, Loader=Loader)
        values = yaml.load(text, Loader=Loader)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}. Name a readable YAML file.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}:1: expected a mapping of keys, found {type(values).__name__}.")
    _lines(node, "", path, origin)
    included = _include(values)
    assert isinstance(included, dict)
    return included


def _lines(node: yaml.Node | None, prefix: str, path: Path, origin: dict[str, str]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = f"{prefix}.{key.value}" if prefix else str(key.value)
            origin[name] = f"{path}:{key.start_mark.line + 1}"
            _lines(value, name, path, origin)


def _include(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _include(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_include(v) for v in value]
    if isinstance(value, str) and (match := _INCLUDE.match(value)):
        given = Path(match[1])
        path = given if given.is_file() else conf_dir() / given
        if not path.is_file():
            raise ConfigError(f"{value}: no such file. Allowed: a path, or a file below {conf_dir()}.")
        return _include(yaml.load(path.read_text("utf-8"), Loader=Loader))
    return value


def _override(text: str) -> tuple[str, Any]:
    key, equals, raw = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {text}: expected key.sub=value, such as --set code.decide.max_copies=10.")
    try:
        return key.strip(), _include(yaml.safe_load(raw) if raw else "")
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {text}: the value is not valid YAML: {error}") from error


def _note_origin(origin: dict[str, str], key: str, value: Any, where: str) -> None:
    origin[key] = where
    if isinstance(value, dict):
        for name, inner in value.items():
            _note_origin(origin, f"{key}.{name}", inner, where)


def _validated(graph: Graph, values: dict[str, Any], origin: Mapping[str, str]) -> Config:
    """Split the merged mapping into sections and check each against its model."""
    models: dict[str, type[BaseModel]] = {"lake": LakeConfig, "spark": SparkConfig}
    models |= {job.name: job.params for job in graph.jobs}
    sections = {name: _section(values, name) for name in models}
    _refuse_unknown(values, models, origin)
    checked: dict[str, BaseModel] = {}
    for name, model in models.items():
        try:
            checked[name] = model.model_validate(sections[name])
        except ValidationError as error:
            raise ConfigError(_explain(name, model, error, origin)) from error
    lake, spark = checked.pop("lake"), checked.pop("spark")
    assert isinstance(lake, LakeConfig)
    assert isinstance(spark, SparkConfig)
    return Config(lake, spark, {name: params for name, params in checked.items() if isinstance(params, Params)})


def _section(values: Mapping[str, Any], name: str) -> Any:
    found: Any = values
    for part in name.split("."):
        found = found.get(part, {}) if isinstance(found, dict) else {}
    return found


def _refuse_unknown(values: Mapping[str, Any], models: Mapping[str, Any], origin: Mapping[str, str]) -> None:
    for layer, inside in values.items():
        if layer in models:
            continue
        names = [f"{layer}.{sub}" for sub in inside] if isinstance(inside, dict) else [layer]
        for name in names or [layer]:
            if name not in models:
                raise ConfigError(
                    f"{origin.get(name, origin.get(layer, '?'))}: {name}: unknown key. "
                    f"Allowed: {', '.join(sorted(models))}.{nearest(name, models)} Nothing was read or written."
                )


def _explain(name: str, model: type[BaseModel], error: ValidationError, origin: Mapping[str, str]) -> str:
    lines = []
    for fault in error.errors():
        key = ".".join(part for part in [name, *map(str, fault["loc"])] if part)
        where = next((origin[k] for k in _prefixes(key) if k in origin), "?")
        if fault["type"] == "extra_forbidden":
            allowed = _fields(model, fault["loc"][:-1])
            said = f"unknown key. Allowed: {', '.join(allowed)}.{nearest(str(fault['loc'][-1]), allowed)}"
        elif fault["type"] == "missing":
            said = "missing: give it a value."
        else:
            # Where a rule spans several keys, what was found is all of them.
            found = "" if isinstance(fault["input"], dict) else f" (found {fault['input']!r})"
            said = f"{fault['msg']}{found}."
        lines.append(f"{where}: {key}: {said}" if key else said)
    return "\n".join([*lines, "Nothing was read or written."])


def _prefixes(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]


def _fields(model: type[BaseModel], where: tuple[int | str, ...]) -> list[str]:
    """The keys allowed at `where`, as far as nested models can be followed."""
    for part in where:
        if isinstance(part, int) or part not in model.model_fields:
            continue
        inner = model.model_fields[part].annotation
        candidates = [inner, *getattr(inner, "__args__", ())]
        models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not models:
            return []
        model = models[0]
    return sorted(model.model_fields)
