"""The one place that builds a Spark session. An existing session (notebook, cluster service) is reused as it is.

Local mode starts fast: a class-data archive made once, the C1 compiler and the serial collector cut "session, first
write, first merge" from 33 s to 10 s on 2 cores. The hot work runs in Python workers, so C1 costs little there; a
cluster keeps its own settings, and `spark.fast_start=false` turns it off.
"""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse import jars, java
from lakehouse.config import SparkConfig
from lakehouse.errors import MachineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Settings that results or bounded memory depend on. Each can be overridden by spark.conf.
SETTINGS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # Arrow batches bounded by bytes: documents are up to the size cap, rows alone say nothing.
    "spark.sql.execution.arrow.maxBytesPerBatch": "16m",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "20000",
    "spark.sql.parquet.compression.codec": "zstd",
    # Not INT96, whose nanoseconds end in 2262 for every reader but Spark.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.ui.showConsoleProgress": "false",
    # A publish is found again by its transaction number: keep those as long as the versions.
    "spark.databricks.delta.setTransactionRetentionDuration.enabled": "false",
}

LOCAL = {
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    # Defaults are made for clusters: 200 shuffle and 50 snapshot partitions, 10,000 listing tasks.
    "spark.sql.shuffle.partitions": "4",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
}

LOGGING = f"-Dlog4j2.configurationFile={Path(__file__).parent / 'log4j2.properties'}"
# C1 alone gets 48 MB for compiled code, which Spark's generated classes fill within a minute or two; the compiler is
# then off and a method handle that cannot be linked any more fails the job with an InternalError.
# Beside the archive's, one job loads 30 MB of classes; passing a mark, 21 MB at first, has all of the heap cleaned (0.6 s).
FAST_JAVA = (
    "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:MetaspaceSize=128m -XX:+UseSerialGC -XX:-UsePerfData"
)
# The JDK warns about an archive made under other flags; it then starts without it, which is what we want.
KEPT_LOGS = 20
ARCHIVE_QUIET = "-Xlog:cds=off -Xlog:cds+dynamic=off -Xshare:auto"


def cache_dir() -> Path:
    """Where JARs and the class-data archive are kept: CODELAKE_CACHE, else the user's cache folder."""
    given = os.environ.get("CODELAKE_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(given) if given else base / "codelake"


def build(config: SparkConfig, *, say: Callable[[str], None] = lambda _: None) -> SparkSession:
    """The running session, or a new one. Raises MachineError when Java or JARs are missing."""
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    # Driver and workers must run one interpreter; the default is whatever `python3` the path holds.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # started by spark-submit, which has chosen master, memory and JARs
        return _session({**SETTINGS, **config.conf})
    cache = cache_dir()
    found = java.find(cache)
    os.environ["JAVA_HOME"] = str(found.home)
    files = jars.ensure(cache, found)
    local = config.master.startswith("local[") or config.master == "local"
    settings = {**SETTINGS, **(LOCAL if local else {}), **_classpath(files, local)}
    settings["spark.sql.warehouse.dir"] = str(cache / "warehouse")  # else a folder appears wherever a person stands
    settings["spark.master"] = config.master
    settings["spark.driver.memory"] = config.driver_memory
    if local:
        archive = class_archive(cache, found, files, say) if config.fast_start else None
        settings["spark.driver.extraJavaOptions"] = _java_options(config, archive)
    return start(settings | config.conf, _log_file(cache))


def _classpath(files: list[Path], local: bool) -> dict[str, str]:
    """On the class path in local mode, so that the class-data archive covers Delta; shipped to executors otherwise."""
    if local:
        return {"spark.driver.extraClassPath": os.pathsep.join(map(str, files))}
    return {"spark.jars": ",".join(map(str, files))}


def _java_options(config: SparkConfig, archive: Path | None) -> str:
    options = [LOGGING]
    if config.fast_start:
        # The whole heap at once: grown by need, a build of two minutes stood still 119 times for 10 s in all, not 24 for 3.4.
        options.append(f"{FAST_JAVA} -Xms{config.driver_memory}")
    if archive is not None:
        options.append(f"-XX:SharedArchiveFile={archive} {ARCHIVE_QUIET}")
    return " ".join(options)


def start(settings: dict[str, str], log: Path) -> SparkSession:
    """A JVM of our own and a session in it; what JVM and workers print goes to `log`, not to a person's terminal.

    Raises MachineError with the end of the log when the JVM does not come up.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    # An interrupt cuts its socket; the interrupt itself is what a person is told.
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    conf = SparkConf(loadDefaults=False).setAppName("codelake").setAll(list(settings.items()))
    try:
        gateway = SparkContext._gateway  # the JVM of a session that was stopped before, if there was one
        if gateway is None:
            with log.open("wb") as output:
                gateway = launch_gateway(conf, {"stdout": output, "stderr": output})  # type: ignore[no-untyped-call]
        SparkContext(gateway=gateway, conf=conf)
        if threading.current_thread() is threading.main_thread():
            # Spark's own handler talks to the JVM from inside the interrupt, over the connection that was interrupted:
            # one time in three the command then failed with an empty answer. The JVM ends with us anyway.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return _session(settings)
    except Exception as error:
        tail = " | ".join(log.read_text("utf-8", "replace").splitlines()[-3:]) if log.exists() else ""
        raise MachineError(
            f"Spark did not start with master {settings['spark.master']!r}: {str(error).splitlines()[0]}. Its log {log} ends:"
            f" {tail}. Run `codelake doctor`; when memory is short, lower spark.driver_memory."
        ) from error


def _session(settings: dict[str, str]) -> SparkSession:
    from pyspark.sql import SparkSession

    builder = SparkSession.Builder()
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _log_file(cache: Path) -> Path:
    """A new log file; of older ones the last few stay."""
    folder = cache / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("spark-*.log"), key=lambda path: path.stat().st_mtime)[:-KEPT_LOGS]:
        old.unlink(missing_ok=True)
    return folder / f"spark-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}.log"


def jvm_pid(spark: SparkSession) -> int | None:
    """Process id of the JVM that this process started; None when it did not start one."""
    gateway = getattr(getattr(spark, "sparkContext", None), "_gateway", None)
    process = getattr(gateway, "proc", None)
    return None if process is None else int(process.pid)


def class_archive(cache: Path, found: java.Java, files: list[Path], say: Callable[[str], None]) -> Path | None:
    """The class-data archive for this Java and class path, made first where it is missing; None when it cannot be made."""
    import pyspark

    made_for = "\n".join(
        [found.version, str(found.home), pyspark.__version__, pyspark.__file__, FAST_JAVA, *map(str, files)]
    )
    path = cache / "classes" / f"{hashlib.sha256(made_for.encode()).hexdigest()[:16]}.jsa"
    if path.exists() or os.environ.get("CODELAKE_NO_ARCHIVE"):
        return path if path.exists() else None
    say("making the class-data archive, once per Java (about 30 s)")
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}")
    command = [sys.executable, "-m", "lakehouse.warm", str(new), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    end = time.monotonic() + 120  # the JVM writes the archive after its parent has gone
    while done.returncode == 0 and not new.exists() and time.monotonic() < end:
        time.sleep(0.2)
    if not new.exists():
        say(f"no class-data archive ({done.stderr.strip().splitlines()[-1:]}): starting without, a few seconds slower")
        return None
    new.replace(path)
    return path
