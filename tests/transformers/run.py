#!/usr/bin/env python3
"""Compare the engine with Hugging Face transformers' `generate`, same checkpoint, same prompts, same cores.

Usage: python3 tests/transformers/run.py TERRARIUM GENERATE [--preset tiny] [--prompt 4000] [--tokens 64] [--batch 64]
           [--one-by-one 8] [--threads 2] [--index exact]

TERRARIUM is the binary, GENERATE the example model/examples/generate.rs. The first run makes an environment under
third_party/transformers (torch 2.11 and transformers 5.23 from the package index; 4 GB); where that cannot be had, it says so and
ends with 0. Weights are random, but the end token's row of the output head is zero, so that nobody ends early; decoding is greedy. It measures

- batch: all prompts, of lengths between half and the whole of --prompt: theirs as one left-padded batch, ours as requests that are
  batched as they come;
- one by one: some of the same prompts, one after the other in theirs; ours is the batch again, a prompt;
- single: one prompt of the whole length alone, in both.

A figure is seconds for a prompt and its tokens. Prints one JSON object a measurement, and how many tokens were equal to theirs.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "third_party" / "transformers"
PACKAGES = ["torch==2.11.0", "transformers==5.23.0"]


def python():
    """A Python that has both packages, made if need be; none if they cannot be had."""
    own = FOLDER / "bin" / "python"
    for program in (str(own), sys.executable):
        if subprocess.run([program, "-c", "import torch, transformers"], capture_output=True, check=False).returncode == 0 if os.path.exists(program) else False:
            return program
    print(f"installing {' and '.join(PACKAGES)} into {FOLDER.relative_to(ROOT)} ...", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
    done = subprocess.run([str(own), "-m", "pip", "install", "--quiet", *PACKAGES], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"SKIPPED: transformers cannot be installed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return str(own)


def theirs(arguments, folder, prompts, batched):
    """Seconds and tokens of `generate`, in this process: run by `python()`."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(arguments.threads)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.eval()

    def generate(rows):
        longest = max(map(len, rows))
        ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        options = {"prefill_chunk_size": arguments.chunk} if len(rows) > 1 else {}
        with torch.inference_mode():
            out = model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=arguments.tokens,
                                 pad_token_id=0, **options)
        return [row[longest:].tolist() for row in out]

    generate([prompts[0][:32]])  # what is loaded or compiled once
    start = time.perf_counter()
    tokens = generate(prompts) if batched else [generate([prompt])[0] for prompt in prompts]
    return {"seconds": time.perf_counter() - start, "tokens": tokens}


ENDLESS = """
import json, pathlib, sys
from safetensors.torch import load_file, save_file
folder = pathlib.Path(sys.argv[1])
end = json.loads((folder / "config.json").read_text())["eos_token_id"]
for path in folder.glob("*.safetensors"):
    tensors = load_file(path)
    if "lm_head.weight" in tensors:
        tensors["lm_head.weight"][end] = 0
        save_file(tensors, path, metadata={"format": "pt"})
"""


def compare(ours, others):
    """Shares of equal tokens, and of completions that are equal as a whole, up to our end."""
    pairs = [(a, b) for ours_row, row in zip(ours, others) for a, b in zip(ours_row, row)]
    equal = sum(a == b for a, b in pairs)
    whole = sum(row == other[: len(row)] for row, other in zip(ours, others))
    return {"equal_tokens": round(equal / max(len(pairs), 1), 4), "equal_completions": f"{whole} of {len(others)}"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("terrarium")
    parser.add_argument("generate")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--prompt", type=int, default=4000)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--one-by-one", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--chunk", type=int, default=128, help="prefill_chunk_size of their batch: a whole one takes 68 GB")
    parser.add_argument("--index", default="exact")
    parser.add_argument("--only", default="single,one,batch")
    parser.add_argument("--theirs", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.theirs:
        task = json.loads(pathlib.Path(arguments.theirs).read_text())
        print(json.dumps(theirs(arguments, task["folder"], task["prompts"], task["batched"])))
        return 0
    program = python()
    if program is None:
        return 0
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        folder = scratch / "model"
        subprocess.run([arguments.terrarium, "model", "init", "--preset", arguments.preset, "--out", str(folder), "--json"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([program, "-c", ENDLESS, str(folder)], check=True)
        vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
        draw = random.Random(7)
        lengths = [arguments.prompt] + [draw.randrange(arguments.prompt // 2, arguments.prompt + 1) for _ in range(arguments.batch - 1)]
        prompts = [[draw.randrange(2, vocabulary) for _ in range(length)] for length in lengths]

        def run_ours(rows):
            (scratch / "prompts.json").write_text(json.dumps(rows))
            command = [arguments.generate, str(folder), str(scratch / "prompts.json"), str(arguments.tokens), str(arguments.threads),
                       str(len(rows)), arguments.index]
            return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout)

        def run_theirs(rows, batched):
            task = scratch / "task.json"
            task.write_text(json.dumps({"folder": str(folder), "prompts": rows, "batched": batched}))
            command = [program, __file__, "-", "-", "--theirs", str(task)]
            for name in ("tokens", "threads", "chunk"):
                command += [f"--{name}", str(getattr(arguments, name))]
            return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout)

        def report(name, ours, others, count, other_count):
            mine, other = ours["seconds"] / count, others["seconds"] / other_count
            print(json.dumps({"measurement": name, "preset": arguments.preset, "prompt": arguments.prompt, "tokens": arguments.tokens,
                              "ours_seconds": round(mine, 4), "theirs_seconds": round(other, 4), "ratio": round(other / mine, 2),
                              "load": os.getloadavg()[0], **compare(ours["tokens"], others["tokens"])}), flush=True)

        wanted = arguments.only.split(",")
        if "single" in wanted:
            report("single", run_ours(prompts[:1]), run_theirs(prompts[:1], False), 1, 1)
        batch = run_ours(prompts) if {"one", "batch"} & set(wanted) else None
        if "one" in wanted:
            some = min(arguments.one_by_one, len(prompts))
            report("one by one", batch, run_theirs(prompts[:some], False), len(prompts), some)
        if "batch" in wanted:
            report("batch", batch, run_theirs(prompts, True), len(prompts), len(prompts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
