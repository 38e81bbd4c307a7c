-- revision: 007
-- parents: [003, 006]
-- message: merge analogies and billing
-- created: 2026-03-02T11:20:00Z

-- migrate:upgrade

-- Both branches are in: now a plan can say how many analogies it includes, and
-- we can see what they cost beside what the plan earns.


-- A table of its own: billing knows nothing of analogies, and a plan without
-- a limit simply has no row.
CREATE TABLE plan_analogy_limits (
    plan_code         text    NOT NULL,
    analogies_per_day integer NOT NULL,

    CONSTRAINT plan_analogy_limits_pkey           PRIMARY KEY (plan_code),
    CONSTRAINT plan_analogy_limits_plan_code_fkey FOREIGN KEY (plan_code) REFERENCES plans (code) ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT plan_analogy_limits_per_day_check  CHECK (analogies_per_day >= 0)
);

COMMENT ON TABLE plan_analogy_limits IS 'Analogies included in a plan. No row: as many as one likes.';

INSERT INTO plan_analogy_limits (plan_code, analogies_per_day)
VALUES ('free', 3)
ON CONFLICT (plan_code) DO NOTHING;


-- Each side is summed up before they are joined: joined first, every invoice
-- would count once for each request.
CREATE VIEW plan_economics AS
WITH subscribers AS (
    SELECT plan, count(*) AS subscribers
    FROM subscriptions
    WHERE status IN ('trialing', 'active', 'past_due')
    GROUP BY plan
),
paid AS (
    SELECT plan_code, currency, sum(amount_cents) AS paid_cents
    FROM invoices
    WHERE status = 'paid'
      AND paid_at >= now() - interval '30 days'
    GROUP BY plan_code, currency
),
analogies_used AS (
    SELECT s.plan, count(*) AS requests, sum(r.cost_usd) AS cost_usd
    FROM analogy_requests AS r
    JOIN subscriptions AS s ON s.user_id = r.user_id
                           AND s.status IN ('trialing', 'active', 'past_due')
    WHERE r.requested_at >= now() - interval '30 days'
    GROUP BY s.plan
)
SELECT p.code                     AS plan_code,
       p.name                     AS plan_name,
       p.currency,
       coalesce(s.subscribers, 0) AS subscribers,
       coalesce(i.paid_cents, 0)  AS paid_cents_30_days,
       l.analogies_per_day,
       coalesce(a.requests, 0)    AS analogy_requests_30_days,
       coalesce(a.cost_usd, 0)    AS analogy_cost_usd_30_days
FROM plans AS p
LEFT JOIN subscribers         AS s ON s.plan = p.code
LEFT JOIN paid                AS i ON i.plan_code = p.code
                                  AND i.currency = p.currency
LEFT JOIN plan_analogy_limits AS l ON l.plan_code = p.code
LEFT JOIN analogies_used      AS a ON a.plan = p.code;

COMMENT ON VIEW plan_economics IS 'What each plan earns and what its analogies cost, over the last 30 days.';


-- migrate:downgrade

DROP VIEW plan_economics;
DROP TABLE plan_analogy_limits;
