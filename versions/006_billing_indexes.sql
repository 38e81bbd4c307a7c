-- revision: 006
-- parents: 005
-- message: billing indexes
-- created: 2026-02-16T06:30:00Z

-- migrate:upgrade transaction:false

-- subscriptions is written to day and night. CONCURRENTLY builds beside the
-- writers and cannot run in a transaction, so each statement here stands alone.
--
-- No IF NOT EXISTS: a build that fails leaves an invalid index of that name
-- behind, and IF NOT EXISTS would take it for the real one.

-- The index of the foreign key of revision 004.
CREATE INDEX CONCURRENTLY subscriptions_plan_idx
    ON subscriptions (plan);

-- A provider's message names the subscription by the provider's own id.
-- Unique: two rows for one would mean that somebody pays twice.
CREATE UNIQUE INDEX CONCURRENTLY subscriptions_external_reference_key
    ON subscriptions (provider, external_reference);


-- migrate:downgrade transaction:false

-- IF EXISTS: if only one of the two was made, this tidies up after it.
DROP INDEX CONCURRENTLY IF EXISTS subscriptions_external_reference_key;
DROP INDEX CONCURRENTLY IF EXISTS subscriptions_plan_idx;
