#!/usr/bin/env python3
"""Exports episodes in every format and lets the programs that read them judge: `make test-exports`.

Usage: run.py TERRARIUM FILL [--only NAME] [--keep]

TERRARIUM is the binary, FILL the example that writes episodes of every outcome (`cargo build -p terrarium-dataset --example fill`). Two
databases are exported: FILL's, and one that TERRARIUM synthesizes and rolls out. Consumers come from the Python package index, each with
its pins in requirements/, into environments under third_party/exports/ (some 9 GB, kept between runs). A consumer that cannot be
installed (no network, no fitting Python) is skipped aloud; every other complaint fails.

Exit status: 0 all that ran passed, 1 something failed, 2 nothing could be run.
"""

import argparse
import glob
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parent.parent / "third_party" / "exports"
# The consumers want at least 3.12; verl wants less than 3.13.
PYTHONS = ["python3.12", str(pathlib.Path.home() / ".pyenv/versions/3.12*/bin/python"), "python3.13", "python3"]
FORMATS = ["openai", "trl", "trl-dpo", "trl-kto", "trl-grpo", "verl", "verl-sft", "skyrl", "skyrl-sft", "verifiers", "atif", "adp", "nemo"]
BY_TASK = {"trl-grpo", "verl", "skyrl", "nemo"}
COLUMNS = [name for name in FORMATS if name not in ("verifiers", "atif", "adp", "nemo")]


def python():
    """A Python that the consumers accept."""
    for pattern in PYTHONS:
        for name in sorted(glob.glob(pattern)) or [shutil.which(pattern) or ""]:
            if not name:
                continue
            said = subprocess.run([name, "-c", "import sys, venv; print(sys.version_info[:2])"], capture_output=True, text=True)
            if said.returncode == 0 and said.stdout.strip() == "(3, 12)":
                return name
    return None


def environment(name, extra=None):
    """The Python of a consumer's environment; None, with the reason said aloud, when it cannot be made."""
    pins = [HERE / "requirements" / f"{name}.txt"] + ([HERE / "requirements" / f"{extra}.txt"] if extra else [])
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in pins)).hexdigest()
    home = ENVIRONMENTS / name
    stamp, inside = home / "installed", home / "bin" / "python"
    if stamp.is_file() and stamp.read_text() == digest:
        return str(inside)
    base = python()
    if base is None:
        print(f"SKIPPED {name}: no Python 3.12 was found (python3.12 on PATH, or pyenv)")
        return None
    shutil.rmtree(home, ignore_errors=True)
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    steps = [[base, "-m", "venv", str(home)]]
    for number, file in enumerate(pins):
        no_deps = ["--no-deps"] if number else []
        steps.append([str(inside), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *no_deps, "-r", str(file)])
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True)
        if done.returncode != 0:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            print(f"SKIPPED {name}: it could not be installed: {' '.join(reason)}")
            shutil.rmtree(home, ignore_errors=True)
            return None
    stamp.write_text(digest)
    return str(inside)


def excerpt(said):
    """The lines of a failed check that say why: the end of what it printed, without progress bars."""
    lines = [line for line in said.replace("\r", "\n").splitlines() if line.strip() and not re.search(r"\d+(\.\d+)? ?(it|examples)/s", line)]
    return [line[:400] for line in lines[-15:]]


def terrarium(binary, *arguments):
    done = subprocess.run([binary, *arguments, "--quiet"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"terrarium {' '.join(arguments)}: {done.stderr.strip()}")


def databases(binary, fill, work):
    """Two databases with all there is to export."""
    made = str(work / "made.db")
    done = subprocess.run([fill, made, "--tasks", "300", "--episodes", "1200", "--traces"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{fill}: {done.stderr.strip()}")
    real = str(work / "real.db")
    terrarium(binary, "synth", "--envs", "12", "--tasks", "240", "--seed", "5", "--db", real)
    rollouts = [
        ["expert"],
        ["noop"],
        ["random", "--group", "3"],
        # Users who change their mind, tools that time out, calls that are refused.
        ["noisy-expert", "--group", "2", "--user", "scripted", "--faults", "10"],
        # Real tokens of the embedded model, which solves nothing.
        ["dsa", "--tasks", "24", "--max-tools", "14", "--max-turns", "3", "--max-tokens", "32"],
    ]
    for options in rollouts:
        terrarium(binary, "rollout", "--db", real, "--policy", *options)
    return {"made": made, "real": real}


def export(binary, db, out, name, *more):
    arguments = ["export", "--db", db, "--format", name, "--out", str(out), *more]
    if name not in BY_TASK and name in ("openai", "verifiers", "atif", "adp"):
        arguments += ["--include-broken", "--thinking"]
    if name == "skyrl-sft":
        arguments += ["--failed"]
    terrarium(binary, *arguments)


def exports(binary, db, out):
    """Every format as JSON lines; those with columns as Parquet too; one as zstd."""
    for name in FORMATS:
        export(binary, db, out / name, name)
        if name in COLUMNS:
            export(binary, db, out / f"{name}-parquet", name, "--files", "parquet")
            # The name under which datasets_check.py looks for the rows of a Parquet folder.
            (out / f"{name}-parquet-jsonl").symlink_to(out / name)
    export(binary, db, out / "openai-zst", "openai", "--files", "zst")


def lines(out, name):
    return sorted(glob.glob(str(out / name / "*.jsonl")))


def folders(out):
    """Folders that `datasets` loads."""
    names = COLUMNS + [f"{name}-parquet" for name in COLUMNS] + ["openai-zst"]
    return [str(out / name) for name in names if any(f.suffix in (".jsonl", ".parquet", ".zst") for f in (out / name).iterdir())]


CHECKS = {
    "harbor": ("harbor", None, "harbor_check.py", lambda out: lines(out, "atif")),
    "adp": ("verifiers", None, "adp_check.py", lambda out: lines(out, "adp")),
    "verifiers": ("verifiers", None, "verifiers_check.py", lambda out: [str(out / "verifiers"), str(out / "openai")]),
    "datasets-3.6.0": ("datasets-3.6.0", None, "datasets_check.py", folders),
    "datasets-4.4.1": ("datasets-4.4.1", None, "datasets_check.py", folders),
    "datasets-5.2.0": ("datasets-5.2.0", None, "datasets_check.py", folders),
    "nemo": ("nemo", None, "nemo_check.py", lambda out: lines(out, "nemo")),
    "trl": ("trainers", "trainers-no-deps", "trainers_check.py", lambda out: ["trl", str(out)]),
    "verl": ("trainers", "trainers-no-deps", "trainers_check.py", lambda out: ["verl", str(out)]),
    "skyrl": ("trainers", "trainers-no-deps", "trainers_check.py", lambda out: ["skyrl", str(out)]),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("terrarium", type=os.path.abspath)
    parser.add_argument("fill", type=os.path.abspath)
    parser.add_argument("--only", choices=sorted(CHECKS), action="append")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for databases and exports, kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = (options.keep or pathlib.Path(scratch)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        outs = {}
        for name, db in databases(options.terrarium, options.fill, work).items():
            outs[name] = work / name
            exports(options.terrarium, db, outs[name])
        passed = failed = skipped = 0
        for name in options.only or CHECKS:
            pins, extra, script, arguments = CHECKS[name]
            interpreter = environment(pins, extra)
            if interpreter is None:
                skipped += 1
                continue
            for database, out in outs.items():
                command = [interpreter, str(HERE / script), *arguments(out)]
                # One cache for both databases, whose folders have the same names: neither may get the other's rows.
                kept = {**os.environ, "HF_HOME": str(work / "hf"), "HF_DATASETS_CACHE": str(work / "hf" / name)}
                done = subprocess.run(command, cwd=work, env=kept, capture_output=True, text=True)
                if done.returncode == 0:
                    told = [line for line in done.stdout.splitlines() if line.startswith(tuple(TOLD))]
                    print(f"ok {name} on {database}: " + "; ".join(told), flush=True)
                else:
                    print("\n  ".join([f"FAILED {name} on {database}:", *excerpt(done.stdout + done.stderr)]), flush=True)
                passed += done.returncode == 0
                failed += done.returncode != 0
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0 if passed else 2)


# What the lines of a check that passed begin with; consumers print much beside them.
TOLD = ["harbor ", "Agent Data Protocol", "verifiers ", "datasets ", "nemo-gym", "trl ", "verl:", "skyrl:"]

if __name__ == "__main__":
    main()
