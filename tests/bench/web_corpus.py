"""A benchmark web out of Debian packages: real HTML pages, written as WARC files with labels that are known.

    python -m tests.bench.web_corpus OUT

Documentation of programming languages, libraries and databases is wanted; manuals of desktop programs, of the installer
and of the distribution, an accounting guide, a book on politics, in several languages, are the others. Which is which is
known by package, so that precision and recall can be counted. Packages come through `apt-get download` into OUT/debs and
are unpacked there; nothing is installed. Each package is a domain, `https://PACKAGE.debian.test/path`. Labels name a
tenth of the pages of half the packages of either kind, as a web has sites that nobody has labelled; a fifth of all
pages is held out. About 630 MB are downloaded.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

WANTED = (
    "ada-reference-manual-2012", "apache2-doc", "cmake-doc", "cppreference-doc-en-html", "erlang-doc", "ghc-doc", "git-doc",
    "libboost1.74-doc", "libcommons-lang3-java-doc", "libglib2.0-doc", "libgtk-4-doc", "libstdc++-12-doc", "llvm-14-doc",
    "nodejs-doc", "openjdk-17-doc", "postgresql-doc-15", "python-django-doc", "python-flask-doc", "python-sqlalchemy-doc",
    "python-tornado-doc", "python3.11-doc", "rust-doc", "scala-doc", "sqlite3-doc", "swi-prolog-doc",
)  # fmt: skip
OTHER = (
    "anarchism", "aptitude-doc-en", "debian-handbook", "dia-common", "freedombox-doc-en", "gimp-help-de", "gimp-help-en",
    "gimp-help-ja", "gnucash-docs", "hugin-data", "installation-guide-amd64", "libreoffice-help-de", "libreoffice-help-en-us",
    "libreoffice-help-es", "libreoffice-help-fr", "libreoffice-help-it", "libreoffice-help-ja", "libreoffice-help-pl",
    "libreoffice-help-ru", "libreoffice-help-zh-cn", "tuxpaint-data", "xfig-doc",
)  # fmt: skip
CODE_INSIDE = ("sbasic", "scripting")
"""Parts of paths in packages of OTHER that are about programming after all: the office suite's macro language."""
PER_PACKAGE = 150
LEAST_PAGES = 5000
HOST = ".debian.test"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--per-package", type=int, default=PER_PACKAGE, help="most pages of one package")
    chosen = parser.parse_args(arguments)
    print(json.dumps(make(chosen.out, chosen.per_package), indent=1))


def make(out: Path, per_package: int) -> dict[str, object]:
    """Fetch, unpack and write; returns what is there. Packages that this Debian lacks are left out and named.

    Raises SystemExit where they leave fewer pages than a benchmark needs.
    """
    out.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    missing: list[str] = []
    rows: list[dict[str, str]] = []
    for kind, names in (("yes", WANTED), ("no", OTHER)):
        with (out / f"{kind}.warc.gz").open("wb") as file:
            for name in names:
                folder = fetched(out, name)
                if folder is None:
                    missing.append(name)
                    continue
                found = html(folder)[:per_package]
                for page in found:
                    url = f"https://{name}{HOST}/{page.relative_to(folder).as_posix()}"
                    file.write(gzip.compress(record(url, page.read_bytes()), mtime=0))
                    rows.append({"url": url, "label": kind, "package": name})
                counts[name] = len(found)
    if len(rows) < LEAST_PAGES:
        raise SystemExit(f"{len(rows)} pages, {LEAST_PAGES:,} are needed; apt has no {', '.join(missing) or 'more'}.")
    labels(out, rows)
    sizes = {file.name: file.stat().st_size for file in sorted(out.glob("*.warc.gz"))}
    wanted = sum(row["label"] == "yes" for row in rows)
    return {"pages": len(rows), "wanted": wanted, "packages": counts, "not_there": missing, "files": sizes}


def fetched(out: Path, name: str) -> Path | None:
    """The unpacked package, or None where apt has none of that name."""
    folder = out / "unpacked" / name
    if folder.is_dir():
        return folder
    debs = out / "debs"
    debs.mkdir(exist_ok=True)
    got = subprocess.run(["apt-get", "-q", "download", name], cwd=debs, capture_output=True, check=False)
    deb = next(iter(sorted(debs.glob(f"{name}_*.deb"))), None)
    if got.returncode or deb is None:
        return None
    part = folder.with_name(f"{name}.part")
    part.mkdir(parents=True, exist_ok=True)
    subprocess.run(["dpkg-deb", "-x", str(deb), str(part)], check=True)
    part.rename(folder)
    deb.unlink()
    return folder


def html(folder: Path) -> list[Path]:
    """HTML pages of the package in a fixed order that mixes its parts: by the hash of their paths."""
    found = [
        path
        for ending in ("*.html", "*.htm", "*.xhtml")
        for path in folder.rglob(ending)
        if path.is_file()
        and not path.is_symlink()
        and 1_500 <= path.stat().st_size <= 2_000_000
        and not any(word in path.as_posix() for word in CODE_INSIDE)
    ]
    return sorted(found, key=lambda path: hashlib.sha256(str(path.relative_to(folder)).encode()).digest())


def record(url: str, body: bytes) -> bytes:
    """One WARC response record."""
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    head = [
        "WARC/1.0", "WARC-Type: response", "WARC-Date: 2026-01-15T12:00:00Z", f"WARC-Target-URI: {url}",
        "Content-Type: application/http; msgtype=response", f"Content-Length: {len(http)}",
    ]  # fmt: skip
    return "\r\n".join(head).encode() + b"\r\n\r\n" + http + b"\r\n\r\n"


def labels(out: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """seed.csv for the first round, held-out.csv over all packages, and truth.csv, which only the benchmark may read."""
    known = {name for kind in ("yes", "no") for name in _half({r["package"] for r in rows if r["label"] == kind})}
    seed, apart = [], []
    for row in rows:
        said = {"topic": "code", "url": row["url"], "label": row["label"], "author": "debian", "held_out": ""}
        draw = _hash(row["url"])
        if int(draw[:8], 16) % 5 == 0:
            apart.append(said | {"held_out": "yes"})
        elif int(draw[8:16], 16) % 10 == 0 and row["package"] in known:
            seed.append(said)
    for name, table in (("seed.csv", seed), ("held-out.csv", apart), ("truth.csv", rows)):
        with (out / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, table[0].keys())
            writer.writeheader()
            writer.writerows(table)


def _half(names: set[str]) -> list[str]:
    return sorted(names, key=_hash)[: len(names) // 2]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
