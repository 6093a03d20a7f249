"""One MLflow run for a training run, which a broken tracking server can neither stop nor slow down.

    tracker = Tracker(folder, config, facts)
    tracker.log(step, {"loss": 2.1, "rate": 3e-4})     # a line in curves.jsonl; never raises, never waits
    tracker.close()

`curves.jsonl` in the run's folder is the truth. A thread sends what is new in it to MLflow, and whatever fails is tried
again, with longer and longer pauses, and by the next start of the same run; `tracking.json` holds the MLflow run and how
far it was sent. Only rank 0 tracks, so there is one MLflow run whatever the number of ranks, and one writer to its store.

After a kill, the steps since the last checkpoint are computed again; their points, which are in the file, are not repeated.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.config import TrackingConfig
from training.pins import Pin

CURVES, SENT = "curves.jsonl", "tracking.json"
BATCH_METRICS = 1000  # MLflow takes no more in one call
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 120.0
CLOSE_SECONDS = 60.0  # how long the end of training waits for a server that is there but slow
DIGEST_CHARS = 36  # MLflow takes no longer digest of a dataset; the whole one is a tag
PARAM_CHARS = 6000  # nor a longer parameter

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Facts:
    """What MLflow is told of a run once: its name, flat parameters, tags, and what it reads."""

    name: str
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    inputs: Sequence[tuple[str, Pin]]  # name of the part, what it reads


class Tracker:
    """`folder`: of the run. Nothing is imported from MLflow before the thread runs."""

    def __init__(self, folder: Path, config: TrackingConfig, facts: Facts) -> None:
        self._folder, self._config, self._facts = folder, config, facts
        self._curves = folder / CURVES
        self._last = _whole_lines(self._curves)
        self._file = self._curves.open("a")
        self._end, self.fault = threading.Event(), ""
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
        self._thread.start()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """A point of each curve. Steps that the file has already are passed over."""
        if step <= self._last:
            return
        self._last = step
        self._file.write(json.dumps({"step": step, "at": int(time.time() * 1000), "values": dict(values)}) + "\n")
        self._file.flush()

    def close(self) -> bool:
        """Send what is left; True when all of it was. Waits a minute at most: what is not sent then is sent next time."""
        self._file.close()
        self._end.set()
        self._thread.join(CLOSE_SECONDS)
        return not self.fault and not self._thread.is_alive()

    def _run(self) -> None:
        """The thread: open the MLflow run, then send until the end; a fault starts over after a pause."""
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        pause, sender, monitor = PAUSE_SECONDS, None, None
        while True:
            ending = self._end.is_set()
            try:
                sender = sender or _Sender(self._folder, self._config, self._facts)
                if monitor is None and self._config.system_metrics:
                    monitor = sender.monitor()
                sender.send()
                pause, self.fault = PAUSE_SECONDS, ""
            except Exception as error:  # noqa: BLE001  whatever is wrong with tracking must not reach the training
                if not self.fault:
                    log.warning(
                        "tracking: %s. Training goes on; the curves are in %s and are sent later.", error, self._curves
                    )
                self.fault = str(error) or type(error).__name__
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            if ending:
                break
            self._end.wait(pause)
        if monitor is not None:
            monitor.finish()
        if sender is not None and not self.fault:
            sender.end()


class _Sender:
    """The MLflow run, made or found again, and how much of the curves it has."""

    def __init__(self, folder: Path, config: TrackingConfig, facts: Facts) -> None:
        from mlflow import MlflowClient

        self._curves, self._state = folder / CURVES, folder / SENT
        self._client = MlflowClient(tracking_uri(folder, config))
        said = json.loads(self._state.read_text()) if self._state.is_file() else {}
        self._offset, self.run_id = int(said.get("offset", 0)), said.get("run_id")
        if self.run_id is None:
            self.run_id = self._create(folder, config, facts)
            self._remember()
        else:
            self._client.update_run(self.run_id, status="RUNNING")
        self._tell(facts)

    def _create(self, folder: Path, config: TrackingConfig, facts: Facts) -> str:
        # Without a server MLflow would put files where a person stands: they belong beside its database.
        beside = None if config.uri else (folder.parent.absolute() / "artifacts").as_uri()
        run = self._client.create_run(
            experiment_of(self._client, config.experiment, beside), run_name=facts.name, tags=dict(facts.tags)
        )
        return str(run.info.run_id)

    def _tell(self, facts: Facts) -> None:
        """Parameters, tags and inputs: the same again is no change."""
        from mlflow.data.delta_dataset_source import DeltaDatasetSource
        from mlflow.data.meta_dataset import MetaDataset
        from mlflow.entities import DatasetInput, InputTag, Param, RunTag

        known = self._client.get_run(self.run_id).data.params
        params = [Param(k, str(v)[:PARAM_CHARS]) for k, v in facts.params.items() if k not in known]
        self._client.log_batch(self.run_id, params=params, tags=[RunTag(k, v) for k, v in facts.tags.items()])
        inputs = []
        for part, pin in facts.inputs:
            source = DeltaDatasetSource(path=pin.location, delta_table_version=pin.version, delta_table_id=pin.table_id)
            digest = (pin.digest or f"version-{pin.version}")[:DIGEST_CHARS]
            dataset = MetaDataset(source, name=str(pin)[:500], digest=digest)
            tags = {"mlflow.data.context": "training", "part": part, "release": pin.release, "digest": pin.digest or ""}
            inputs.append(DatasetInput(dataset._to_mlflow_entity(), [InputTag(k, v) for k, v in tags.items()]))
        self._client.log_inputs(self.run_id, inputs)

    def monitor(self) -> Any:
        """MLflow's sampler of CPU, memory, disk and GPU, started."""
        import mlflow
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        mlflow.set_tracking_uri(self._client.tracking_uri)
        started = SystemMetricsMonitor(self.run_id, resume_logging=self._offset > 0)
        started.start()
        return started

    def send(self) -> None:
        """All whole lines after the offset."""
        from mlflow.entities import Metric

        with self._curves.open() as file:
            file.seek(self._offset)
            metrics: list[Any] = []
            while (line := file.readline()).endswith("\n"):
                point = json.loads(line)
                metrics += [Metric(k, v, point["at"], point["step"]) for k, v in point["values"].items() if v == v]
                if len(metrics) > BATCH_METRICS // 2:
                    self._client.log_batch(self.run_id, metrics=metrics[:BATCH_METRICS])
                    metrics, self._offset = [], file.tell()
                    self._remember()
                end = file.tell()
            if metrics:
                self._client.log_batch(self.run_id, metrics=metrics)
                self._offset = end
                self._remember()

    def end(self) -> None:
        self._client.set_terminated(self.run_id)

    def _remember(self) -> None:
        made = self._state.with_suffix(".new")
        made.write_text(json.dumps({"run_id": self.run_id, "offset": self._offset, "uri": self._client.tracking_uri}))
        made.replace(self._state)


def tracking_uri(folder: Path, config: TrackingConfig) -> str:
    """Where MLflow is: as configured, or sqlite in the folder of runs."""
    return config.uri or local_uri(folder.parent)


def local_uri(folder: Path) -> str:
    """The store of a folder of runs where no server is named."""
    return f"sqlite:///{folder.absolute() / 'mlflow.db'}"


def experiment_of(client: Any, name: str, beside: str | None = None) -> str:
    """The id of the experiment, made where it is not there; `beside`: where its files go then."""
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name, beside))


@dataclass(frozen=True)
class Beside:
    """A run of its own beside a training run: an evaluation, an ablation. `folder`: files that are kept with it."""

    name: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    folder: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    parent: str | None = None  # MLflow run that it belongs to


def log_beside(uri: str, experiment: str, what: Beside) -> str:
    """Write a finished run; its id. Raises whatever MLflow raises."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client, files = MlflowClient(tracking_uri=uri), None
    if uri.startswith("sqlite:///"):
        files = (Path(uri.removeprefix("sqlite:///")).parent / "artifacts").as_uri()
    home = client.get_run(what.parent).info.experiment_id if what.parent else experiment_of(client, experiment, files)
    tags = {**what.tags, **({"mlflow.parentRunId": what.parent} if what.parent else {})}
    run = str(client.create_run(home, run_name=what.name, tags=tags).info.run_id)
    now = int(time.time() * 1000)
    metrics = [Metric(key, value, now, 0) for key, value in what.metrics.items() if value == value]
    params = [Param(key, str(value)[:PARAM_CHARS]) for key, value in what.params.items()]
    client.log_batch(run, metrics=metrics, params=params)
    client.log_artifacts(run, str(what.folder))
    client.set_terminated(run)
    return run


def points(folder: Path) -> list[dict[str, Any]]:
    """The curves of a run: one mapping a step, with `step` and every value."""
    lines = (folder / CURVES).read_text().splitlines()
    return [{"step": point["step"], **point["values"]} for point in map(json.loads, lines)]


def _whole_lines(path: Path) -> int:
    """Cut off a line that a kill left half written; the last step in the file, -1 where there is none."""
    if not path.is_file():
        return -1
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        path.write_bytes(whole)
    return int(json.loads(whole.splitlines()[-1])["step"]) if whole else -1
