#!/usr/bin/env python3
"""Put libtorch 2.11.0 (CPU part) into third_party/libtorch, from hash-pinned wheels of the Python package index.

Usage: python3 setup/libtorch.py [--check]

Downloads 543 MB through pip, keeps 403 MB, takes about ten seconds on a fast line. Does nothing, quickly, when the
folder is already complete for the present setup/libtorch.lock. The folder appears in one rename, so an interrupted run
leaves nothing behind that looks finished. --check only says whether the folder is complete.

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
LOCK = ROOT / "setup" / "libtorch.lock"
THIRD_PARTY = ROOT / "third_party"
DEST = THIRD_PARTY / "libtorch"

# Wheels and their unpacked copies lie side by side for a moment.
FREE_BYTES_NEEDED = 2_500_000_000
# The wheels are built for manylinux_2_28.
GLIBC_NEEDED = (2, 28)
# Which files of the wheels are kept. libtorch_cpu.so names libcudart and libcupti even where no GPU is.
LIBRARIES = {
    "torch/lib/libtorch_cpu.so",
    "torch/lib/libc10.so",
    "torch/lib/libgomp.so.1",
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/lib/libcupti.so.13",
}
HEADERS = "torch/include/"
PLATFORMS = ["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"]


class SetupError(Exception):
    """A reason to stop that a person can act on."""


def complete():
    """Whether DEST holds everything the present lock file asks for."""
    try:
        if (DEST / "libtorch.lock").read_bytes() != LOCK.read_bytes():
            return False
    except FileNotFoundError:
        return False
    names = [pathlib.PurePosixPath(path).name for path in LIBRARIES] + ["libtorch.so"]
    files = [DEST / "lib" / name for name in names] + [DEST / "build-version", DEST / "include" / "torch" / "extension.h"]
    return all(file.is_file() and file.stat().st_size > 0 for file in files)


def check_machine():
    """Refuse what the wheels cannot run on, before anything is downloaded."""
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine not in ("x86_64", "AMD64"):
        raise SetupError(
            f"the pinned libtorch is built for Linux on x86_64, and this is {system} on {machine}. Set LIBTORCH to a "
            "libtorch 2.11.0 of your own, or build without the embedded model: cargo build --no-default-features."
        )
    name, version = platform.libc_ver()
    if name != "glibc":
        raise SetupError("the pinned libtorch needs glibc, and this system has another C library (musl?).")
    if tuple(int(part) for part in version.split(".")[:2]) < GLIBC_NEEDED:
        raise SetupError(f"the pinned libtorch needs glibc 2.28 or newer, and this system has {version}.")
    free = shutil.disk_usage(THIRD_PARTY).free
    if free < FREE_BYTES_NEEDED:
        raise SetupError(
            f"too little disk space: {free / 1e9:.1f} GB free under {THIRD_PARTY.name}/, "
            f"{FREE_BYTES_NEEDED / 1e9:.1f} GB needed while unpacking (0.4 GB stay)."
        )
    pip = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, text=True, check=False)
    if pip.returncode != 0:
        raise SetupError("this Python has no pip. Install it (Debian, Ubuntu: apt-get install python3-pip) and run again.")


def download(folder):
    """Fetch the locked wheels into `folder`; pip compares every hash."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input",
               "--no-deps", "--no-cache-dir", "--require-hashes", "--only-binary=:all:",
               "--implementation", "cp", "--python-version", "3.11"]
    for name in PLATFORMS:
        command += ["--platform", name]
    command += ["--dest", str(folder), "--requirement", str(LOCK)]
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


def unpack(wheels, out):
    """Copy the kept files of all wheels in `wheels` into `out`."""
    (out / "lib").mkdir(parents=True)
    found = set()
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                if member.filename in LIBRARIES:
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
    if found != LIBRARIES:
        raise SetupError(f"the wheels lack {', '.join(sorted(LIBRARIES - found))}.")
    # Symbols for debuggers are a fifth of the library; without `strip` they simply stay.
    if shutil.which("strip"):
        subprocess.run(["strip", "--strip-unneeded", str(out / "lib" / "libtorch_cpu.so")], check=False)
    # torch-sys links `torch`; at run time there is nothing in it that libtorch_cpu.so lacks.
    (out / "lib" / "libtorch.so").write_text("/* linker script */ INPUT(libtorch_cpu.so)\n")
    (out / "build-version").write_text("2.11.0+cpu\n")
    shutil.copyfile(LOCK, out / "libtorch.lock")


def install():
    """Fetch, unpack and put into place, alone (a second run waits for the first)."""
    THIRD_PARTY.mkdir(exist_ok=True)
    with open(THIRD_PARTY / ".libtorch.mutex", "w") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        if complete():
            return
        for stale in THIRD_PARTY.glob(".libtorch-*"):  # left by a killed run: we hold the mutex, so nobody uses it
            shutil.rmtree(stale, ignore_errors=True)
        check_machine()
        say("downloading libtorch 2.11.0 (543 MB) ...")
        with tempfile.TemporaryDirectory(dir=THIRD_PARTY, prefix=".libtorch-") as scratch:
            scratch = pathlib.Path(scratch)
            (scratch / "wheels").mkdir()
            download(scratch / "wheels")
            say("unpacking ...")
            unpack(scratch / "wheels", scratch / "libtorch")
            if DEST.exists():
                os.replace(DEST, scratch / "old")
            os.replace(scratch / "libtorch", DEST)


def say(text):
    print(f"libtorch: {text}", file=sys.stderr, flush=True)


def main(arguments):
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    if complete():
        say("already in place")
        return 0
    if arguments == ["--check"]:
        say("not in place; run python3 setup/libtorch.py")
        return 1
    # So that the scratch folder is removed on a polite kill as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        install()
    except SetupError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; nothing was installed")
        return 1
    except (OSError, zipfile.BadZipFile) as error:
        say(f"error: {error}")
        return 1
    say("ready in third_party/libtorch")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
