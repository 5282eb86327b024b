-- +goose Up

-- Calls are looked for by how they ended, the rare ends among millions, and counted by the
-- period that they ended in: their ends are stored nearly in the order of their times.
CREATE INDEX call_end_outcome ON call_end (outcome, at DESC);
CREATE INDEX call_end_at ON call_end USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
