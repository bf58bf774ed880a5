-- Format version 3: under which conditions an episode ran, what its messages took, and how its view was cut.

PRAGMA user_version = 3;

-- JSON: budget, context, faults, user, fork, parallel; what is at its default is left out.
ALTER TABLE episodes ADD COLUMN setup TEXT NOT NULL DEFAULT '{}';
-- JSON array of {turn, prompt, cached, completion, reasoning}: tokens of each message.
ALTER TABLE episodes ADD COLUMN usage TEXT NOT NULL DEFAULT '[]';
-- JSON array of {at, before, summary}: where context management cut the policy's view of the messages.
ALTER TABLE episodes ADD COLUMN cuts TEXT NOT NULL DEFAULT '[]';
-- Sums over usage.
ALTER TABLE episodes ADD COLUMN prompt_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE episodes ADD COLUMN completion_tokens INTEGER NOT NULL DEFAULT 0;

-- JSON array of text: sampled tokens as text, of endpoints that give log-probabilities but no token numbers.
ALTER TABLE traces ADD COLUMN texts TEXT NOT NULL DEFAULT '[]';
