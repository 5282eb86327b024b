-- +goose Up
-- Rows that are changed are logged whole, so that salvage can tell how they were
-- before (SPEC M6). Facts are only ever inserted.
ALTER TABLE extension REPLICA IDENTITY FULL;

-- What an old owner committed alone, one row for each data directory set aside.
CREATE TABLE salvage (
    id           bigint PRIMARY KEY,
    seat         text NOT NULL CHECK (seat IN ('main', 'secondary')),
    directory    text NOT NULL CHECK (directory <> ''),
    term         bigint NOT NULL,
    timeline     bigint NOT NULL,
    fork         pg_lsn NOT NULL,
    method       text NOT NULL CHECK (method IN ('decoded', 'compared')),
    why          text NOT NULL,
    commits      bigint NOT NULL,
    transactions bigint NOT NULL,
    at           timestamptz NOT NULL DEFAULT now(),
    state        text NOT NULL CHECK (state IN ('open', 'settled', 'applied', 'discarded')),
    decided_at   timestamptz,
    UNIQUE (seat, directory)
);

-- Its rows, each as it was, as it became, and as the site had it when it was judged: an
-- object of the columns in PostgreSQL's text form.
CREATE TABLE salvage_change (
    salvage    bigint NOT NULL REFERENCES salvage,
    number     bigint NOT NULL,
    relation   text NOT NULL,
    key        jsonb NOT NULL,
    op         text NOT NULL CHECK (op IN ('insert', 'update', 'delete')),
    before     jsonb,
    known      boolean NOT NULL,
    after      jsonb,
    times      bigint NOT NULL,
    at         timestamptz,
    class      text NOT NULL CHECK (class IN ('same', 'already', 'conflict', 'new', 'bookkeeping')),
    theirs     jsonb,
    applied_at timestamptz,
    PRIMARY KEY (salvage, number)
);
ALTER TABLE salvage REPLICA IDENTITY FULL;
ALTER TABLE salvage_change REPLICA IDENTITY FULL;
