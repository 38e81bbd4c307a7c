-- revision: 004
-- parents: 002
-- message: billing plans and invoices
-- created: 2026-01-19T10:05:00Z
-- labels: billing

-- migrate:upgrade

-- Until now a plan was a word in subscriptions, and invoices were the payment
-- provider's business. Both become tables.

-- subscriptions is read at every log-in: do not let log-ins queue behind us.
SET LOCAL lock_timeout = '5s';


-- Plans ----------------------------------------------------------------------

CREATE TABLE plans (
    code          text    NOT NULL,
    name          text    NOT NULL,
    price_cents   bigint  NOT NULL,
    currency      text    NOT NULL DEFAULT 'EUR',
    period_months integer NOT NULL DEFAULT 1,
    is_offered    boolean NOT NULL DEFAULT true,

    CONSTRAINT plans_pkey                PRIMARY KEY (code),
    CONSTRAINT plans_code_check          CHECK (code <> ''),
    CONSTRAINT plans_price_cents_check   CHECK (price_cents >= 0),
    CONSTRAINT plans_currency_check      CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT plans_period_months_check CHECK (period_months > 0)
);

COMMENT ON TABLE  plans               IS 'What can be subscribed to. The code is the key: it stands in subscriptions already.';
COMMENT ON COLUMN plans.price_cents   IS 'For one period, in hundredths of the currency.';
COMMENT ON COLUMN plans.is_offered    IS 'False: those who have it keep it, nobody new gets it.';

INSERT INTO plans (code, name, price_cents, period_months)
VALUES ('free',    'Free',      0,     1),
       ('monthly', 'Monthly',   1900,  1),
       ('yearly',  'Yearly',    18900, 12)
ON CONFLICT (code) DO NOTHING;

-- Words of the past that stand in subscriptions: known, but offered no more.
INSERT INTO plans (code, name, price_cents, is_offered)
SELECT DISTINCT plan, plan, 0, false
FROM subscriptions
ON CONFLICT (code) DO NOTHING;

-- Checked at once: at most a few rows a person, a matter of milliseconds.
-- Its index comes in revision 006, where it can be built beside the traffic.
ALTER TABLE subscriptions
    ADD CONSTRAINT subscriptions_plan_fkey
        FOREIGN KEY (plan) REFERENCES plans (code) ON UPDATE CASCADE ON DELETE RESTRICT;


-- Invoices -------------------------------------------------------------------

-- An enum, for the states are the provider's and their order is the life of an
-- invoice: draft < open < paid sorts as one expects.
CREATE TYPE invoice_status AS ENUM ('draft', 'open', 'paid', 'uncollectible', 'void');

COMMENT ON TYPE invoice_status IS 'The life of an invoice, as the payment provider names it.';


-- Bills must be kept for years, so they do not go when a person goes: the
-- account is made anonymous, and RESTRICT sees to it that it is not deleted.
CREATE TABLE invoices (
    id              uuid           NOT NULL DEFAULT gen_random_uuid(),
    number          text           NOT NULL,
    user_id         uuid           NOT NULL,
    subscription_id uuid,
    plan_code       text           NOT NULL,
    status          invoice_status NOT NULL DEFAULT 'draft',
    amount_cents    bigint         NOT NULL,
    currency        text           NOT NULL DEFAULT 'EUR',
    issued_at       timestamptz,
    due_at          timestamptz,
    paid_at         timestamptz,
    created_at      timestamptz    NOT NULL DEFAULT now(),
    updated_at      timestamptz    NOT NULL DEFAULT now(),

    CONSTRAINT invoices_pkey                 PRIMARY KEY (id),
    CONSTRAINT invoices_number_key           UNIQUE (number),
    CONSTRAINT invoices_user_id_fkey         FOREIGN KEY (user_id)         REFERENCES users (id)         ON DELETE RESTRICT,
    CONSTRAINT invoices_subscription_id_fkey FOREIGN KEY (subscription_id) REFERENCES subscriptions (id) ON DELETE SET NULL,
    CONSTRAINT invoices_plan_code_fkey       FOREIGN KEY (plan_code)       REFERENCES plans (code)       ON UPDATE CASCADE ON DELETE RESTRICT,
    CONSTRAINT invoices_amount_cents_check   CHECK (amount_cents >= 0),
    CONSTRAINT invoices_currency_check       CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT invoices_issued_at_check      CHECK (status = 'draft' OR num_nulls(issued_at, due_at) = 0),
    CONSTRAINT invoices_paid_at_check        CHECK ((status = 'paid') = (paid_at IS NOT NULL))
);

COMMENT ON TABLE  invoices              IS 'A bill for one period of a subscription.';
COMMENT ON COLUMN invoices.plan_code    IS 'The plan at the time: the subscription may have changed since.';
COMMENT ON COLUMN invoices.amount_cents IS 'What was billed, whatever the plan costs today.';

CREATE INDEX invoices_user_id_issued_at_idx ON invoices (user_id, issued_at DESC);
CREATE INDEX invoices_subscription_id_idx   ON invoices (subscription_id);
CREATE INDEX invoices_plan_code_idx         ON invoices (plan_code);
-- Reminders look at open bills only: a handful among years of paid ones.
CREATE INDEX invoices_open_due_at_idx       ON invoices (due_at)
    WHERE status = 'open';

CREATE TRIGGER invoices_set_updated_at
    BEFORE UPDATE ON invoices
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();


-- migrate:downgrade

-- Loses the invoices: take a dump first. In subscriptions the plan is a word again.
SET LOCAL lock_timeout = '5s';

DROP TABLE invoices;
DROP TYPE invoice_status;

ALTER TABLE subscriptions
    DROP CONSTRAINT subscriptions_plan_fkey;
DROP TABLE plans;
