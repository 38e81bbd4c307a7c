-- revision: 001
-- parents:
-- message: initial schema
-- created: 2025-01-15T09:00:00Z

-- migrate:upgrade

-- The learning platform: people, the courses they take, the questions they
-- answer, and what the platform concludes from the answers.
--
-- Conventions, here and in every later revision:
--   * What the outside world sees has a random uuid; logs have a bigint identity.
--   * Every constraint has a name: an error shows it, and a later revision drops it by it.
--   * Every foreign key has an index that begins with its column, or deleting the
--     referenced row would read the whole table.
--   * What belongs to a person goes when the person goes (CASCADE).
--     What people learn from stays as long as anybody has used it (RESTRICT).


-- Keeps updated_at true whichever program writes the row.
CREATE FUNCTION set_updated_at() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END;
$$;

COMMENT ON FUNCTION set_updated_at() IS 'BEFORE UPDATE trigger: stamps updated_at.';


-- People ---------------------------------------------------------------------

CREATE TABLE users (
    id              uuid        NOT NULL DEFAULT gen_random_uuid(),
    email           text        NOT NULL,
    password_hash   text        NOT NULL,
    full_name       text        NOT NULL,
    role            text        NOT NULL DEFAULT 'learner',
    is_active       boolean     NOT NULL DEFAULT true,
    last_login_at   timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT users_pkey        PRIMARY KEY (id),
    CONSTRAINT users_email_check CHECK (email LIKE '%_@_%' AND length(email) <= 254),
    CONSTRAINT users_role_check  CHECK (role IN ('learner', 'author', 'admin'))
);

COMMENT ON TABLE  users               IS 'Everybody who can log in.';
COMMENT ON COLUMN users.password_hash IS 'The full encoded hash, with algorithm and salt. Never a password.';

-- Ada@example.org and ada@example.org are one person, so the key folds case.
CREATE UNIQUE INDEX users_email_key ON users (lower(email));
CREATE INDEX users_created_at_idx   ON users (created_at);

CREATE TRIGGER users_set_updated_at
    BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();


-- What there is to learn -----------------------------------------------------

CREATE TABLE courses (
    id              uuid          NOT NULL DEFAULT gen_random_uuid(),
    slug            text          NOT NULL,
    title           text          NOT NULL,
    description     text          NOT NULL DEFAULT '',
    passing_score   numeric(5, 2) NOT NULL DEFAULT 70,
    is_published    boolean       NOT NULL DEFAULT false,
    created_at      timestamptz   NOT NULL DEFAULT now(),
    updated_at      timestamptz   NOT NULL DEFAULT now(),

    CONSTRAINT courses_pkey                PRIMARY KEY (id),
    CONSTRAINT courses_slug_key            UNIQUE (slug),
    CONSTRAINT courses_slug_check          CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    CONSTRAINT courses_passing_score_check CHECK (passing_score BETWEEN 0 AND 100)
);

COMMENT ON TABLE  courses               IS 'A course, usually the preparation for one exam.';
COMMENT ON COLUMN courses.slug          IS 'Name in URLs.';
COMMENT ON COLUMN courses.passing_score IS 'Percent of correct answers.';

CREATE TRIGGER courses_set_updated_at
    BEFORE UPDATE ON courses
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();


CREATE TABLE knowledge_areas (
    id          uuid          NOT NULL DEFAULT gen_random_uuid(),
    course_id   uuid          NOT NULL,
    code        text          NOT NULL,
    name        text          NOT NULL,
    position    integer       NOT NULL,
    exam_weight numeric(4, 3) NOT NULL DEFAULT 0,

    CONSTRAINT knowledge_areas_pkey               PRIMARY KEY (id),
    CONSTRAINT knowledge_areas_course_id_fkey     FOREIGN KEY (course_id) REFERENCES courses (id) ON DELETE RESTRICT,
    CONSTRAINT knowledge_areas_course_id_code_key UNIQUE (course_id, code),
    CONSTRAINT knowledge_areas_position_check     CHECK (position > 0),
    CONSTRAINT knowledge_areas_exam_weight_check  CHECK (exam_weight BETWEEN 0 AND 1)
);

COMMENT ON TABLE  knowledge_areas             IS 'The chapters of a course, in the order of position.';
COMMENT ON COLUMN knowledge_areas.exam_weight IS 'Share of the exam, 0 to 1; the shares of a course add up to 1.';

CREATE INDEX knowledge_areas_course_id_position_idx ON knowledge_areas (course_id, position);


-- A question knows its course through its knowledge area only: two columns
-- that say the same thing would sooner or later say different things.
CREATE TABLE questions (
    id                uuid          NOT NULL DEFAULT gen_random_uuid(),
    knowledge_area_id uuid          NOT NULL,
    concept           text          NOT NULL,
    stem              text          NOT NULL,
    options           jsonb         NOT NULL,
    correct_option    text          NOT NULL,
    explanation       text          NOT NULL,
    difficulty        numeric(5, 3) NOT NULL DEFAULT 0,
    discrimination    numeric(5, 3) NOT NULL DEFAULT 1,
    is_active         boolean       NOT NULL DEFAULT true,
    created_at        timestamptz   NOT NULL DEFAULT now(),
    updated_at        timestamptz   NOT NULL DEFAULT now(),

    CONSTRAINT questions_pkey                   PRIMARY KEY (id),
    CONSTRAINT questions_knowledge_area_id_fkey FOREIGN KEY (knowledge_area_id) REFERENCES knowledge_areas (id) ON DELETE RESTRICT,
    CONSTRAINT questions_options_check          CHECK (jsonb_typeof(options) = 'object'),
    CONSTRAINT questions_correct_option_check   CHECK (options ? correct_option),
    CONSTRAINT questions_discrimination_check   CHECK (discrimination > 0)
);

COMMENT ON TABLE  questions                IS 'Multiple choice. A question that was answered is switched off, never deleted.';
COMMENT ON COLUMN questions.options        IS 'Letter to text: {"A": "...", "B": "..."}.';
COMMENT ON COLUMN questions.difficulty     IS 'Item response theory, parameter b: on the scale of user_competency.ability.';
COMMENT ON COLUMN questions.discrimination IS 'Item response theory, parameter a.';

-- The next question is the one of an area whose difficulty is nearest to the learner's ability.
CREATE INDEX questions_knowledge_area_id_difficulty_idx ON questions (knowledge_area_id, difficulty);
CREATE INDEX questions_concept_idx                      ON questions (concept);

CREATE TRIGGER questions_set_updated_at
    BEFORE UPDATE ON questions
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();


CREATE TABLE reading_content (
    id                uuid        NOT NULL DEFAULT gen_random_uuid(),
    knowledge_area_id uuid        NOT NULL,
    title             text        NOT NULL,
    body              text        NOT NULL,
    concepts          text[]      NOT NULL DEFAULT '{}',
    minutes_to_read   integer     NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT reading_content_pkey                   PRIMARY KEY (id),
    CONSTRAINT reading_content_knowledge_area_id_fkey FOREIGN KEY (knowledge_area_id) REFERENCES knowledge_areas (id) ON DELETE RESTRICT,
    CONSTRAINT reading_content_minutes_to_read_check  CHECK (minutes_to_read > 0)
);

COMMENT ON TABLE  reading_content          IS 'Short texts offered where the answers show a gap.';
COMMENT ON COLUMN reading_content.concepts IS 'The concepts explained, as in questions.concept.';

CREATE INDEX reading_content_knowledge_area_id_idx ON reading_content (knowledge_area_id);
CREATE INDEX reading_content_concepts_idx          ON reading_content USING gin (concepts);
CREATE INDEX reading_content_search_idx            ON reading_content USING gin (to_tsvector('english', title || ' ' || body));

CREATE TRIGGER reading_content_set_updated_at
    BEFORE UPDATE ON reading_content
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();


-- What a person did, and what follows from it --------------------------------

CREATE TABLE user_responses (
    id              bigint      GENERATED ALWAYS AS IDENTITY,
    user_id         uuid        NOT NULL,
    question_id     uuid        NOT NULL,
    selected_option text        NOT NULL,
    is_correct      boolean     NOT NULL,
    response_ms     integer     NOT NULL,
    answered_at     timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT user_responses_pkey              PRIMARY KEY (id),
    CONSTRAINT user_responses_user_id_fkey      FOREIGN KEY (user_id)     REFERENCES users (id)     ON DELETE CASCADE,
    CONSTRAINT user_responses_question_id_fkey  FOREIGN KEY (question_id) REFERENCES questions (id) ON DELETE RESTRICT,
    CONSTRAINT user_responses_response_ms_check CHECK (response_ms >= 0)
);

COMMENT ON TABLE  user_responses            IS 'Every answer ever given. Append only, the largest table.';
COMMENT ON COLUMN user_responses.is_correct IS 'As judged at the time: the question may be corrected later.';

CREATE INDEX user_responses_user_id_answered_at_idx ON user_responses (user_id, answered_at DESC);
CREATE INDEX user_responses_question_id_idx         ON user_responses (question_id);
-- Rows arrive in the order of time, so a BRIN finds a week of them with a few kilobytes of index.
CREATE INDEX user_responses_answered_at_idx         ON user_responses USING brin (answered_at);


CREATE TABLE user_competency (
    user_id           uuid          NOT NULL,
    knowledge_area_id uuid          NOT NULL,
    ability           numeric(5, 3) NOT NULL DEFAULT 0,
    standard_error    numeric(5, 3) NOT NULL DEFAULT 1,
    response_count    integer       NOT NULL DEFAULT 0,
    updated_at        timestamptz   NOT NULL DEFAULT now(),

    CONSTRAINT user_competency_pkey                   PRIMARY KEY (user_id, knowledge_area_id),
    CONSTRAINT user_competency_user_id_fkey           FOREIGN KEY (user_id)           REFERENCES users (id)           ON DELETE CASCADE,
    CONSTRAINT user_competency_knowledge_area_id_fkey FOREIGN KEY (knowledge_area_id) REFERENCES knowledge_areas (id) ON DELETE RESTRICT,
    CONSTRAINT user_competency_standard_error_check   CHECK (standard_error > 0),
    CONSTRAINT user_competency_response_count_check   CHECK (response_count >= 0)
);

COMMENT ON TABLE user_competency IS 'The estimate of today for each person and knowledge area.';

CREATE INDEX user_competency_knowledge_area_id_idx ON user_competency (knowledge_area_id);

CREATE TRIGGER user_competency_set_updated_at
    BEFORE UPDATE ON user_competency
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();


CREATE TABLE concept_mastery (
    user_id           uuid          NOT NULL,
    knowledge_area_id uuid          NOT NULL,
    concept           text          NOT NULL,
    mastery           numeric(4, 3) NOT NULL DEFAULT 0,
    next_review_at    timestamptz,
    updated_at        timestamptz   NOT NULL DEFAULT now(),

    CONSTRAINT concept_mastery_pkey                   PRIMARY KEY (user_id, knowledge_area_id, concept),
    CONSTRAINT concept_mastery_user_id_fkey           FOREIGN KEY (user_id)           REFERENCES users (id)           ON DELETE CASCADE,
    CONSTRAINT concept_mastery_knowledge_area_id_fkey FOREIGN KEY (knowledge_area_id) REFERENCES knowledge_areas (id) ON DELETE RESTRICT,
    CONSTRAINT concept_mastery_mastery_check          CHECK (mastery BETWEEN 0 AND 1)
);

COMMENT ON TABLE  concept_mastery                IS 'How well a person knows a concept, and when to ask again.';
COMMENT ON COLUMN concept_mastery.next_review_at IS 'Nothing: not scheduled.';

CREATE INDEX concept_mastery_knowledge_area_id_idx      ON concept_mastery (knowledge_area_id);
CREATE INDEX concept_mastery_user_id_next_review_at_idx ON concept_mastery (user_id, next_review_at);

CREATE TRIGGER concept_mastery_set_updated_at
    BEFORE UPDATE ON concept_mastery
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();


-- Joining, and paying --------------------------------------------------------

CREATE TABLE user_onboarding (
    user_id       uuid        NOT NULL,
    course_id     uuid        NOT NULL,
    exam_date     date,
    daily_minutes integer     NOT NULL DEFAULT 30,
    heard_from    text,
    completed_at  timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT user_onboarding_pkey                PRIMARY KEY (user_id),
    CONSTRAINT user_onboarding_user_id_fkey        FOREIGN KEY (user_id)   REFERENCES users (id)   ON DELETE CASCADE,
    CONSTRAINT user_onboarding_course_id_fkey      FOREIGN KEY (course_id) REFERENCES courses (id) ON DELETE RESTRICT,
    CONSTRAINT user_onboarding_daily_minutes_check CHECK (daily_minutes BETWEEN 5 AND 480)
);

COMMENT ON TABLE user_onboarding IS 'What a person told us when joining: at most one row for each.';

CREATE INDEX user_onboarding_course_id_idx ON user_onboarding (course_id);


CREATE TABLE subscriptions (
    id                   uuid        NOT NULL DEFAULT gen_random_uuid(),
    user_id              uuid        NOT NULL,
    plan                 text        NOT NULL,
    status               text        NOT NULL,
    provider             text        NOT NULL,
    external_reference   text        NOT NULL,
    current_period_start timestamptz NOT NULL,
    current_period_end   timestamptz NOT NULL,
    canceled_at          timestamptz,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT subscriptions_pkey         PRIMARY KEY (id),
    CONSTRAINT subscriptions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT subscriptions_plan_check   CHECK (plan <> ''),
    CONSTRAINT subscriptions_status_check CHECK (status IN ('trialing', 'active', 'past_due', 'canceled', 'expired')),
    CONSTRAINT subscriptions_period_check CHECK (current_period_end > current_period_start)
);

COMMENT ON TABLE  subscriptions                    IS 'Past and present subscriptions, as the payment provider reports them.';
COMMENT ON COLUMN subscriptions.external_reference IS 'The provider''s own id of the subscription.';

CREATE INDEX subscriptions_user_id_idx            ON subscriptions (user_id);
CREATE INDEX subscriptions_current_period_end_idx ON subscriptions (current_period_end);
-- A person may have had many subscriptions, but is charged for one.
CREATE UNIQUE INDEX subscriptions_one_live_key    ON subscriptions (user_id)
    WHERE status IN ('trialing', 'active', 'past_due');

CREATE TRIGGER subscriptions_set_updated_at
    BEFORE UPDATE ON subscriptions
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();


-- migrate:downgrade

-- Back to an empty schema. No CASCADE: if anything else has come to depend on
-- one of these tables, this must stop rather than take it along.
DROP TABLE subscriptions;
DROP TABLE user_onboarding;
DROP TABLE concept_mastery;
DROP TABLE user_competency;
DROP TABLE user_responses;
DROP TABLE reading_content;
DROP TABLE questions;
DROP TABLE knowledge_areas;
DROP TABLE courses;
DROP TABLE users;

DROP FUNCTION set_updated_at();
