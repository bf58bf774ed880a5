"""The code blocks of docs/exports.md, so that what stands there is what is tried."""

import os
import re

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "exports.md")


def block(name):
    """The source of the block whose first line is `# <name>`."""
    with open(DOCS, encoding="utf-8") as file:
        text = file.read()
    for source in re.findall(r"```python\n(.*?)```", text, flags=re.S):
        if source.startswith(f"# {name}\n"):
            return source
    raise SystemExit(f"docs/exports.md has no block `# {name}`")


def run(name, **names):
    """Runs a block with these names defined; gives everything it defined."""
    exec(compile(block(name), f"docs/exports.md: {name}", "exec"), names)
    return names
