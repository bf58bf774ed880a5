"""Loads an exported folder with Hugging Face `datasets` and compares it with the files, string by string.

Usage: hf_datasets.py FOLDER. Needs the package `datasets` (tried with 3.6, 4.4 and 5.2); works without network.
Exit 0 and "N rows equal" if every row has the same messages, tools and other columns; loaders may add keys whose value is null.
"""

import json
import os
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"


def without_nulls(value):
    """What the loader gave, without keys that are null: it fills in keys that other rows of a list have."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(v) for v in value]
    return value


def main(folder):
    import datasets

    with tempfile.TemporaryDirectory() as cache:
        loaded = datasets.load_dataset(folder, cache_dir=cache)
        rows = 0
        for split in sorted(name[: -len(".jsonl")] for name in os.listdir(folder) if name.endswith(".jsonl")):
            with open(os.path.join(folder, split + ".jsonl"), encoding="utf-8") as lines:
                written = [json.loads(line) for line in lines]
            read = list(loaded[split])
            if len(read) != len(written):
                sys.exit(f"{split}: {len(read)} rows loaded, {len(written)} written")
            for number, (a, b) in enumerate(zip(written, read)):
                if set(a) != set(b):
                    sys.exit(f"{split} row {number}: columns {sorted(b)}, written {sorted(a)}")
                if not isinstance(b["tools"], str) or a["tools"] != b["tools"]:
                    sys.exit(f"{split} row {number}: tools differ")
                if a["reward"] != b["reward"]:
                    sys.exit(f"{split} row {number}: reward {b['reward']}, written {a['reward']}")
                if without_nulls(a) != without_nulls(b):
                    sys.exit(f"{split} row {number}: {without_nulls(b)}\nwritten: {a}")
                for message in b["messages"]:
                    for call in message.get("tool_calls") or []:
                        if not isinstance(call["function"]["arguments"], str):
                            sys.exit(f"{split} row {number}: arguments are no text")
                rows += 1
        print(f"datasets {datasets.__version__}: {rows} rows equal")


if __name__ == "__main__":
    main(sys.argv[1])
