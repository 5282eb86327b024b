-- +goose Up

-- A call lives no longer than the run of the server that took it up ('' before runs had
-- names).
ALTER TABLE call ADD COLUMN run text NOT NULL DEFAULT '';
-- The attempts of one caller have one chain ('' before there were any: each is its own).
ALTER TABLE call ADD COLUMN chain text NOT NULL DEFAULT '';
CREATE INDEX call_call ON call (call, seat);

-- Runs that are over, each told by the server itself when it started again. run is '' where
-- it does not know the name: any before that moment but its own.
CREATE TABLE run_over (
    fact_id text PRIMARY KEY CHECK (fact_id <> ''),
    seat    text NOT NULL CHECK (seat IN ('main', 'secondary')),
    term    bigint NOT NULL,
    at      timestamptz NOT NULL,
    run     text NOT NULL,
    by      text NOT NULL
);
CREATE INDEX run_over_run ON run_over (seat, run);

-- A call as its facts tell it so far. One without an end whose run is over was cut, and what
-- it is known to have lasted goes to its last step. An end that comes later is the truth: it
-- may have waited in a spool. A PBX may offer one Call-ID several times, to both servers or to
-- one: those are several records, and what has no other mark goes to the one before it.
DROP VIEW call_record;
CREATE VIEW call_record AS
SELECT c.fact_id, c.call, c.at, c.seat, c.term, c.run, c.chain, c.caller, c.dialled, c.overflowed, c.reason,
       c.without_duty, c.test, c.answered_ms, c.verification,
       CASE WHEN e.outcome IS NOT NULL THEN e.outcome
            WHEN EXISTS (SELECT FROM run_over o WHERE o.seat = c.seat
                         AND (o.run = c.run AND o.run <> '' OR o.run = '' AND o.by <> c.run AND o.at > c.at))
            THEN 'cut' END AS outcome,
       e.detail AS outcome_detail,
       coalesce(e.duration_ms, (extract(epoch FROM greatest(s.last, c.at) - c.at) * 1000)::bigint) AS duration_ms,
       coalesce(s.steps, '[]') AS steps
FROM call c
LEFT JOIN LATERAL (
    SELECT outcome, detail, duration_ms FROM call_end
    WHERE call_end.call = c.call AND call_end.seat = c.seat
    ORDER BY call_end.at < c.at, call_end.at LIMIT 1
) e ON true
LEFT JOIN LATERAL (
    SELECT max(at) AS last,
           jsonb_agg(jsonb_build_object('at', at, 'name', name, 'detail', detail) ORDER BY number, at) AS steps
    FROM call_step
    WHERE call_step.call = c.call AND call_step.seat = c.seat
      AND c.fact_id = (SELECT b.fact_id FROM call b WHERE b.call = c.call AND b.seat = c.seat
                       ORDER BY b.at > call_step.at, abs(extract(epoch FROM call_step.at - b.at)), b.fact_id LIMIT 1)
) s ON true;
