"""Empty CUDA libraries beside torch's own, so that torch's CUDA wheel runs on a machine without a GPU.

    python requirements/cuda_stubs.py

torch from the package index is linked against fourteen CUDA libraries, 3 GB that a CPU never calls. This reads which of
them and which of their symbols torch's libraries need, and compiles libraries in which every function answers with an
error. For tests only: never on a machine with a GPU, which is refused. Needs gcc, nm and readelf (binutils).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections import defaultdict
from pathlib import Path

FAMILIES = re.compile(
    r"(cu[A-Z_]|cuda|cublas|cudnn|cufft|cusparse|cusolver|cufile|cuFile|cupti|nccl|nvshmem|nvrtc|nvtx|nvJit|__cuda)"
)
LIBRARY = re.compile(r"lib(cu|nv|nccl)")
REAL = (
    "libcudart.so",
    "libcuda.so",
)  # the runtime is a small wheel; the driver is looked up at run time and may be absent
TEXTS = re.compile(r"(Error|Status)(String|Name)|GetLastError$")  # return text: a number there would be followed
FAILED = 100  # "no device"


def main() -> None:
    folder = Path(sysconfig.get_paths()["purelib"]) / "torch" / "lib"
    if not folder.is_dir():
        sys.exit(f"{folder}: torch is not installed here.")
    if Path("/dev/nvidia0").exists():
        sys.exit("This machine has a GPU: install requirements/training.lock, whose libraries are real.")
    lacking = [tool for tool in ("gcc", "nm", "readelf") if shutil.which(tool) is None]
    if lacking:
        sys.exit(f"{', '.join(lacking)} not found: install gcc and binutils, or requirements/training.lock (5.4 GB).")
    libraries, symbols = needed(folder)
    with tempfile.TemporaryDirectory() as temporary:
        for library in libraries:
            made = compiled(library, symbols, Path(temporary), everything=library == libraries[0])
            shutil.copy(made, folder / library)
    print(f"{len(libraries)} empty CUDA libraries in {folder}")


def needed(folder: Path) -> tuple[list[str], dict[str, set[str]]]:
    """Libraries that torch's need and that are not there, and the CUDA symbols it needs by version tag ("" for none)."""
    files = sorted(folder.glob("*.so*"))
    wanted: set[str] = set()
    defined: set[str] = set()
    undefined: set[str] = set()
    for file in files:
        wanted |= set(re.findall(r"NEEDED.*\[(.*)\]", _said("readelf", "-d", "-W", str(file))))
        for line in _said("nm", "-D", "--with-symbol-versions", str(file)).splitlines():
            words = line.split()
            if len(words) == 2 and words[0] in "Uw":
                undefined.add(words[1])
            elif len(words) == 3:
                defined.add(words[2].split("@")[0])
    missing = sorted(
        name for name in wanted - {f.name for f in files} if LIBRARY.match(name) and not name.startswith(REAL)
    )
    symbols: dict[str, set[str]] = defaultdict(set)
    for symbol in undefined:
        name, _, version = symbol.partition("@")
        if name not in defined and FAMILIES.match(name):
            symbols[version.lstrip("@")].add(name)
    return missing, symbols


def compiled(library: str, symbols: dict[str, set[str]], folder: Path, *, everything: bool) -> Path:
    """One library with the symbols of its version tag; `everything`: also those without a tag, or with a foreign one."""
    tagged = {
        tag: names for tag, names in symbols.items() if tag == library or (tag == "NVSHMEM" and "nvshmem" in library)
    }
    names = {name for inside in tagged.values() for name in inside}
    if everything:
        names |= {
            name for tag, inside in symbols.items() if not LIBRARY.match(tag) and tag != "NVSHMEM" for name in inside
        }
    source, versions, target = folder / "stub.c", folder / "stub.map", folder / library
    source.write_text("\n".join(map(_function, sorted(names))) + "\n")
    command = [
        "gcc",
        "-shared",
        "-fPIC",
        "-w",
        "-fno-builtin",
        f"-Wl,-soname,{library}",
        "-o",
        str(target),
        str(source),
    ]
    if tagged:
        versions.write_text("".join(f"{tag} {{ global: {' '.join(n + ';' for n in sorted(inside))} }};\n"
                                    for tag, inside in sorted(tagged.items())))  # fmt: skip
        command.append(f"-Wl,--version-script={versions}")
    subprocess.run(command, check=True)
    return target


def _function(name: str) -> str:
    if TEXTS.search(name):
        return f'const char *{name}(void) {{ return "no CUDA: an empty library stands in for it"; }}'
    return f"int {name}(void) {{ return {FAILED}; }}"


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    main()
