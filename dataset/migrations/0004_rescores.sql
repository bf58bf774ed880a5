-- Format version 4: verdicts of later verifiers, beside those that were given when the episodes ran.

PRAGMA user_version = 4;

-- What `terrarium verify --episodes --record` found: one row an episode and verifier. Never overwritten; of several rows of an episode the
-- one with the highest id is the newest.
CREATE TABLE rescores (
    id         INTEGER NOT NULL PRIMARY KEY, -- internal: never exported
    episode_id INTEGER NOT NULL REFERENCES episodes (id) ON DELETE CASCADE,
    verifier   TEXT NOT NULL,                -- <version of the rules>-<12 hex of the task's verifier>
    outcome    TEXT NOT NULL,
    reward     REAL,
    error      TEXT,
    checks     TEXT NOT NULL,                -- JSON array of {name, passed, detail}
    UNIQUE (episode_id, verifier),
    CHECK (CASE outcome
        WHEN 'solved' THEN reward IS 1.0
        WHEN 'failed' THEN reward IS NOT NULL AND reward < 1.0
        WHEN 'format_error' THEN reward IS NOT NULL AND reward < 1.0
        WHEN 'out_of_turns' THEN reward IS NOT NULL AND reward < 1.0
        WHEN 'out_of_context' THEN reward IS NOT NULL AND reward < 1.0
        ELSE reward IS NULL END)
) STRICT;

-- Episodes with their newest verdict: the columns of `episodes` that selecting needs. `verifier` is null where only the first verdict is.
CREATE VIEW judged AS
SELECT e.id, e.task_id, e.policy, e.sample, e.environment_id, coalesce(r.outcome, e.outcome) AS outcome,
    iif(r.id IS NULL, e.reward, r.reward) AS reward, e.turns, e.step_count, e.trace_count, e.text_bytes, e.tokens, r.verifier
FROM episodes e LEFT JOIN rescores r ON r.id = (SELECT max(n.id) FROM rescores n WHERE n.episode_id = e.id);

-- `task_totals` by newest verdicts, counted anew.
CREATE VIEW task_totals_judged AS
SELECT task_id, policy, count(*) AS episodes, count(reward) AS scored, sum(outcome = 'solved') AS solved
FROM judged GROUP BY task_id, policy;

-- `results` by newest verdicts: what `export --rescored --where` speaks of.
CREATE VIEW results_judged AS
SELECT e.id AS episode_id, e.task_id, e.policy, e.sample, e.environment_id, n.suite, n.domain, t.split, t.kind, t.difficulty, t.calls,
    t.writes, t.tool_count, t.depth, t.distractors, e.outcome, e.reward, e.turns, e.step_count, e.trace_count,
    iif(e.tokens > 0, e.tokens, (e.text_bytes + octet_length(n.tools)) / 4) AS tokens,
    g.episodes AS group_episodes, g.scored AS group_scored, g.solved AS group_solved,
    CAST(g.solved AS REAL) / nullif(g.scored, 0) AS pass_rate
FROM judged e JOIN tasks t ON t.id = e.task_id JOIN environments n ON n.id = e.environment_id
LEFT JOIN task_totals_judged g ON g.task_id = e.task_id AND g.policy = e.policy;
