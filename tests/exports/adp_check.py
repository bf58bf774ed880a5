"""Validates trajectories of the Agent Data Protocol.

Usage: adp_check.py FILE.jsonl... Needs no package. The protocol's schema is not on the Python package index, so its rules stand here in our
own words, after `schema/trajectory.py` of neulab/agent-data-protocol (schema 1.2.0). With ADP_REPOSITORY naming a checkout of that
repository (and `pydantic` installed), its own models validate too.
"""

import json
import os
import sys

TEXT, OBJECT, NUMBER = str, dict, (int, float)
# For each class of item: fields that must be there, fields that may.
ITEMS = {
    "api_action": (
        {"class_": TEXT, "function": TEXT, "kwargs": OBJECT},
        {"description": TEXT, "reasoning_content": TEXT, "reward": NUMBER, "tool_call_id": TEXT},
    ),
    "message_action": (
        {"class_": TEXT, "content": TEXT},
        {"description": TEXT, "reasoning_content": TEXT, "reward": NUMBER},
    ),
    "text_observation": (
        {"class_": TEXT, "content": TEXT, "source": TEXT},
        {"name": TEXT, "tool_call_id": TEXT, "reward": NUMBER},
    ),
}
TRAJECTORY = (
    {"id": TEXT, "content": list},
    {"schema_version": TEXT, "available_custom_tools": list, "available_code_languages": list, "details": OBJECT},
)


def fields(value, rules, place):
    """Complains unless an object has its fields, of their types, and no others."""
    must, may = rules
    for name, kind in must.items():
        if name not in value:
            raise ValueError(f"{place}: no {name}")
        if not isinstance(value[name], kind) or isinstance(value[name], bool):
            raise ValueError(f"{place}: {name} is {value[name]!r}")
    for name in value:
        if name not in must and name not in may:
            raise ValueError(f"{place}: unknown field {name}")
        if name in may and value[name] is not None and not isinstance(value[name], may[name]):
            raise ValueError(f"{place}: {name} is {value[name]!r}")


def validate(row):
    fields(row, TRAJECTORY, "trajectory")
    if row.get("schema_version") not in ("1.0.0", "1.1.0", "1.2.0"):
        raise ValueError(f"schema_version {row.get('schema_version')!r}")
    called, answered = set(), set()
    content = row["content"]
    for number, item in enumerate(content):
        kind = item.get("class_")
        if kind not in ITEMS:
            raise ValueError(f"item {number}: class_ {kind!r}")
        fields(item, ITEMS[kind], f"item {number}")
        call = item.get("tool_call_id")
        if kind == "api_action":
            after = content[number + 1]["class_"] if number + 1 < len(content) else ""
            if call is None and after == "text_observation":
                raise ValueError(f"item {number}: a result follows a call without an id")
            if call is not None and call in called:
                raise ValueError(f"item {number}: the id {call} is taken")
            called.add(call)
        if kind == "text_observation":
            if item["source"] not in ("user", "agent", "environment"):
                raise ValueError(f"item {number}: source {item['source']!r}")
            if call is not None:
                if item["source"] == "user":
                    raise ValueError(f"item {number}: a result of the user")
                if call not in called:
                    raise ValueError(f"item {number}: a result of no call")
                if call in answered:
                    raise ValueError(f"item {number}: a second result of {call}")
                answered.add(call)
    if called - {None} != answered:
        raise ValueError(f"calls without a result: {sorted(called - {None} - answered)}")


def main(files):
    upstream = None
    if os.environ.get("ADP_REPOSITORY"):
        sys.path.insert(0, os.environ["ADP_REPOSITORY"])
        from schema.trajectory import Trajectory as upstream
    seen, outcomes = 0, set()
    for file in files:
        with open(file, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                row = json.loads(line)
                try:
                    validate(row)
                    if upstream is not None:
                        upstream.model_validate(row)
                except ValueError as error:
                    sys.exit(f"{file}:{number}: {error}")
                details = row["details"]
                outcomes.add(details["outcome"])
                actions = [item for item in row["content"] if item["class_"].endswith("action")]
                if actions and actions[-1].get("reward") != details["reward"]:
                    sys.exit(f"{file}:{number}: the last action's reward is {actions[-1].get('reward')!r}")
                seen += 1
    if seen == 0:
        sys.exit("there were no trajectories to validate")
    also = ", by its own models too" if upstream else ""
    print(f"Agent Data Protocol 1.2.0: {seen} trajectories valid{also}, {len(outcomes)} outcomes")


if __name__ == "__main__":
    main(sys.argv[1:])
