"""A benchmark web out of Debian packages: real HTML pages, written as WARC files with labels that are known.

    python -m tests.bench.web_corpus OUT --pages 6000

Documentation packages of programming languages and libraries are the pages that are wanted; manuals of desktop programs, games and the
installer that a user reads, in several languages, are the others. Which is which is known by package, so that precision and
recall can be counted. Packages come through `apt-get download` into OUT/debs and are unpacked there; nothing is
installed. Each package is a domain, `https://PACKAGE.debian.test/path`; a share of the wanted packages is held back from
the labels, as a web has sites that nobody has labelled.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

WANTED = (
    "python3.11-doc", "postgresql-doc-15", "sqlite3-doc", "cmake-doc", "libboost1.74-doc", "erlang-doc", "libgtk-4-doc",
    "libglib2.0-doc", "openjdk-17-doc", "apache2-doc", "qtbase5-doc-html", "python-scipy-doc", "python-django-doc",
    "python-sqlalchemy-doc", "python-pandas-doc", "libsdl2-doc", "cppreference-doc-en-html", "tcl8.6-doc", "autoconf-doc", "git-doc",
)  # fmt: skip
OTHER = (
    "gimp-help-en", "gimp-help-de", "libreoffice-help-en-us", "libreoffice-help-de", "libreoffice-help-fr", "libreoffice-help-ru",
    "libreoffice-help-ja", "libreoffice-help-zh-cn", "libreoffice-help-es", "libreoffice-help-it", "libreoffice-help-pt-br", "installation-guide-amd64", "inkscape-tutorials", "tuxpaint", "hugin-data",
    "debian-faq", "gnubg-data", "gramps",
)  # fmt: skip
CODE_INSIDE = ("sbasic", "scripting")
"""Parts of paths in packages of OTHER that are about programming after all: the office suite's macro language."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--pages", type=int, default=6000, help="pages in all, half of them wanted where packages have them"
    )
    parser.add_argument("--per-package", type=int, default=250, help="most pages of one package")
    parser.add_argument(
        "--unlabelled", type=float, default=0.5, help="share of the wanted packages that no label names"
    )
    chosen = parser.parse_args(arguments)
    print(json.dumps(make(chosen.out, chosen.pages, chosen.per_package, chosen.unlabelled), indent=1))


def make(out: Path, pages: int, per_package: int, unlabelled: float) -> dict[str, object]:
    """Fetch, unpack and write; returns what is there. Packages that this Debian lacks are left out and named."""
    out.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    missing: list[str] = []
    rows: list[dict[str, str]] = []
    for kind, names in (("yes", WANTED), ("no", OTHER)):
        left = pages // 2 if kind == "yes" else pages - sum(counts.values())
        with (out / f"{kind}.warc.gz").open("wb") as file:
            for name in names:
                folder = fetched(out, name) if left > 0 else None
                found = list(html(folder))[: min(per_package, left)] if folder else []
                if not found:
                    missing += [name] if left > 0 else []
                    continue
                assert folder is not None
                for page in found:
                    url = f"https://{name}.debian.test/{page.relative_to(folder).as_posix()}"
                    file.write(gzip.compress(record(url, page.read_bytes()), mtime=0))
                    rows.append({"url": url, "label": kind, "package": name})
                counts[name] = len(found)
                left -= len(found)
    labels(out, rows, unlabelled)
    sizes = {file.name: file.stat().st_size for file in sorted(out.glob("*.warc.gz"))}
    return {"pages": len(rows), "packages": counts, "not_there": missing, "files": sizes}


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


def html(folder: Path) -> Iterator[Path]:
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
    return iter(sorted(found, key=lambda path: hashlib.sha256(str(path.relative_to(folder)).encode()).digest()))


def record(url: str, body: bytes) -> bytes:
    """One WARC response record."""
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    head = [
        "WARC/1.0", "WARC-Type: response", "WARC-Date: 2026-01-15T12:00:00Z", f"WARC-Target-URI: {url}",
        "Content-Type: application/http; msgtype=response", f"Content-Length: {len(http)}",
    ]  # fmt: skip
    return "\r\n".join(head).encode() + b"\r\n\r\n" + http + b"\r\n\r\n"


def labels(out: Path, rows: Sequence[dict[str, str]], unlabelled: float) -> None:
    """Three files: seed.csv for the loop, urls.csv (patterns a person would give), held-out.csv over all packages.

    A tenth of all pages is held out, by the hash of the address, from packages that the seed names and others alike.
    """
    wanted = sorted({row["package"] for row in rows if row["label"] == "yes"}, key=_hash)
    known = set(wanted[: max(1, round(len(wanted) * (1 - unlabelled)))])
    seed, apart = [], []
    for row in rows:
        said = {"topic": "code", "url": row["url"], "label": row["label"], "author": "debian", "held_out": ""}
        if int(_hash(row["url"])[:8], 16) % 10 == 0:
            apart.append(said | {"held_out": "yes"})
        elif int(_hash(row["url"])[8:16], 16) % 10 == 0 and (row["label"] == "no" or row["package"] in known):
            seed.append(said)
    patterns = [
        {"topic": "code", "pattern": f"{name}.debian.test/%", "label": "yes", "author": "debian"} for name in wanted
    ]
    for name, said in (("seed.csv", seed), ("held-out.csv", apart), ("urls.csv", patterns)):
        with (out / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, said[0].keys())
            writer.writeheader()
            writer.writerows(said)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
