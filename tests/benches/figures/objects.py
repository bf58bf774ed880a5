"""The service desk as Python objects: what a tool environment in Python does today. State is a dict of tables of dicts by key, reset is
copy.deepcopy, a call is JSON text in, a function, JSON text out. Reads a job from stdin, writes times and results to stdout."""

import copy
import json
import sys
import time


class ToolError(Exception):
    pass


def require(condition, code):
    if not condition:
        raise ToolError(code)


def page(rows, line, number, size):
    require(number >= 1, "bad_page")
    shown = rows[(number - 1) * size : number * size]
    return {"items": [{k: r[k] for k in line} for r in shown], "more": len(rows) > number * size}


class Desk:
    def __init__(self, tables, parameters):
        self.tables = tables
        self.parameters = parameters

    def row(self, table, key):
        row = self.tables[table].get(key)
        require(row is not None, "not_found")
        return row

    def find_tickets(self, title=None, requester_id=None, assignee_id=None, status=None, opened_before=None, page_number=1):
        found = [
            t
            for t in self.tables["ticket"].values()
            if (title is None or title.lower() in t["title"].lower())
            and (requester_id is None or t["requester"] == requester_id)
            and (assignee_id is None or t["assignee"] == assignee_id)
            and (status is None or t["status"] == status)
            and (opened_before is None or t["opened"] < opened_before)
        ]
        return page(found, ("id", "title", "requester", "status"), page_number, self.parameters["page_size"])

    def find_employees(self, name=None, department=None, page_number=1):
        found = [
            e
            for e in self.tables["employee"].values()
            if (name is None or name.lower() in e["name"].lower())
            and (department is None or e["department"] == department)
        ]
        return page(found, ("id", "name", "department"), page_number, self.parameters["page_size"])

    def find_devices(self, name=None, holder_id=None, state=None, page_number=1):
        found = [
            d
            for d in self.tables["device"].values()
            if (name is None or name.lower() in d["name"].lower())
            and (holder_id is None or d["holder"] == holder_id)
            and (state is None or d["state"] == state)
        ]
        return page(found, ("id", "name", "state"), page_number, self.parameters["page_size"])

    def get_ticket(self, ticket_id):
        return self.row("ticket", ticket_id)

    def get_employee(self, employee_id):
        return self.row("employee", employee_id)

    def get_device(self, device_id):
        return self.row("device", device_id)

    def assign_ticket(self, ticket_id, agent_id):
        t = self.row("ticket", ticket_id)
        a = self.row("agent", agent_id)
        require(t["status"] != "resolved", "resolved")
        require(t["assignee"] != agent_id, "no_change")
        require(a["duty"] == "on_duty", "policy")
        require(t["priority"] != "critical" or a["level"] >= self.parameters["critical_level"], "policy")
        load = sum(1 for x in self.tables["ticket"].values() if x["assignee"] == agent_id and x["status"] == "in_progress")
        require(load < self.parameters["max_open"], "policy")
        t["assignee"] = agent_id
        t["status"] = "in_progress"
        return t


def call(desk, tool, text):
    arguments = json.loads(text)
    if "page" in arguments:
        arguments["page_number"] = arguments.pop("page")
    return json.dumps(getattr(desk, tool)(**arguments), ensure_ascii=False, separators=(",", ":"))


def median_us(work, seconds=0.6, batches=9):
    """Median over batches of the mean time of a batch, in microseconds."""
    work()
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds / batches:
        work()
        count += 1
    means = []
    for _ in range(batches):
        started = time.perf_counter()
        for _ in range(count):
            work()
        means.append((time.perf_counter() - started) / count * 1e6)
    return sorted(means)[batches // 2]


def main():
    job = json.load(sys.stdin)
    tables = {name: {row["id"]: row for row in rows} for name, rows in job["tables"].items()}
    calls = job["calls"]

    def reset():
        return Desk(copy.deepcopy(tables), job["parameters"])

    def episode():
        desk = reset()
        return [call(desk, tool, text) for tool, text in calls]

    desk = reset()
    by_tool = {tool: (tool, text) for tool, text in reversed(calls)}
    out = {
        "results": episode(),
        "reset_us": median_us(reset),
        "get_us": median_us(lambda: call(desk, *by_tool["get_ticket"])),
        "search_us": median_us(lambda: call(desk, *by_tool["find_tickets"])),
        "episode_us": median_us(episode),
    }
    json.dump(out, sys.stdout)


main()
