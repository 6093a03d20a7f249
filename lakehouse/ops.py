"""The tables in which the lake keeps its own books: runs, expectation results, quarantine, releases, evaluations."""

from __future__ import annotations

from lakehouse.table import Column, Table, between, matches, one_of

STATUSES = ("published", "unchanged", "gate_failed", "failed", "killed")
RUN_ID = Column("run_id", "string", "the run that wrote the row", volatile=True)

runs = Table(
    "ops.runs",
    row="one run of one job",
    key=("run_id",),
    change_feed=False,
    columns=(
        Column("run_id", "string", "unique, sorts by start", volatile=True),
        Column("job", "string", "name of the job"),
        Column("status", "string", "how the run ended", checks=(one_of(*STATUSES),)),
        Column(
            "run_key", "string", "digest of code, parameters, inputs and lock file", checks=(matches("[0-9a-f]{64}"),)
        ),
        Column("code", "string", "digest of the job's source files and of the tables it writes"),
        Column("params", "string", "digest of the resolved parameters"),
        Column("params_json", "string", "the resolved parameters, secrets excluded by design"),
        Column("lock", "string", "digest of the requirements lock file"),
        Column(
            "inputs",
            "array<struct<name:string,id:string,version:bigint>>",
            "what was read: tables with id and version; sources with fingerprint and -1",
        ),
        Column(
            "outputs",
            "array<struct<name:string,version:bigint,inserted:bigint,updated:bigint,deleted:bigint>>",
            "what was published, per table",
        ),
        Column("rows_out", "bigint", "rows inserted, updated and deleted", unit="rows", checks=(between(0, None),)),
        Column(
            "bytes_in", "bigint", "text or file bytes that the job looked at", unit="bytes", checks=(between(0, None),)
        ),
        Column("seconds", "double", "wall time", unit="seconds", volatile=True, checks=(between(0, None),)),
        Column("cpu_seconds", "double", "CPU time of driver, JVM and workers", unit="seconds", volatile=True),
        Column("peak_mb", "double", "peak resident memory of the process tree", unit="MB", volatile=True),
        Column("started_at", "timestamp", "start, UTC", volatile=True),
        Column("ended_at", "timestamp", "end, UTC", volatile=True),
        Column("host", "string", "machine that drove the run", volatile=True),
        Column("error", "string", "the message a person was shown; empty when all went well"),
    ),
)

expectation_results = Table(
    "ops.expectation_results",
    row="the outcome of one expectation on one staged batch",
    key=("run_id", "table", "expectation"),
    change_feed=False,
    columns=(
        RUN_ID,
        Column("job", "string", "the job that staged the batch"),
        Column("table", "string", "the table the batch was meant for"),
        Column("expectation", "string", "the expectation with its arguments"),
        Column("severity", "string", "what a failure means", checks=(one_of("error", "warning", "quarantine"),)),
        Column("success", "boolean", "did the batch meet it"),
        Column("observed", "string", "what was observed, as JSON"),
        Column(
            "unexpected",
            "bigint",
            "rows that failed; null for expectations on the whole batch",
            unit="rows",
            nullable=True,
        ),
        Column("rows", "bigint", "rows in the batch", unit="rows"),
        Column("examples", "array<string>", "up to five failing rows"),
        Column("at", "timestamp", "when, UTC", volatile=True),
    ),
)

quarantine = Table(
    "ops.quarantine",
    row="one item that could not be taken in, with the reason",
    key=("job", "item"),
    columns=(
        Column("job", "string", "the job that refused it"),
        Column("item", "string", "what was refused: source and path of a file, or the key of a row as JSON"),
        Column("source", "string", "the configured source it came from", nullable=True),
        Column("repo", "string", "repository or package", nullable=True),
        Column("path", "string", "path inside the repository", nullable=True),
        Column("reason", "string", "reason code, such as over_cap or corrupt_archive"),
        Column("detail", "string", "where, what value, what is allowed"),
        Column("size", "bigint", "size where known", unit="bytes", nullable=True),
        Column("first_bytes", "binary", "the first bytes of what was read, at most 64", nullable=True),
    ),
)

releases = Table(
    "gold.releases",
    row="one table of one release, pinned",
    key=("release", "table"),
    change_feed=False,
    columns=(
        Column("release", "string", "name of the release", checks=(matches(r"[a-z0-9][a-z0-9._-]*"),)),
        Column("table", "string", "the pinned table"),
        Column("table_id", "string", "Delta id of the table: a table made anew has another", volatile=True),
        Column("version", "bigint", "Delta version that is pinned", checks=(between(0, None),)),
        Column(
            "digest",
            "string",
            "content digest: equal for equal rows in any order and file layout",
            checks=(matches("[0-9a-f]{64}"),),
        ),
        Column("rows", "bigint", "rows in the version", unit="rows"),
        Column("bytes", "bigint", "bytes of text in the version", unit="bytes"),
        Column(
            "made_from", "string", "every job run behind it with inputs, versions, code, parameters and lock, as JSON"
        ),
        Column("created_at", "timestamp", "when, UTC", volatile=True),
    ),
)

evaluations = Table(
    "gold.evaluations",
    row="one answer of a model to one problem of a benchmark, with its verdict",
    key=("evaluation", "problem", "sample"),
    change_feed=False,
    columns=(
        Column(
            "evaluation",
            "string",
            "digest of model, benchmark, settings and code of scoring: the same evaluation again has the same",
            checks=(matches("[0-9a-f]{64}"),),
        ),
        Column("problem", "string", "name of the problem"),
        Column("sample", "bigint", "number of the answer among those to the problem", checks=(between(0, None),)),
        Column("benchmark", "string", "layout of the benchmark's file; tells the MBPPs apart"),
        Column("benchmark_digest", "string", "SHA-256 of the benchmark's file", checks=(matches("[0-9a-f]{64}"),)),
        Column("language", "string", "programming language of the answer"),
        Column("model", "string", "the training run and its checkpoint, or the folder where they are not known"),
        Column("model_digest", "string", "digest of weights, configuration and tokenizer"),
        Column(
            "trained_on",
            "array<struct<release:string,table:string,version:bigint,digest:string>>",
            "what the model was trained on; empty where it is not known",
        ),
        Column("chat", "boolean", "the model answered a turn; false: it continued code"),
        Column("settings", "string", "temperature, top_p, samples, longest answer and seed, as JSON"),
        Column("prompt", "string", "what the model was given"),
        Column("stops", "array<string>", "texts at which a continuation ends"),
        Column("said", "string", "what the model said"),
        Column("program", "string", "the solution taken from it; of literals, the answer"),
        Column("end", "string", "how the program ended; passed, failed, timeout, ..."),
        Column("detail", "string", "why, where it did not pass"),
        Column("passed", "boolean", "did it pass"),
        Column("timed_out", "boolean", "it ran out of time, which is no wrong answer"),
        Column("cpu_seconds", "double", "CPU time of the program", unit="seconds", volatile=True),
        Column("limit_scale", "double", "limits of the sandbox as a multiple of those in conf", volatile=True),
        Column("limits", "string", "the limits of the sandbox in conf, as JSON"),
        Column("scoring", "bigint", "version of prompts and of what is taken from answers"),
        Column(
            "solution_bits",
            "double",
            "bits of the authors' solution under the model; null where there is none",
            unit="bits",
            nullable=True,
        ),
        Column("solution_bytes", "bigint", "size of that solution in UTF-8", unit="bytes", nullable=True),
        Column("code", "string", "commit of the code", volatile=True),
        Column(
            "mlflow_run", "string", "MLflow run of the evaluation, where it was tracked", nullable=True, volatile=True
        ),
        Column("at", "timestamp", "when, UTC", volatile=True),
    ),
)

TABLES = (runs, expectation_results, quarantine, releases, evaluations)
