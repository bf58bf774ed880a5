"""Feeds exports to the datasets and trainers of TRL, verl and SkyRL, by the recipes of docs/exports.md.

Usage: trainers_check.py trl|verl|skyrl FOLDER. FOLDER holds one exported folder a format, named like the format. No network, no GPU,
no weights: the tokenizer has one token a byte, the model two small layers.
"""

import glob
import json
import os
import sys
from importlib.metadata import version

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import recipes
import tokenizer as byte_tokenizer


def written(folder, split="*"):
    """The rows of an exported folder of JSON lines; all, or those of a split."""
    rows = []
    for name in sorted(glob.glob(os.path.join(folder, split + ".jsonl"))):
        with open(name, encoding="utf-8") as lines:
            rows.extend(json.loads(line) for line in lines)
    return rows


def model(tokenizer, folder="tiny-model"):
    """A model that was loaded from a folder, as yours are: trainers of preferences load their reference from the same place."""
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    set_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=1 << 20, **sizes)).save_pretrained(folder)
    return LlamaForCausalLM.from_pretrained(folder)


def trl(folder):
    import math

    tokenizer = byte_tokenizer.make()
    names = recipes.run("TRL, SFT", folder=os.path.join(folder, "trl"), model=model(tokenizer), tokenizer=tokenizer, output="trl-out")
    trainer, data = names["trainer"], names["data"]
    rows = written(os.path.join(folder, "trl"), "train")
    if [row["task_id"] for row in data] != [row["task_id"] for row in rows] or [row["tools"] for row in data] != [row["tools"] for row in rows]:
        sys.exit("TRL: what was loaded is not what was written")
    tokenized = trainer.train_dataset
    if len(tokenized) != len(data):
        sys.exit(f"TRL: {len(tokenized)} of {len(data)} rows are left")
    sampled = 0
    for row, ids in zip(data, tokenized):
        labels = ids["labels"] if "labels" in ids else [i if m else -100 for i, m in zip(ids["input_ids"], ids["assistant_masks"])]
        learned = [token for token in labels if token != -100]
        if not learned:
            sys.exit("TRL: an example has an empty mask")
        # What is learned is what the agent wrote, and no tool's result.
        text = tokenizer.decode(learned)
        for message in row["messages"]:
            if message["role"] == "assistant":
                for call in message["tool_calls"] or []:
                    if call["function"]["name"] + " " + call["function"]["arguments"] not in text:
                        sys.exit(f"TRL: {call} is not learned")
        if "<|im_start|>tool" in text:
            sys.exit("TRL: a result is learned")
        sampled += len(learned)
    # One step on the shortest examples.
    lengths = sorted(range(len(tokenized)), key=lambda n: len(tokenized[n]["input_ids"]))
    trainer.train_dataset = tokenized.select(lengths[:2])
    loss = trainer.train().training_loss
    if not math.isfinite(loss):
        sys.exit(f"TRL: the loss is {loss}")
    print(f"trl {version('trl')}: SFT {len(data)} rows tokenised, {sampled} tokens to learn, loss of a step {loss:.3f}")

    names = recipes.run("TRL, DPO", folder=os.path.join(folder, "trl-dpo"), model=model(tokenizer), tokenizer=tokenizer, output="trl-out")
    pairs = names["trainer"].train_dataset
    if len(pairs) != len(names["data"]) or len(pairs) != len(written(os.path.join(folder, "trl-dpo"), "train")) or not all(p["chosen_ids"] and p["rejected_ids"] for p in pairs):
        sys.exit("TRL: a pair has an empty half")
    print(f"trl {version('trl')}: DPO {len(pairs)} pairs tokenised")

    names = recipes.run("TRL, KTO", folder=os.path.join(folder, "trl-kto"), model=model(tokenizer), tokenizer=tokenizer, output="trl-out")
    labels = [row["label"] for row in names["data"]]
    if labels != [row["label"] for row in written(os.path.join(folder, "trl-kto"), "train")]:
        sys.exit("TRL: KTO's labels are not what was written")
    if not any(labels) or all(labels):
        sys.exit("TRL: KTO needs both labels")
    print(f"trl {version('trl')}: KTO {len(names['trainer'].train_dataset)} rows tokenised, {sum(labels)} good")

    names = recipes.run("TRL, GRPO prompts", folder=os.path.join(folder, "trl-grpo"), tokenizer=tokenizer)
    if len(names["data"]) != len(written(os.path.join(folder, "trl-grpo"), "train")) or not all(names["prompts"]):
        sys.exit("TRL: no prompts")
    print(f"trl {version('trl')}: GRPO {len(names['prompts'])} prompts rendered")


def verl(folder):
    tokenizer = byte_tokenizer.make()
    for kind in ("verl", "verl-parquet"):
        files = sorted(glob.glob(os.path.join(folder, kind, "*.parquet" if kind.endswith("parquet") else "*.jsonl")))
        names = recipes.run("verl, RL", files=files, tokenizer=tokenizer)
        rows, data = written(os.path.join(folder, "verl")), names["data"]
        if len(data) != len(rows):
            sys.exit(f"verl: {len(data)} of {len(rows)} rows are left")
        seen = {}
        for n in range(len(data)):
            item = data[n]
            seen[item["extra_info"]["task_id"]] = item
        for row in rows:
            item = seen[row["extra_info"]["task_id"]]
            if [dict(m) for m in item["raw_prompt"]] != row["prompt"] or item["reward_model"] != row["reward_model"]:
                sys.exit(f"verl: {row['extra_info']['task_id']} differs")
            if item["extra_info"]["tools"] != row["extra_info"]["tools"] or item["index"] != row["extra_info"]["index"]:
                sys.exit(f"verl: tools or index of {row['extra_info']['task_id']} differ")
        print(f"verl: RLHFDataset {len(data)} rows of {kind}")
    files = sorted(glob.glob(os.path.join(folder, "verl-sft-parquet", "*.parquet")))
    names = recipes.run("verl, SFT", files=files, tokenizer=tokenizer)
    data, learned = names["data"], 0
    for n in range(len(data)):
        mask = int(data[n]["loss_mask"].sum())
        if mask == 0:
            sys.exit(f"verl: SFT row {n} has an empty mask")
        learned += mask
    if len(data) != len(written(os.path.join(folder, "verl-sft"))):
        sys.exit(f"verl: {len(data)} SFT rows")
    print(f"verl: MultiTurnSFTDataset {len(data)} rows, {learned} tokens to learn")


def skyrl(folder):
    tokenizer = byte_tokenizer.make()
    for kind in ("skyrl", "skyrl-parquet"):
        files = sorted(glob.glob(os.path.join(folder, kind, "*.parquet" if kind.endswith("parquet") else "*.jsonl")))
        names = recipes.run("SkyRL, prompts", files=files, tokenizer=tokenizer)
        rows, data = written(os.path.join(folder, "skyrl")), names["data"]
        if len(data) != len(rows):
            sys.exit(f"SkyRL: {len(data)} of {len(rows)} rows are left")
        wanted = {row["extra_info"]["task_id"]: row for row in rows}
        for n in range(len(data)):
            prompt, env_class, extra, _ = data[n]
            row = wanted[extra["extra_info"]["task_id"]]
            if prompt != row["prompt"] or env_class != "terrarium" or extra["reward_spec"] != row["reward_spec"]:
                sys.exit(f"SkyRL: {extra['extra_info']['task_id']} differs")
        print(f"skyrl: PromptDataset {len(data)} rows of {kind}")
    for kind in ("skyrl-sft", "skyrl-sft-parquet"):
        if not os.path.isdir(os.path.join(folder, kind)):
            continue
        ending = "parquet" if kind.endswith("parquet") else "jsonl"
        rows = written(os.path.join(folder, "skyrl-sft"))
        names = {"data": []}
        count = 0
        for file in sorted(glob.glob(os.path.join(folder, kind, "*." + ending))):
            names = recipes.run("SkyRL, SFT", file=file)
            count += len(names["data"])
            for item in names["data"]:
                if sum(item["loss_mask"]) == 0 or len(item["loss_mask"]) != item["num_actions"]:
                    sys.exit("SkyRL: a row without tokens to learn")
        if count != len(rows) or count == 0:
            sys.exit(f"SkyRL: {count} of {len(rows)} token rows")
        print(f"skyrl: pretokenised store {count} rows of {kind}")


if __name__ == "__main__":
    {"trl": trl, "verl": verl, "skyrl": skyrl}[sys.argv[1]](sys.argv[2])
