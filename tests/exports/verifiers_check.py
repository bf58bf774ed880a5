"""Reads traces with the wire types of `verifiers`, by the recipe of docs/exports.md, and compares what it makes of them with the OpenAI export of the same episodes.

Usage: verifiers_check.py FOLDER OPENAI_FOLDER. Needs the package `verifiers`.
"""

import json
import os
import sys
from importlib.metadata import version

import recipes
from verifiers.v1.episode import WireEpisode
from verifiers.v1.trace import WireTrace


def files(folder):
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".jsonl")]


def rows(folder):
    for file in files(folder):
        with open(file, encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def traces(folder):
    """Traces as the recipe reads them."""
    for file in files(folder):
        yield from recipes.run("verifiers", file=file)["traces"]


def flat(message):
    """An OpenAI message as verifiers has it."""
    calls = [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in message.get("tool_calls") or []]
    return (message["role"], message["content"], message.get("tool_call_id"), calls)


def of_trace(message):
    calls = [(c.id, c.name, c.arguments) for c in getattr(message, "tool_calls", None) or []]
    return (message.role, message.content, getattr(message, "tool_call_id", None), calls)


def main(folder, openai):
    seen, with_tokens, broken = 0, 0, 0
    for row, trace, chat in zip(rows(folder), traces(folder), rows(openai), strict=True):
        place = trace.id
        if [of_trace(m) for m in trace.messages] != [flat(m) for m in chat["messages"]]:
            sys.exit(f"{place}: messages differ")
        if len(trace.branches) != 1:
            sys.exit(f"{place}: {len(trace.branches)} branches")
        if trace.num_turns != sum(m["role"] == "assistant" for m in chat["messages"]):
            sys.exit(f"{place}: {trace.num_turns} turns")
        reward = trace.rewards["terrarium"]
        if chat["reward"] is None:
            broken += 1
            if reward is not None or trace.ok or not trace.errors:
                sys.exit(f"{place}: a broken run looks like a result")
        elif reward is None or trace.reward != chat["reward"] or not trace.ok or trace.errors:
            sys.exit(f"{place}: reward {trace.reward}, written {chat['reward']}")
        names = [tool["function"]["name"] for tool in json.loads(chat["tools"])]
        if [tool.name for tool in trace.tools] != names or [tool.name for tool in trace.branches[0].tools] != names:
            sys.exit(f"{place}: tools differ")
        branch = trace.branches[0]
        if branch.token_ids:
            with_tokens += 1
            if len(branch.token_ids) != len(branch.sampled_mask) or not any(branch.sampled_mask):
                sys.exit(f"{place}: {len(branch.token_ids)} tokens, mask of {len(branch.sampled_mask)}")
            sampled = sum(branch.sampled_mask)
            if sampled != sum(len(node.logprobs) for node in branch.nodes):
                sys.exit(f"{place}: {sampled} sampled tokens and another number of log-probabilities")
            if trace.num_total_tokens < sampled:
                sys.exit(f"{place}: usage says {trace.num_total_tokens} tokens")
        # An episode of one trace, as prime-rl keeps them, and back.
        episode = WireEpisode.model_validate({"id": place, "task": row["task"], "ok": trace.ok, "traces": [row]})
        again = WireTrace.model_validate(episode.traces[0].to_record(float_decimals=None))
        if again.messages != trace.messages or again.reward != trace.reward:
            sys.exit(f"{place}: does not survive being written and read again")
        seen += 1
    if seen == 0:
        sys.exit("there were no traces to read")
    print(f"verifiers {version('verifiers')}: {seen} traces read, {broken} without a reward, {with_tokens} with tokens")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
