-- The store of one Terrarium database, format version 1.
--
-- Rules that hold in every table:
--   * JSON is TEXT (use SQLite's ->> and json_each on it). Lists of numbers of the embedded model are BLOBs: little endian, zstd.
--   * 64-bit unsigned numbers (seed, fuel) are stored as SQLite's signed 64-bit integers with the same bits.
--   * Nothing holds a clock time. elapsed_us is a duration in microseconds and never leaves the database.
--   * Small columns come first, so that counting queries do not read the long texts.

PRAGMA application_id = 1414681153; -- "TRRA"
PRAGMA user_version = 1;

-- Facts about the whole database: seed, versions of the programs that wrote it. Text keys, text values.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE environments (
    id         TEXT NOT NULL PRIMARY KEY,   -- <suite>-<12 hex>
    suite      TEXT NOT NULL,
    domain     TEXT NOT NULL,
    split      TEXT NOT NULL CHECK (split IN ('train', 'validation', 'test_suite', 'test_process')),
    tool_count INTEGER NOT NULL,
    digest     TEXT NOT NULL,               -- blake3 of the unpacked component, hex
    title      TEXT NOT NULL,
    signature  TEXT NOT NULL,               -- JSON array of text
    recipe     TEXT NOT NULL,               -- JSON
    system     TEXT NOT NULL,               -- the system message
    tools      TEXT NOT NULL,               -- JSON array of {name, description, parameters, writes}
    component  BLOB NOT NULL                -- zstd of the component's bytes
) STRICT;
CREATE INDEX environments_by_suite ON environments (suite, id);

CREATE TABLE tasks (
    id             TEXT NOT NULL PRIMARY KEY, -- <environment id>/<8 hex>
    environment_id TEXT NOT NULL REFERENCES environments (id),
    split          TEXT NOT NULL CHECK (split IN ('train', 'validation', 'test_suite', 'test_process')),
    kind           TEXT NOT NULL,
    difficulty     REAL NOT NULL,            -- the structural score
    calls          INTEGER NOT NULL,         -- of the reference solution, submit included
    writes         INTEGER NOT NULL,
    tool_count     INTEGER NOT NULL,
    depth          INTEGER NOT NULL,
    distractors    INTEGER NOT NULL,
    prompt         TEXT NOT NULL,
    goal           TEXT NOT NULL,            -- JSON
    verifier       TEXT NOT NULL,            -- JSON
    solution       TEXT NOT NULL,            -- JSON array of {name, arguments}
    certificate    TEXT NOT NULL             -- JSON
) STRICT;
CREATE INDEX tasks_by_environment ON tasks (environment_id, id);
CREATE INDEX tasks_by_split ON tasks (split, kind, id);

-- One row a command that wrote episodes or trained. `id` counts from 1.
CREATE TABLE runs (
    id       INTEGER NOT NULL PRIMARY KEY,
    command  TEXT NOT NULL,                  -- rollout, eval, train sft, ...
    policy   TEXT,
    seed     INTEGER NOT NULL,
    version  TEXT NOT NULL,                  -- of the program
    options  TEXT NOT NULL,                  -- JSON
    summary  TEXT                            -- JSON; null while running and for a run that was killed
) STRICT;

-- Numbers of a run over its steps: loss, reward, throughput.
CREATE TABLE metrics (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step   INTEGER NOT NULL,
    name   TEXT NOT NULL,
    value  REAL,                             -- null stands for a value that is not a number
    PRIMARY KEY (run_id, step, name)
) STRICT, WITHOUT ROWID;

-- Episodes. A text that stands elsewhere in the database is not stored twice; see the view `messages`.
CREATE TABLE episodes (
    id             INTEGER NOT NULL PRIMARY KEY, -- internal: never exported
    task_id        TEXT NOT NULL REFERENCES tasks (id),
    policy         TEXT NOT NULL,
    sample         INTEGER NOT NULL,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    seed           INTEGER NOT NULL,
    outcome        TEXT NOT NULL,
    reward         REAL,
    turns          INTEGER NOT NULL,
    step_count     INTEGER NOT NULL,
    trace_count    INTEGER NOT NULL,
    elapsed_us     INTEGER NOT NULL,
    answer         TEXT,                         -- JSON, as submitted
    error          TEXT,
    checks         TEXT NOT NULL,                -- JSON array of {name, passed, detail}
    messages       TEXT NOT NULL,                -- JSON array of {role, content, reasoning, calls, call_id, name}, see the view
    UNIQUE (task_id, policy, sample),
    -- A broken run is never a zero, and a finished one always has a reward.
    CHECK (CASE outcome
        WHEN 'solved' THEN reward IS 1.0
        WHEN 'failed' THEN reward IS NOT NULL AND reward < 1.0
        WHEN 'format_error' THEN reward IS NOT NULL AND reward < 1.0
        WHEN 'out_of_turns' THEN reward IS NOT NULL AND reward < 1.0
        WHEN 'out_of_context' THEN reward IS NOT NULL AND reward < 1.0
        ELSE reward IS NULL END)
) STRICT;

-- Tool calls, in order.
CREATE TABLE steps (
    episode_id INTEGER NOT NULL REFERENCES episodes (id) ON DELETE CASCADE,
    number     INTEGER NOT NULL,                 -- from 0
    turn       INTEGER NOT NULL,
    tool       TEXT NOT NULL,
    outcome    TEXT NOT NULL,                    -- ok, a tool error's code, bad_arguments, unknown_tool, a trap's name
    fuel       INTEGER NOT NULL,
    elapsed_us INTEGER NOT NULL,
    call_id    TEXT NOT NULL,
    arguments  TEXT NOT NULL,                    -- JSON as the policy wrote it (it may be broken)
    diff       TEXT NOT NULL,                    -- JSON of the change of the world, or empty
    result     TEXT NOT NULL,                    -- JSON as the agent saw it
    PRIMARY KEY (episode_id, number)
) STRICT, WITHOUT ROWID;

-- Tokens of the embedded model, one row a turn.
CREATE TABLE traces (
    episode_id    INTEGER NOT NULL REFERENCES episodes (id) ON DELETE CASCADE,
    number        INTEGER NOT NULL,              -- from 0
    turn          INTEGER NOT NULL,
    finish        TEXT NOT NULL,                 -- eos, length, context
    prompt_shared INTEGER NOT NULL,              -- leading prompt tokens equal to the row before's prompt and sampled tokens
    prompt_count  INTEGER NOT NULL,              -- tokens of the whole prompt
    token_count   INTEGER NOT NULL,              -- sampled tokens
    prompt_ids    BLOB NOT NULL,                 -- zstd of u32[prompt_count - prompt_shared]
    token_ids     BLOB NOT NULL,                 -- zstd of u32[token_count]
    logprobs      BLOB NOT NULL,                 -- zstd of f32
    experts       BLOB NOT NULL,                 -- zstd of u16
    PRIMARY KEY (episode_id, number)
) STRICT, WITHOUT ROWID;

-- How far each synthesis has come; written in the same transaction as the environment it made.
CREATE TABLE synthesis (
    options    TEXT NOT NULL PRIMARY KEY,        -- digest of everything that decides the candidates
    next_index INTEGER NOT NULL,                 -- the first candidate that has not been judged
    rejected   TEXT NOT NULL,                    -- JSON object: reason -> number of candidates refused so far
    state      TEXT NOT NULL                     -- JSON, the synthesizer's own
) STRICT, WITHOUT ROWID;

-- A few refused candidates for each reason, to look at.
CREATE TABLE rejected (
    options TEXT NOT NULL REFERENCES synthesis (options) ON DELETE CASCADE,
    candidate INTEGER NOT NULL,
    reason  TEXT NOT NULL,
    detail  TEXT NOT NULL,
    PRIMARY KEY (options, candidate, reason, detail)
) STRICT, WITHOUT ROWID;

-- Every message of every episode, in full. A system message without content is the environment's; a tool message without
-- content is the result of the step with its call_id; a call without arguments is the step with its id.
CREATE VIEW messages AS
SELECT e.task_id, e.policy, e.sample, m.key AS number, m.value ->> 'role' AS role,
    coalesce(m.value ->> 'content',
        CASE m.value ->> 'role'
            WHEN 'system' THEN n.system
            WHEN 'tool' THEN (SELECT s.result FROM steps s WHERE s.episode_id = e.id AND s.call_id = m.value ->> 'call_id' ORDER BY s.number LIMIT 1)
        END) AS content,
    m.value ->> 'reasoning' AS reasoning,
    m.value ->> 'call_id' AS call_id,
    (SELECT json_group_array(json_object(
            'id', c.value ->> 'id',
            'name', coalesce(c.value ->> 'name', s.tool),
            'arguments', coalesce(c.value ->> 'arguments', s.arguments)))
        FROM json_each(m.value, '$.calls') c
        LEFT JOIN steps s ON s.episode_id = e.id AND s.number =
            (SELECT min(f.number) FROM steps f WHERE f.episode_id = e.id AND f.call_id = c.value ->> 'id')) AS calls
FROM episodes e JOIN environments n ON n.id = e.environment_id, json_each(e.messages) m;

-- One row an episode with what one asks about most.
CREATE VIEW results AS
SELECT t.split, t.kind, t.calls, t.difficulty, e.policy, e.task_id, e.sample, e.outcome, e.reward, e.turns, e.step_count
FROM episodes e JOIN tasks t ON t.id = e.task_id;

-- Per policy, split and kind: episodes, those with a reward, those solved.
CREATE VIEW scoreboard AS
SELECT policy, split, kind, count(*) AS episodes, count(reward) AS scored, total(outcome = 'solved') AS solved
FROM results GROUP BY policy, split, kind;
