"""A list of things to do, in Python. State is what the module holds; a tool that refuses raises `Err`.

`wit_world` is made by componentize-py from the WIT file when the component is built.
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.tools import State, Summary, Task, ToolError

tasks: dict[str, Task] = {}


def refuse(code: str, message: str) -> Err:
    return Err(ToolError(code, message))


class Tools(exports.Tools):
    def add(self, title, due, tags):
        if not title.strip():
            raise refuse("bad_title", "a task has a title")
        if len(set(tags)) != len(tags):
            raise refuse("duplicate_tag", "each tag stands once")
        task = Task(f"T-{len(tasks) + 1}", title, State.OPEN, due, sorted(tags))
        tasks[task.id] = task
        return task

    def finish(self, id):
        task = tasks.get(id)
        if task is None:
            raise refuse("not_found", f"there is no task {id}")
        if task.state == State.DONE:
            raise refuse("already_done", f"{task.title} is done")
        task.state = State.DONE
        return task

    def find(self, tag, text):
        return [t for t in tasks.values() if (tag is None or tag in t.tags) and text.lower() in t.title.lower()]

    def summarize(self, today):
        still_open = [t for t in tasks.values() if t.state == State.OPEN]
        overdue = [t.id for t in still_open if t.due is not None and t.due.epoch_day < today.epoch_day]
        return Summary(len(still_open), len(tasks) - len(still_open), overdue)
