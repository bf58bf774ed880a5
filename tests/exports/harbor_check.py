"""Validates ATIF trajectories with Harbor's own validator.

Usage: harbor_check.py FILE.jsonl... Needs the package `harbor`. Also checks what the validator does not: that rewards are null or a
number, that every result stands with its call, and that token ids, where there are any, have as many log-probabilities.
"""

import json
import os
import sys
import tempfile
from importlib.metadata import version

import recipes
from harbor.models.trajectories import Trajectory
from harbor.utils.trajectory_validator import TrajectoryValidator


def by_the_recipe(file):
    """Lays a file out as docs/exports.md says and reads the trajectories that come of it."""
    with open(file, encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    with tempfile.TemporaryDirectory() as out:
        recipes.run("ATIF", file=file, out=out)
        made = os.listdir(out)
        if len(made) != len(rows):
            sys.exit(f"{file}: {len(made)} files of {len(rows)} trajectories")
        for number, row in enumerate(rows):
            place = os.path.join(out, f"{number}.json")
            validator = TrajectoryValidator()
            if not validator.validate(place):
                sys.exit(f"{place}: {validator.get_errors()}")
            with open(place, encoding="utf-8") as one:
                if Trajectory(**json.load(one)) != Trajectory(**row):
                    sys.exit(f"{place} differs from line {number + 1} of {file}")


def main(files):
    seen, with_tokens, outcomes = 0, 0, set()
    for file in files:
        with open(file, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                row = json.loads(line)
                validator = TrajectoryValidator()
                if not validator.validate(row):
                    sys.exit(f"{file}:{number}: {validator.get_errors()}")
                trajectory = Trajectory(**row)
                extra = trajectory.extra
                outcomes.add(extra["outcome"])
                if extra["reward"] not in (None, 0, 1):
                    sys.exit(f"{file}:{number}: reward {extra['reward']!r}")
                if (extra["reward"] == 1) != (extra["outcome"] == "solved"):
                    sys.exit(f"{file}:{number}: reward {extra['reward']!r} of outcome {extra['outcome']}")
                if trajectory.final_metrics.total_steps != len(trajectory.steps):
                    sys.exit(f"{file}:{number}: total_steps is wrong")
                for step in trajectory.steps:
                    if step.metrics and step.metrics.completion_token_ids is not None:
                        with_tokens += 1
                        ids, logprobs = step.metrics.completion_token_ids, step.metrics.logprobs
                        if logprobs is not None and len(ids) != len(logprobs):
                            sys.exit(f"{file}:{number}: {len(ids)} tokens, {len(logprobs)} log-probabilities")
                seen += 1
        by_the_recipe(file)
    if seen == 0:
        sys.exit("there were no trajectories to validate")
    print(f"harbor {version('harbor')}: {seen} trajectories valid, {len(outcomes)} outcomes, {with_tokens} steps with tokens")


if __name__ == "__main__":
    main(sys.argv[1:])
