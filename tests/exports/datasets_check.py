"""Loads exported folders with Hugging Face `datasets` and compares them with the files, string by string.

Usage: datasets_check.py FOLDER... Needs the package `datasets` (tried with 3.6, 4.4 and 5.2); works without network. What it keeps goes
where HF_DATASETS_CACHE says. Call it twice with one cache and other rows in folders of the same names: the second must not get the first's.
Each folder holds a dataset card and JSON lines, plain or zstd, or Parquet beside a folder `<folder>-jsonl` with the same rows as lines.
Loaders may add keys whose value is null; nothing else may differ.
"""

import io
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"


def without_nulls(value):
    """What the loader gave, without keys that are null: it fills in keys that other rows of a list have."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(v) for v in value]
    return value


def texts(row):
    """Every text that a loader could have taken apart: tools, and arguments of calls."""
    if "tools" in row:
        yield "tools", row["tools"]
    if "extra_info" in row:
        yield "tools", row["extra_info"]["tools"]
    for part in ("messages", "prompt", "completion", "chosen", "rejected"):
        for message in row.get(part) or []:
            for call in message.get("tool_calls") or []:
                yield "arguments", call["function"]["arguments"]


def written_rows(folder, split):
    """The rows of a split as they stand in the file."""
    for name in (os.path.join(folder, split + ".jsonl"), os.path.join(folder + "-jsonl", split + ".jsonl")):
        if os.path.exists(name):
            with open(name, encoding="utf-8") as lines:
                return [json.loads(line) for line in lines]
    import zstandard

    with open(os.path.join(folder, split + ".jsonl.zst"), "rb") as packed:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(packed), "utf-8")
        return [json.loads(line) for line in lines]


def check(folder):
    import datasets

    loaded = datasets.load_dataset(folder)
    names = {name.split(".")[0] for name in os.listdir(folder) if name != "README.md" and not name.startswith(".")}
    if names != set(loaded):
        sys.exit(f"{folder}: splits {sorted(loaded)} loaded, files of {sorted(names)}")
    rows = 0
    for split in sorted(names):
        written = written_rows(folder, split)
        read = list(loaded[split])
        if len(read) != len(written):
            sys.exit(f"{folder} {split}: {len(read)} rows loaded, {len(written)} written")
        for number, (a, b) in enumerate(zip(written, read)):
            place = f"{folder} {split} row {number}"
            if set(a) != set(b):
                sys.exit(f"{place}: columns {sorted(b)}, written {sorted(a)}")
            for (name, one), (_, other) in zip(texts(a), texts(b), strict=True):
                if not isinstance(other, str) or one != other:
                    sys.exit(f"{place}: {name} {other!r}, written {one!r}")
            if without_nulls(a) != without_nulls(b):
                sys.exit(f"{place}: {without_nulls(b)}\nwritten: {a}")
            rows += 1
    return rows


def main(folders):
    import datasets

    rows = 0
    for folder in folders:
        rows += check(folder.rstrip("/"))
    if rows == 0:
        sys.exit("there were no rows to compare")
    print(f"datasets {datasets.__version__}: {rows} rows equal")


if __name__ == "__main__":
    main(sys.argv[1:])
