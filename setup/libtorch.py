#!/usr/bin/env python3
"""Put libtorch 2.11.0 (CPU part) into third_party/libtorch, from hash-pinned wheels of the Python package index.

Usage: python3 setup/libtorch.py [--nvrtc] [--check]

Downloads 543 MB through pip, keeps 403 MB, takes about ten seconds on a fast line. Does nothing, quickly, when the
folder is already complete for the present setup/libtorch.lock. The folder appears in one rename, so an interrupted run
leaves nothing behind that looks finished. --check only says whether the folder is complete.

With --nvrtc it is the CUDA compiler instead, setup/nvrtc.lock and third_party/nvrtc: 90 MB, keeps 114 MB. Only the test
that compiles the CUDA kernels needs it, and machines with a GPU and no CUDA libraries.

Exit status: 0 done, 1 failed (one plain sentence on stderr says why and what to do), 2 wrong usage.
"""
import fcntl
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
THIRD_PARTY = ROOT / "third_party"

# The wheels are built for manylinux_2_28.
GLIBC_NEEDED = (2, 28)
HEADERS = "torch/include/"
PLATFORMS = ["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"]


class Package:
    """What is fetched, and which files of its wheels are kept."""

    def __init__(self, name, title, download, kept_bytes, libraries, others):
        self.name, self.title, self.download, self.kept_bytes = name, title, download, kept_bytes
        self.lock = ROOT / "setup" / f"{name}.lock"
        self.dest = THIRD_PARTY / name
        # Wheels and their unpacked copies lie side by side for a moment.
        self.free_bytes_needed = 6 * kept_bytes
        self.libraries = libraries
        self.others = others  # files that show that it is complete, besides the libraries


LIBTORCH = Package(
    "libtorch", "libtorch 2.11.0", "543 MB", 410_000_000,
    # libtorch_cpu.so names libcudart and libcupti even where no GPU is.
    {
        "torch/lib/libtorch_cpu.so",
        "torch/lib/libc10.so",
        "torch/lib/libgomp.so.1",
        "nvidia/cu13/lib/libcudart.so.13",
        "nvidia/cu13/lib/libcupti.so.13",
    },
    ["lib/libtorch.so", "build-version", "include/torch/extension.h"],
)
NVRTC = Package(
    "nvrtc", "NVRTC 13.0", "90 MB", 114_000_000,
    {"nvidia/cu13/lib/libnvrtc.so.13", "nvidia/cu13/lib/libnvrtc-builtins.so.13.0"},
    [],
)


class SetupError(Exception):
    """A reason to stop that a person can act on."""


def complete(package):
    """Whether its folder holds everything the present lock file asks for."""
    try:
        if (package.dest / package.lock.name).read_bytes() != package.lock.read_bytes():
            return False
    except FileNotFoundError:
        return False
    names = [pathlib.PurePosixPath(path).name for path in package.libraries]
    files = [package.dest / "lib" / name for name in names] + [package.dest / name for name in package.others]
    return all(file.is_file() and file.stat().st_size > 0 for file in files)


def check_machine(package):
    """Refuse what the wheels cannot run on, before anything is downloaded."""
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine not in ("x86_64", "AMD64"):
        raise SetupError(
            f"the pinned {package.title} is built for Linux on x86_64, and this is {system} on {machine}. Set LIBTORCH to a "
            "libtorch 2.11.0 of your own, or build without the embedded model: cargo build --no-default-features."
        )
    name, version = platform.libc_ver()
    if name != "glibc":
        raise SetupError(f"the pinned {package.title} needs glibc, and this system has another C library (musl?).")
    if tuple(int(part) for part in version.split(".")[:2]) < GLIBC_NEEDED:
        raise SetupError(f"the pinned {package.title} needs glibc 2.28 or newer, and this system has {version}.")
    free = shutil.disk_usage(THIRD_PARTY).free
    if free < package.free_bytes_needed:
        raise SetupError(
            f"too little disk space: {free / 1e9:.1f} GB free under {THIRD_PARTY.name}/, "
            f"{package.free_bytes_needed / 1e9:.1f} GB needed while unpacking ({package.kept_bytes / 1e9:.1f} GB stay)."
        )
    pip = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, text=True, check=False)
    if pip.returncode != 0:
        raise SetupError("this Python has no pip. Install it (Debian, Ubuntu: apt-get install python3-pip) and run again.")


def download(lock, folder):
    """Fetch the locked wheels into `folder`; pip compares every hash."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input",
               "--no-deps", "--no-cache-dir", "--require-hashes", "--only-binary=:all:",
               "--implementation", "cp", "--python-version", "3.11"]
    for name in PLATFORMS:
        command += ["--platform", name]
    command += ["--dest", str(folder), "--requirement", str(lock)]
    # pip's own scratch space goes beside ours, where the free space was checked.
    done = subprocess.run(command, env={**os.environ, "TMPDIR": str(folder.parent)}, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    said = done.stderr.strip() or done.stdout.strip()
    tail = "\n".join(said.splitlines()[-12:])
    low = said.lower()
    if "do not match the hashes" in low:
        reason = "a downloaded wheel does not have the pinned hash: the package index or a proxy serves something else."
    elif "no space left" in low:
        reason = "the disk filled up during the download."
    elif any(word in low for word in ("connection", "name resolution", "timed out", "timeout", "proxy", "ssl", "network", "unreachable", "resolve")):
        reason = "the package index cannot be reached. Check the network (and pip's index and proxy settings), then run again."
    elif "from versions: none" in low:
        reason = "the package index cannot be reached, or has none of this package. Check the network (and pip's index and proxy settings), then run again."
    elif "no matching distribution" in low or "could not find a version" in low:
        reason = "the package index in use does not offer the pinned version."
    else:
        reason = f"pip download failed with status {done.returncode}."
    raise SetupError(f"{reason}\npip said:\n{tail}")


def unpack(package, wheels, out):
    """Copy the kept files of all wheels in `wheels` into `out`."""
    (out / "lib").mkdir(parents=True)
    found = set()
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                if member.filename in package.libraries:
                    target = out / "lib" / pathlib.PurePosixPath(member.filename).name
                    found.add(member.filename)
                elif member.filename.startswith(HEADERS) and not member.is_dir() and ".." not in member.filename:
                    target = out / "include" / member.filename[len(HEADERS):]
                else:
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(target, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
        wheel.unlink()
    if found != package.libraries:
        raise SetupError(f"the wheels lack {', '.join(sorted(package.libraries - found))}.")
    shutil.copyfile(package.lock, out / package.lock.name)
    if package is LIBTORCH:
        finish_libtorch(out)


def finish_libtorch(out):
    """Make of the files what torch-sys takes for a libtorch."""
    # Symbols for debuggers are a fifth of the library; without `strip` they simply stay.
    if shutil.which("strip"):
        subprocess.run(["strip", "--strip-unneeded", str(out / "lib" / "libtorch_cpu.so")], check=False)
    # torch-sys links `torch`; at run time there is nothing in it that libtorch_cpu.so lacks.
    (out / "lib" / "libtorch.so").write_text("/* linker script */ INPUT(libtorch_cpu.so)\n")
    (out / "build-version").write_text("2.11.0+cpu\n")


def install(package):
    """Fetch, unpack and put into place, alone (a second run waits for the first)."""
    THIRD_PARTY.mkdir(exist_ok=True)
    with open(THIRD_PARTY / f".{package.name}.mutex", "w") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        if complete(package):
            return
        for stale in THIRD_PARTY.glob(f".{package.name}-*"):  # left by a killed run: we hold the mutex, so nobody uses it
            shutil.rmtree(stale, ignore_errors=True)
        check_machine(package)
        say(package, f"downloading {package.title} ({package.download}) ...")
        with tempfile.TemporaryDirectory(dir=THIRD_PARTY, prefix=f".{package.name}-") as scratch:
            scratch = pathlib.Path(scratch)
            (scratch / "wheels").mkdir()
            download(package.lock, scratch / "wheels")
            say(package, "unpacking ...")
            unpack(package, scratch / "wheels", scratch / package.name)
            if package.dest.exists():
                os.replace(package.dest, scratch / "old")
            os.replace(scratch / package.name, package.dest)


def say(package, text):
    print(f"{package.name}: {text}", file=sys.stderr, flush=True)


def main(arguments):
    if not set(arguments) <= {"--nvrtc", "--check"} or len(set(arguments)) != len(arguments):
        print(__doc__, file=sys.stderr)
        return 2
    package = NVRTC if "--nvrtc" in arguments else LIBTORCH
    if complete(package):
        say(package, "already in place")
        return 0
    if "--check" in arguments:
        option = " --nvrtc" if package is NVRTC else ""
        say(package, f"not in place; run python3 setup/libtorch.py{option}")
        return 1
    # So that the scratch folder is removed on a polite kill as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        install(package)
    except SetupError as error:
        say(package, f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say(package, "interrupted; nothing was installed")
        return 1
    except (OSError, zipfile.BadZipFile) as error:
        say(package, f"error: {error}")
        return 1
    say(package, f"ready in third_party/{package.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
