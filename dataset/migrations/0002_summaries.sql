-- Format version 2: how long episodes are, and sums that make questions about a million episodes cheap.
--
-- The tables *_totals and pass_counts are written in the same transaction as the episodes they count. Each has a view *_now that counts
-- again from the episodes: `terrarium stats --check` compares the two, `terrarium stats --rebuild` copies one into the other. Whoever
-- deletes episodes by hand should run the latter.

PRAGMA user_version = 2;

ALTER TABLE episodes ADD COLUMN text_bytes INTEGER NOT NULL DEFAULT 0;     -- of all messages in full, the system message included
ALTER TABLE episodes ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;         -- of the last turn's prompt and sample; 0 without token traces
ALTER TABLE episodes ADD COLUMN sampled_tokens INTEGER NOT NULL DEFAULT 0; -- over all turns; 0 without token traces

UPDATE episodes SET
    text_bytes = octet_length(messages)
        + (SELECT octet_length(n.system) FROM environments n WHERE n.id = environment_id)
        + (SELECT coalesce(sum(octet_length(s.arguments) + octet_length(s.result)), 0) FROM steps s WHERE s.episode_id = id),
    tokens = coalesce((SELECT x.prompt_count + x.token_count FROM traces x WHERE x.episode_id = id ORDER BY x.number DESC LIMIT 1), 0),
    sampled_tokens = (SELECT coalesce(sum(x.token_count), 0) FROM traces x WHERE x.episode_id = id);

-- Tasks of one policy: how often tried, with a reward, solved.
CREATE TABLE task_totals (
    task_id  TEXT NOT NULL REFERENCES tasks (id),
    policy   TEXT NOT NULL,
    episodes INTEGER NOT NULL,
    scored   INTEGER NOT NULL,
    solved   INTEGER NOT NULL,
    PRIMARY KEY (task_id, policy)
) STRICT, WITHOUT ROWID;

-- How many tasks have how many scored and solved episodes: all that pass@k and pass^k need. `calls_from` is the first number of calls of
-- the bucket of difficulty (1, 3, 5, 8, 13, 21).
CREATE TABLE pass_counts (
    policy     TEXT NOT NULL,
    split      TEXT NOT NULL,
    kind       TEXT NOT NULL,
    calls_from INTEGER NOT NULL,
    scored     INTEGER NOT NULL,
    solved     INTEGER NOT NULL,
    tasks      INTEGER NOT NULL,
    PRIMARY KEY (policy, split, kind, calls_from, scored, solved)
) STRICT, WITHOUT ROWID;

-- Episodes by how they ended.
CREATE TABLE episode_totals (
    policy         TEXT NOT NULL,
    split          TEXT NOT NULL,
    kind           TEXT NOT NULL,
    calls_from     INTEGER NOT NULL,
    outcome        TEXT NOT NULL,
    episodes       INTEGER NOT NULL,
    turns          INTEGER NOT NULL,
    steps          INTEGER NOT NULL,
    text_bytes     INTEGER NOT NULL,
    traces         INTEGER NOT NULL,
    sampled_tokens INTEGER NOT NULL,
    PRIMARY KEY (policy, split, kind, calls_from, outcome)
) STRICT, WITHOUT ROWID;

-- Episodes by environment.
CREATE TABLE environment_totals (
    environment_id TEXT NOT NULL REFERENCES environments (id),
    policy         TEXT NOT NULL,
    episodes       INTEGER NOT NULL,
    scored         INTEGER NOT NULL,
    solved         INTEGER NOT NULL,
    PRIMARY KEY (environment_id, policy)
) STRICT, WITHOUT ROWID;

-- Calls by environment, tool and how they went.
CREATE TABLE call_totals (
    environment_id TEXT NOT NULL REFERENCES environments (id),
    policy         TEXT NOT NULL,
    tool           TEXT NOT NULL,
    outcome        TEXT NOT NULL,
    calls          INTEGER NOT NULL,
    fuel           INTEGER NOT NULL,
    PRIMARY KEY (environment_id, policy, tool, outcome)
) STRICT, WITHOUT ROWID;

CREATE VIEW task_totals_now AS
SELECT task_id, policy, count(*) AS episodes, count(reward) AS scored, sum(outcome = 'solved') AS solved
FROM episodes GROUP BY task_id, policy;

CREATE VIEW pass_counts_now AS
SELECT g.policy, t.split, t.kind,
    CASE WHEN t.calls >= 21 THEN 21 WHEN t.calls >= 13 THEN 13 WHEN t.calls >= 8 THEN 8 WHEN t.calls >= 5 THEN 5
        WHEN t.calls >= 3 THEN 3 ELSE 1 END AS calls_from,
    g.scored, g.solved, count(*) AS tasks
FROM task_totals_now g JOIN tasks t ON t.id = g.task_id GROUP BY 1, 2, 3, 4, 5, 6;

CREATE VIEW episode_totals_now AS
SELECT e.policy, t.split, t.kind,
    CASE WHEN t.calls >= 21 THEN 21 WHEN t.calls >= 13 THEN 13 WHEN t.calls >= 8 THEN 8 WHEN t.calls >= 5 THEN 5
        WHEN t.calls >= 3 THEN 3 ELSE 1 END AS calls_from,
    e.outcome, count(*) AS episodes, sum(e.turns) AS turns, sum(e.step_count) AS steps, sum(e.text_bytes) AS text_bytes,
    sum(e.trace_count) AS traces, sum(e.sampled_tokens) AS sampled_tokens
FROM episodes e JOIN tasks t ON t.id = e.task_id GROUP BY 1, 2, 3, 4, 5;

CREATE VIEW environment_totals_now AS
SELECT environment_id, policy, count(*) AS episodes, count(reward) AS scored, sum(outcome = 'solved') AS solved
FROM episodes GROUP BY environment_id, policy;

CREATE VIEW call_totals_now AS
SELECT e.environment_id, e.policy, s.tool, s.outcome, count(*) AS calls, sum(s.fuel) AS fuel
FROM episodes e JOIN steps s ON s.episode_id = e.id GROUP BY 1, 2, 3, 4;

INSERT INTO task_totals SELECT * FROM task_totals_now;
INSERT INTO pass_counts SELECT * FROM pass_counts_now;
INSERT INTO episode_totals SELECT * FROM episode_totals_now;
INSERT INTO environment_totals SELECT * FROM environment_totals_now;
INSERT INTO call_totals SELECT * FROM call_totals_now;

-- One row an episode with what one asks about most; `export --where` may use every column but episode_id.
-- calls, writes, tool_count, depth and distractors are those of the task (its reference solution), step_count the episode's own calls.
-- tokens: exact with token traces, else a quarter of the bytes of messages and tools. group_* count the episodes of the same task and
-- policy; pass_rate is group_solved / group_scored.
DROP VIEW scoreboard;
DROP VIEW results;
CREATE VIEW results AS
SELECT e.id AS episode_id, e.task_id, e.policy, e.sample, e.environment_id, n.suite, n.domain, t.split, t.kind, t.difficulty, t.calls,
    t.writes, t.tool_count, t.depth, t.distractors, e.outcome, e.reward, e.turns, e.step_count, e.trace_count,
    iif(e.tokens > 0, e.tokens, (e.text_bytes + octet_length(n.tools)) / 4) AS tokens,
    g.episodes AS group_episodes, g.scored AS group_scored, g.solved AS group_solved,
    CAST(g.solved AS REAL) / nullif(g.scored, 0) AS pass_rate
FROM episodes e JOIN tasks t ON t.id = e.task_id JOIN environments n ON n.id = e.environment_id
LEFT JOIN task_totals g ON g.task_id = e.task_id AND g.policy = e.policy;

-- Per policy, split and kind: episodes, those with a reward, those solved.
CREATE VIEW scoreboard AS
SELECT policy, split, kind, sum(episodes) AS episodes,
    sum(iif(outcome IN ('solved', 'failed', 'format_error', 'out_of_turns', 'out_of_context'), episodes, 0)) AS scored,
    sum(iif(outcome = 'solved', episodes, 0)) AS solved
FROM episode_totals GROUP BY policy, split, kind;
