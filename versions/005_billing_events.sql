-- revision: 005
-- parents: 004
-- message: billing events
-- created: 2026-02-02T08:40:00Z

-- migrate:upgrade

-- Everything the payment provider tells us, as it came. There is much of it, it
-- is looked at by date, and it may go after two years: so it lies in a partition
-- for each quarter, and old quarters are dropped instead of deleted row by row.

-- A key of a partitioned table must hold the partition column. So the database
-- cannot refuse an event that is delivered twice in different quarters: who
-- reads the events asks by provider and provider_event_id first.
CREATE TABLE billing_events (
    id                uuid        NOT NULL DEFAULT gen_random_uuid(),
    received_at       timestamptz NOT NULL DEFAULT now(),
    provider          text        NOT NULL,
    provider_event_id text        NOT NULL,
    event_type        text        NOT NULL,
    invoice_id        uuid,
    payload           jsonb       NOT NULL,
    processed_at      timestamptz,
    error             text,

    CONSTRAINT billing_events_pkey            PRIMARY KEY (id, received_at),
    CONSTRAINT billing_events_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoices (id) ON DELETE RESTRICT,
    CONSTRAINT billing_events_payload_check   CHECK (jsonb_typeof(payload) = 'object')
) PARTITION BY RANGE (received_at);

COMMENT ON TABLE  billing_events            IS 'Messages of payment providers, one partition a quarter (UTC).';
COMMENT ON COLUMN billing_events.invoice_id IS 'Nothing: not about an invoice, or not looked at yet.';
COMMENT ON COLUMN billing_events.error      IS 'Why it could not be processed, the last time it was tried.';

-- Indexes of the parent are made in every partition, also in those to come.
CREATE INDEX billing_events_provider_event_id_idx ON billing_events (provider, provider_event_id);
CREATE INDEX billing_events_invoice_id_idx        ON billing_events (invoice_id);
CREATE INDEX billing_events_unprocessed_idx       ON billing_events (received_at)
    WHERE processed_at IS NULL;


-- The bounds say +00: without it they would mean the time zone of whoever runs this.
CREATE TABLE billing_events_2026_q1 PARTITION OF billing_events
    FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
CREATE TABLE billing_events_2026_q2 PARTITION OF billing_events
    FOR VALUES FROM ('2026-04-01 00:00:00+00') TO ('2026-07-01 00:00:00+00');
CREATE TABLE billing_events_2026_q3 PARTITION OF billing_events
    FOR VALUES FROM ('2026-07-01 00:00:00+00') TO ('2026-10-01 00:00:00+00');
CREATE TABLE billing_events_2026_q4 PARTITION OF billing_events
    FOR VALUES FROM ('2026-10-01 00:00:00+00') TO ('2027-01-01 00:00:00+00');

-- Nothing is lost when somebody forgets the next quarter. It should stay empty:
-- a partition cannot be added while rows of its quarter lie here.
CREATE TABLE billing_events_default PARTITION OF billing_events DEFAULT;


CREATE FUNCTION add_billing_events_partition(day date) RETURNS text
    LANGUAGE plpgsql
AS $$
DECLARE
    quarter        timestamp := date_trunc('quarter', day::timestamp);
    partition_name text      := to_char(quarter, '"billing_events_"YYYY"_q"Q');
BEGIN
    EXECUTE format(
        'CREATE TABLE IF NOT EXISTS %I PARTITION OF billing_events FOR VALUES FROM (%L) TO (%L)',
        partition_name,
        to_char(quarter, 'YYYY-MM-DD "00:00:00+00"'),
        to_char(quarter + interval '3 months', 'YYYY-MM-DD "00:00:00+00"')
    );
    RETURN partition_name;
END;
$$;

COMMENT ON FUNCTION add_billing_events_partition(date) IS 'Makes the partition of the quarter that holds the day, if it is not there; its name.';


-- migrate:downgrade

-- Loses the events: take a dump first. All partitions go with their parent,
-- those too that were added since.
DROP FUNCTION add_billing_events_partition(date);
DROP TABLE billing_events;
