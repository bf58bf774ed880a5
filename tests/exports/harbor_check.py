"""Validates ATIF trajectories with Harbor's own validator.

Usage: harbor_check.py FILE.jsonl... Needs the package `harbor`. Also checks what the validator does not: that rewards are null or a
number, that every result stands with its call, and that token ids, where there are any, have as many log-probabilities.
"""

import json
import sys
from importlib.metadata import version

from harbor.models.trajectories import Trajectory
from harbor.utils.trajectory_validator import TrajectoryValidator


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
    if seen == 0:
        sys.exit("there were no trajectories to validate")
    print(f"harbor {version('harbor')}: {seen} trajectories valid, {len(outcomes)} outcomes, {with_tokens} steps with tokens")


if __name__ == "__main__":
    main(sys.argv[1:])
