-- revision: 003
-- parents: 002
-- message: ai analogies
-- created: 2026-01-08T14:10:00Z
-- labels: analogies

-- migrate:upgrade

-- A learner who likes cooking has a question explained with cooking: a language
-- model writes the analogy once, everybody with the same taste is served the
-- same text, and the ratings say which texts are worth keeping.

-- Every request of every learner reads users. If a long transaction holds it,
-- give up after five seconds rather than make all of them queue behind us.
SET LOCAL lock_timeout = '5s';


-- What the learner wants -----------------------------------------------------

-- Constant defaults: no row is rewritten.
ALTER TABLE users
    ADD COLUMN analogies_enabled    boolean NOT NULL DEFAULT true,
    ADD COLUMN analogy_interests    text[]  NOT NULL DEFAULT '{}',
    ADD COLUMN analogy_complexity   text    NOT NULL DEFAULT 'balanced',
    ADD COLUMN analogies_offered_at timestamptz,
    ADD CONSTRAINT users_analogy_interests_check
        CHECK (cardinality(analogy_interests) <= 20),
    ADD CONSTRAINT users_analogy_complexity_check
        CHECK (analogy_complexity IN ('simple', 'balanced', 'detailed'));

COMMENT ON COLUMN users.analogy_interests    IS 'What analogies may be about, in the learner''s own words; the trigger tidies them.';
COMMENT ON COLUMN users.analogies_offered_at IS 'When the tour of the feature was shown. Nothing: not yet.';


-- People type " Cooking", "cooking" and "cooking ". One of them is enough.
CREATE FUNCTION tidy_analogy_interests() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    NEW.analogy_interests := ARRAY(
        SELECT DISTINCT lower(btrim(interest))
        FROM unnest(NEW.analogy_interests) AS interest
        WHERE btrim(interest) <> ''
        ORDER BY 1
    );
    RETURN NEW;
END;
$$;

COMMENT ON FUNCTION tidy_analogy_interests() IS 'BEFORE trigger on users: trims, folds case, drops doubles and blanks.';

CREATE TRIGGER users_tidy_analogy_interests
    BEFORE INSERT OR UPDATE OF analogy_interests ON users
    FOR EACH ROW EXECUTE FUNCTION tidy_analogy_interests();


-- Where analogies come from --------------------------------------------------

CREATE TABLE analogy_domains (
    code        text    NOT NULL,
    name        text    NOT NULL,
    description text    NOT NULL DEFAULT '',
    is_active   boolean NOT NULL DEFAULT true,

    CONSTRAINT analogy_domains_pkey       PRIMARY KEY (code),
    CONSTRAINT analogy_domains_name_key   UNIQUE (name),
    CONSTRAINT analogy_domains_code_check CHECK (code ~ '^[a-z][a-z_]*$')
);

COMMENT ON TABLE analogy_domains IS 'The fields of life that interests are mapped to.';


CREATE TABLE analogy_prompts (
    id         bigint      GENERATED ALWAYS AS IDENTITY,
    version    text        NOT NULL,
    model      text        NOT NULL,
    template   text        NOT NULL,
    is_current boolean     NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT analogy_prompts_pkey        PRIMARY KEY (id),
    CONSTRAINT analogy_prompts_version_key UNIQUE (version)
);

COMMENT ON TABLE analogy_prompts IS 'What the language model is asked. A prompt is replaced, never edited: analogies refer to it.';

CREATE UNIQUE INDEX analogy_prompts_one_current_key ON analogy_prompts (is_current)
    WHERE is_current;


CREATE TABLE analogies (
    id                 uuid          NOT NULL DEFAULT gen_random_uuid(),
    question_id        uuid,
    reading_content_id uuid,
    domain_code        text          NOT NULL,
    prompt_id          bigint        NOT NULL,
    complexity         text          NOT NULL DEFAULT 'balanced',
    body               text          NOT NULL,
    quality_score      numeric(4, 3),
    rating_count       bigint        NOT NULL DEFAULT 0,
    rating_sum         bigint        NOT NULL DEFAULT 0,
    retired_at         timestamptz,
    created_at         timestamptz   NOT NULL DEFAULT now(),
    updated_at         timestamptz   NOT NULL DEFAULT now(),

    CONSTRAINT analogies_pkey                    PRIMARY KEY (id),
    CONSTRAINT analogies_question_id_fkey        FOREIGN KEY (question_id)        REFERENCES questions (id)         ON DELETE CASCADE,
    CONSTRAINT analogies_reading_content_id_fkey FOREIGN KEY (reading_content_id) REFERENCES reading_content (id)   ON DELETE CASCADE,
    CONSTRAINT analogies_domain_code_fkey        FOREIGN KEY (domain_code)        REFERENCES analogy_domains (code) ON DELETE RESTRICT,
    CONSTRAINT analogies_prompt_id_fkey          FOREIGN KEY (prompt_id)          REFERENCES analogy_prompts (id)   ON DELETE RESTRICT,
    CONSTRAINT analogies_subject_check           CHECK (num_nonnulls(question_id, reading_content_id) = 1),
    CONSTRAINT analogies_complexity_check        CHECK (complexity IN ('simple', 'balanced', 'detailed')),
    CONSTRAINT analogies_quality_score_check     CHECK (quality_score BETWEEN 0 AND 1),
    CONSTRAINT analogies_rating_sum_check        CHECK (rating_sum BETWEEN rating_count AND 5 * rating_count)
);

COMMENT ON TABLE  analogies               IS 'The texts, each for one question or one reading text.';
COMMENT ON COLUMN analogies.quality_score IS '0 to 1, by a second model that checks the first. Nothing: not checked yet.';
COMMENT ON COLUMN analogies.rating_count  IS 'Kept by a trigger on analogy_ratings, like rating_sum.';
COMMENT ON COLUMN analogies.retired_at    IS 'A bad text is retired and may be written anew. Its ratings stay.';

-- The cache: one text in use for each subject, domain and complexity.
CREATE UNIQUE INDEX analogies_question_in_use_key ON analogies (question_id, domain_code, complexity)
    WHERE retired_at IS NULL AND question_id IS NOT NULL;
CREATE UNIQUE INDEX analogies_reading_in_use_key  ON analogies (reading_content_id, domain_code, complexity)
    WHERE retired_at IS NULL AND reading_content_id IS NOT NULL;
CREATE INDEX analogies_question_id_idx            ON analogies (question_id);
CREATE INDEX analogies_reading_content_id_idx     ON analogies (reading_content_id);
CREATE INDEX analogies_domain_code_idx            ON analogies (domain_code);
CREATE INDEX analogies_prompt_id_idx              ON analogies (prompt_id);

-- Of these columns only: being rated does not make a text newer.
CREATE TRIGGER analogies_set_updated_at
    BEFORE UPDATE OF body, quality_score, retired_at ON analogies
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();


-- What learners do with them -------------------------------------------------

CREATE TABLE analogy_ratings (
    id         bigint      GENERATED ALWAYS AS IDENTITY,
    user_id    uuid        NOT NULL,
    analogy_id uuid        NOT NULL,
    rating     integer     NOT NULL,
    comment    text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT analogy_ratings_pkey                   PRIMARY KEY (id),
    CONSTRAINT analogy_ratings_user_id_fkey           FOREIGN KEY (user_id)    REFERENCES users (id)     ON DELETE CASCADE,
    CONSTRAINT analogy_ratings_analogy_id_fkey        FOREIGN KEY (analogy_id) REFERENCES analogies (id) ON DELETE CASCADE,
    CONSTRAINT analogy_ratings_user_id_analogy_id_key UNIQUE (user_id, analogy_id),
    CONSTRAINT analogy_ratings_rating_check           CHECK (rating BETWEEN 1 AND 5)
);

COMMENT ON TABLE analogy_ratings IS 'Stars for an analogy, 1 to 5. One rating a person.';

CREATE INDEX analogy_ratings_analogy_id_idx ON analogy_ratings (analogy_id);

CREATE TRIGGER analogy_ratings_set_updated_at
    BEFORE UPDATE ON analogy_ratings
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();


-- Adds the difference instead of counting again: two people who rate the same
-- analogy at once wait for each other on its row, and both are counted.
CREATE FUNCTION count_analogy_rating() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE analogies
        SET rating_count = rating_count - 1,
            rating_sum   = rating_sum - OLD.rating
        WHERE id = OLD.analogy_id;
    END IF;

    IF TG_OP <> 'DELETE' THEN
        UPDATE analogies
        SET rating_count = rating_count + 1,
            rating_sum   = rating_sum + NEW.rating
        WHERE id = NEW.analogy_id;
    END IF;

    RETURN NULL;  -- an AFTER trigger: nobody looks at it
END;
$$;

COMMENT ON FUNCTION count_analogy_rating() IS 'AFTER trigger on analogy_ratings: keeps rating_count and rating_sum of analogies.';

CREATE TRIGGER analogy_ratings_count
    AFTER INSERT OR DELETE OR UPDATE OF analogy_id, rating ON analogy_ratings
    FOR EACH ROW EXECUTE FUNCTION count_analogy_rating();


CREATE TABLE analogy_requests (
    id           bigint         GENERATED ALWAYS AS IDENTITY,
    user_id      uuid           NOT NULL,
    analogy_id   uuid,
    domain_code  text           NOT NULL,
    outcome      text           NOT NULL,
    latency_ms   integer        NOT NULL,
    cost_usd     numeric(10, 6) NOT NULL DEFAULT 0,
    requested_at timestamptz    NOT NULL DEFAULT now(),

    CONSTRAINT analogy_requests_pkey             PRIMARY KEY (id),
    CONSTRAINT analogy_requests_user_id_fkey     FOREIGN KEY (user_id)     REFERENCES users (id)             ON DELETE CASCADE,
    CONSTRAINT analogy_requests_analogy_id_fkey  FOREIGN KEY (analogy_id)  REFERENCES analogies (id)         ON DELETE SET NULL,
    CONSTRAINT analogy_requests_domain_code_fkey FOREIGN KEY (domain_code) REFERENCES analogy_domains (code) ON DELETE RESTRICT,
    CONSTRAINT analogy_requests_outcome_check    CHECK (outcome IN ('cached', 'generated', 'failed')),
    CONSTRAINT analogy_requests_latency_ms_check CHECK (latency_ms >= 0),
    CONSTRAINT analogy_requests_cost_usd_check   CHECK (cost_usd >= 0)
);

COMMENT ON TABLE  analogy_requests            IS 'Each time an analogy was asked for, and what it cost. Append only.';
COMMENT ON COLUMN analogy_requests.analogy_id IS 'Nothing: the request failed, or the analogy is gone.';

CREATE INDEX analogy_requests_user_id_requested_at_idx ON analogy_requests (user_id, requested_at DESC);
CREATE INDEX analogy_requests_analogy_id_idx           ON analogy_requests (analogy_id);
CREATE INDEX analogy_requests_domain_code_idx          ON analogy_requests (domain_code);
CREATE INDEX analogy_requests_requested_at_idx         ON analogy_requests USING brin (requested_at);


-- How it goes ----------------------------------------------------------------

CREATE VIEW analogy_effectiveness AS
SELECT d.code                                                       AS domain_code,
       a.complexity,
       count(*)                                                     AS analogies,
       count(*) FILTER (WHERE a.retired_at IS NOT NULL)             AS retired,
       sum(a.rating_count)                                          AS ratings,
       round(sum(a.rating_sum) / nullif(sum(a.rating_count), 0), 2) AS average_rating,
       round(avg(a.quality_score), 3)                               AS average_quality_score
FROM analogies AS a
JOIN analogy_domains AS d ON d.code = a.domain_code
GROUP BY d.code, a.complexity;

COMMENT ON VIEW analogy_effectiveness IS 'Which domains and complexities learners find good.';


CREATE VIEW analogy_usage_daily AS
SELECT (requested_at AT TIME ZONE 'UTC')::date                  AS day,
       count(*)                                                 AS requests,
       count(*) FILTER (WHERE outcome = 'cached')               AS cached,
       count(*) FILTER (WHERE outcome = 'failed')               AS failed,
       count(DISTINCT user_id)                                  AS learners,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS latency_ms_p95,
       sum(cost_usd)                                            AS cost_usd
FROM analogy_requests
GROUP BY 1;

COMMENT ON VIEW analogy_usage_daily IS 'Load, speed and cost of each day, in UTC.';


-- The domains the platform starts with.
INSERT INTO analogy_domains (code, name, description)
VALUES ('cooking',   'Cooking',   'Recipes, kitchens, restaurants'),
       ('gardening', 'Gardening', 'Plants, soil, seasons'),
       ('music',     'Music',     'Instruments, bands, rehearsals'),
       ('sports',    'Sports',    'Teams, training, matches'),
       ('travel',    'Travel',    'Routes, luggage, timetables')
ON CONFLICT (code) DO NOTHING;


-- migrate:downgrade

-- Loses the analogies, their ratings and what learners chose: take a dump first.
SET LOCAL lock_timeout = '5s';

DROP VIEW analogy_usage_daily;
DROP VIEW analogy_effectiveness;

-- The triggers on a table go with it, their functions do not.
DROP TABLE analogy_requests;
DROP TABLE analogy_ratings;
DROP TABLE analogies;
DROP TABLE analogy_prompts;
DROP TABLE analogy_domains;
DROP FUNCTION count_analogy_rating();

-- The checks go with their columns.
DROP TRIGGER users_tidy_analogy_interests ON users;
DROP FUNCTION tidy_analogy_interests();
ALTER TABLE users
    DROP COLUMN analogies_offered_at,
    DROP COLUMN analogy_complexity,
    DROP COLUMN analogy_interests,
    DROP COLUMN analogies_enabled;
