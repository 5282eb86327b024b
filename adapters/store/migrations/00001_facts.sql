-- +goose Up

-- One row a promotion, the first commit of its term (RULES R10). It is written
-- before later migrations run, so its columns never change.
CREATE TABLE promotion (
    id   text PRIMARY KEY,
    term bigint NOT NULL,
    seat text NOT NULL CHECK (seat IN ('main', 'secondary')),
    at   timestamptz NOT NULL DEFAULT now()
);

-- Facts commute: no foreign keys between them (RULES R14).
CREATE TABLE call (
    fact_id      text PRIMARY KEY CHECK (fact_id <> ''),
    call         text NOT NULL CHECK (call <> ''),
    seat         text NOT NULL CHECK (seat IN ('main', 'secondary')),
    term         bigint NOT NULL,
    at           timestamptz NOT NULL,
    caller       text NOT NULL,
    dialled      text NOT NULL,
    overflowed   boolean NOT NULL,
    reason       text NOT NULL,
    without_duty boolean NOT NULL,
    test         boolean NOT NULL,
    answered_ms  bigint NOT NULL,
    verification boolean NOT NULL
);
CREATE INDEX call_at ON call (at DESC);

CREATE TABLE call_step (
    fact_id text PRIMARY KEY CHECK (fact_id <> ''),
    call    text NOT NULL CHECK (call <> ''),
    seat    text NOT NULL CHECK (seat IN ('main', 'secondary')),
    term    bigint NOT NULL,
    at      timestamptz NOT NULL,
    number  bigint NOT NULL,
    name    text NOT NULL,
    detail  text NOT NULL
);
CREATE INDEX call_step_call ON call_step (call, seat);

CREATE TABLE call_end (
    fact_id     text PRIMARY KEY CHECK (fact_id <> ''),
    call        text NOT NULL CHECK (call <> ''),
    seat        text NOT NULL CHECK (seat IN ('main', 'secondary')),
    term        bigint NOT NULL,
    at          timestamptz NOT NULL,
    outcome     text NOT NULL,
    detail      text NOT NULL,
    duration_ms bigint NOT NULL
);
CREATE INDEX call_end_call ON call_end (call, seat);

-- A call as its facts tell it so far. A PBX may offer one Call-ID to both
-- servers, one after the other: those are two records.
CREATE VIEW call_record AS
SELECT c.call, c.at, c.seat, c.term, c.caller, c.dialled, c.overflowed, c.reason,
       c.without_duty, c.test, c.answered_ms, c.verification,
       e.outcome, e.detail AS outcome_detail, e.duration_ms,
       coalesce(s.steps, '[]') AS steps
FROM call c
LEFT JOIN LATERAL (
    SELECT outcome, detail, duration_ms FROM call_end
    WHERE call_end.call = c.call AND call_end.seat = c.seat
    ORDER BY at LIMIT 1
) e ON true
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('at', at, 'name', name, 'detail', detail) ORDER BY number, at) AS steps
    FROM call_step
    WHERE call_step.call = c.call AND call_step.seat = c.seat
) s ON true;

-- How far each spool is stored (RULES R14).
CREATE TABLE spool_position (
    seat        text NOT NULL CHECK (seat IN ('main', 'secondary')),
    incarnation text NOT NULL CHECK (incarnation <> ''),
    sequence    bigint NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (seat, incarnation)
);

-- Records refused for their own fault, whole, so that nothing is lost with them.
-- The record is bytes: text types would refuse what made it refused.
CREATE TABLE refused (
    seat        text NOT NULL,
    incarnation text NOT NULL,
    sequence    bigint NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    record      bytea NOT NULL,
    code        text NOT NULL,
    reason      text NOT NULL,
    PRIMARY KEY (seat, incarnation, sequence)
);

-- Sequences that no record bore when the position went over them.
CREATE TABLE spool_gap (
    seat        text NOT NULL,
    incarnation text NOT NULL,
    first       bigint NOT NULL,
    last        bigint NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (seat, incarnation, first)
);

CREATE TABLE extension (
    number text PRIMARY KEY CHECK (number <> ''),
    name   text NOT NULL
);
