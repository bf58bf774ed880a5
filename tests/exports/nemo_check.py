"""Validates NeMo Gym input rows with NeMo Gym's own request model and dataset statistics.

Usage: nemo_check.py FILE.jsonl... Needs the package `nemo-gym`.
"""

import json
import sys
from importlib.metadata import version

from nemo_gym.base_resources_server import BaseRunRequest
from nemo_gym.train_data_utils import compute_sample_metrics


def main(files):
    seen = 0
    for file in files:
        with open(file, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                row = json.loads(line)
                request = BaseRunRequest.model_validate(row).responses_create_params
                metrics, offending = compute_sample_metrics(line)
                if offending or metrics.number_of_tools.total != 1:
                    sys.exit(f"{file}:{number}: not a sample that NeMo Gym collates")
                if row["responses_create_params"]["input"][1]["content"] != request.input[1].content:
                    sys.exit(f"{file}:{number}: the prompt differs")
                names = [tool["name"] for tool in request.tools]
                if names != [tool["name"] for tool in row["responses_create_params"]["tools"]] or "submit" not in names:
                    sys.exit(f"{file}:{number}: tools differ: {names}")
                seen += 1
    if seen == 0:
        sys.exit("there were no rows to validate")
    print(f"nemo-gym {version('nemo-gym')}: {seen} rows valid")


if __name__ == "__main__":
    main(sys.argv[1:])
