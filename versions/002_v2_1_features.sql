-- revision: 002
-- parents: 001
-- message: v2.1 features
-- created: 2025-11-20T09:30:00Z

-- migrate:upgrade

-- Version 2.1: answers are grouped into sessions, sessions are reviewed after a
-- while, reading is queued, kept and rated, and what admins do is written down.


-- Sessions -------------------------------------------------------------------

CREATE TABLE quiz_sessions (
    id                uuid        NOT NULL DEFAULT gen_random_uuid(),
    user_id           uuid        NOT NULL,
    course_id         uuid        NOT NULL,
    knowledge_area_id uuid,
    mode              text        NOT NULL DEFAULT 'practice',
    question_count    integer     NOT NULL,
    correct_count     integer     NOT NULL DEFAULT 0,
    started_at        timestamptz NOT NULL DEFAULT now(),
    ended_at          timestamptz,

    CONSTRAINT quiz_sessions_pkey                   PRIMARY KEY (id),
    CONSTRAINT quiz_sessions_user_id_fkey           FOREIGN KEY (user_id)           REFERENCES users (id)           ON DELETE CASCADE,
    CONSTRAINT quiz_sessions_course_id_fkey         FOREIGN KEY (course_id)         REFERENCES courses (id)         ON DELETE RESTRICT,
    CONSTRAINT quiz_sessions_knowledge_area_id_fkey FOREIGN KEY (knowledge_area_id) REFERENCES knowledge_areas (id) ON DELETE RESTRICT,
    CONSTRAINT quiz_sessions_mode_check             CHECK (mode IN ('diagnostic', 'practice', 'mock_exam')),
    CONSTRAINT quiz_sessions_question_count_check   CHECK (question_count > 0),
    CONSTRAINT quiz_sessions_correct_count_check    CHECK (correct_count BETWEEN 0 AND question_count),
    CONSTRAINT quiz_sessions_ended_at_check         CHECK (ended_at >= started_at)
);

COMMENT ON TABLE  quiz_sessions                   IS 'One sitting of questions.';
COMMENT ON COLUMN quiz_sessions.knowledge_area_id IS 'Nothing: questions from the whole course.';
COMMENT ON COLUMN quiz_sessions.ended_at          IS 'Nothing: still open.';

CREATE INDEX quiz_sessions_user_id_started_at_idx ON quiz_sessions (user_id, started_at DESC);
CREATE INDEX quiz_sessions_course_id_idx          ON quiz_sessions (course_id);
CREATE INDEX quiz_sessions_knowledge_area_id_idx  ON quiz_sessions (knowledge_area_id);
-- A second tab continues the open session instead of starting another.
CREATE UNIQUE INDEX quiz_sessions_one_open_key    ON quiz_sessions (user_id, course_id)
    WHERE ended_at IS NULL;
-- For the job that closes sessions nobody came back to.
CREATE INDEX quiz_sessions_open_started_at_idx    ON quiz_sessions (started_at)
    WHERE ended_at IS NULL;
CREATE INDEX quiz_sessions_mock_exams_idx         ON quiz_sessions (course_id, ended_at DESC)
    WHERE mode = 'mock_exam';


-- Answers from before 2.1 belong to no session and keep NULL, so adding the
-- column rewrites nothing. Index and constraint read the table once while
-- writers wait: seconds at its present size. Once that is too long, an index is
-- built as in revision 006.
ALTER TABLE user_responses
    ADD COLUMN session_id uuid,
    ADD CONSTRAINT user_responses_session_id_fkey
        FOREIGN KEY (session_id) REFERENCES quiz_sessions (id) ON DELETE SET NULL;

COMMENT ON COLUMN user_responses.session_id IS 'Nothing: answered before version 2.1.';

CREATE INDEX user_responses_session_id_idx ON user_responses (session_id);


CREATE TABLE competency_history (
    id                bigint        GENERATED ALWAYS AS IDENTITY,
    user_id           uuid          NOT NULL,
    knowledge_area_id uuid          NOT NULL,
    session_id        uuid,
    ability           numeric(5, 3) NOT NULL,
    standard_error    numeric(5, 3) NOT NULL,
    recorded_at       timestamptz   NOT NULL DEFAULT now(),

    CONSTRAINT competency_history_pkey                   PRIMARY KEY (id),
    CONSTRAINT competency_history_user_id_fkey           FOREIGN KEY (user_id)           REFERENCES users (id)           ON DELETE CASCADE,
    CONSTRAINT competency_history_knowledge_area_id_fkey FOREIGN KEY (knowledge_area_id) REFERENCES knowledge_areas (id) ON DELETE RESTRICT,
    CONSTRAINT competency_history_session_id_fkey        FOREIGN KEY (session_id)        REFERENCES quiz_sessions (id)   ON DELETE SET NULL,
    CONSTRAINT competency_history_standard_error_check   CHECK (standard_error > 0)
);

COMMENT ON TABLE competency_history IS 'How user_competency went over time: a row for each change. Append only.';

CREATE INDEX competency_history_user_id_area_recorded_at_idx ON competency_history (user_id, knowledge_area_id, recorded_at DESC);
CREATE INDEX competency_history_knowledge_area_id_idx        ON competency_history (knowledge_area_id);
CREATE INDEX competency_history_session_id_idx               ON competency_history (session_id);
CREATE INDEX competency_history_recorded_at_idx              ON competency_history USING brin (recorded_at);


-- Accounts -------------------------------------------------------------------

CREATE TABLE password_reset_tokens (
    id           bigint      GENERATED ALWAYS AS IDENTITY,
    user_id      uuid        NOT NULL,
    token_hash   bytea       NOT NULL,
    requested_by inet,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz,

    CONSTRAINT password_reset_tokens_pkey             PRIMARY KEY (id),
    CONSTRAINT password_reset_tokens_user_id_fkey     FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT password_reset_tokens_token_hash_key   UNIQUE (token_hash),
    CONSTRAINT password_reset_tokens_token_hash_check CHECK (octet_length(token_hash) = 32),
    CONSTRAINT password_reset_tokens_expires_at_check CHECK (expires_at > created_at)
);

COMMENT ON TABLE  password_reset_tokens            IS 'Links sent by mail, each good for one use.';
COMMENT ON COLUMN password_reset_tokens.token_hash IS 'SHA-256 of the token: who reads this table can reset nothing.';

CREATE INDEX password_reset_tokens_user_id_created_at_idx ON password_reset_tokens (user_id, created_at DESC);
CREATE INDEX password_reset_tokens_expires_at_idx         ON password_reset_tokens (expires_at);
-- Asking again replaces the link that is out: INSERT ... ON CONFLICT DO UPDATE.
CREATE UNIQUE INDEX password_reset_tokens_one_unused_key  ON password_reset_tokens (user_id)
    WHERE used_at IS NULL;


-- Reviews --------------------------------------------------------------------

CREATE TABLE session_reviews (
    id           uuid        NOT NULL DEFAULT gen_random_uuid(),
    session_id   uuid        NOT NULL,
    round        integer     NOT NULL DEFAULT 1,
    due_at       timestamptz NOT NULL,
    started_at   timestamptz,
    completed_at timestamptz,

    CONSTRAINT session_reviews_pkey                 PRIMARY KEY (id),
    CONSTRAINT session_reviews_session_id_fkey      FOREIGN KEY (session_id) REFERENCES quiz_sessions (id) ON DELETE CASCADE,
    CONSTRAINT session_reviews_session_id_round_key UNIQUE (session_id, round),
    CONSTRAINT session_reviews_round_check          CHECK (round > 0),
    CONSTRAINT session_reviews_completed_at_check   CHECK (completed_at IS NULL OR (started_at IS NOT NULL AND completed_at >= started_at))
);

COMMENT ON TABLE  session_reviews       IS 'A session is asked again, after growing pauses, where it went wrong.';
COMMENT ON COLUMN session_reviews.round IS '1 for the first review of the session.';

CREATE INDEX session_reviews_due_at_idx ON session_reviews (due_at)
    WHERE completed_at IS NULL;


CREATE TABLE review_attempts (
    id              bigint      GENERATED ALWAYS AS IDENTITY,
    review_id       uuid        NOT NULL,
    question_id     uuid        NOT NULL,
    response_id     bigint,
    selected_option text        NOT NULL,
    is_correct      boolean     NOT NULL,
    answered_at     timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT review_attempts_pkey                      PRIMARY KEY (id),
    CONSTRAINT review_attempts_review_id_fkey            FOREIGN KEY (review_id)   REFERENCES session_reviews (id) ON DELETE CASCADE,
    CONSTRAINT review_attempts_question_id_fkey          FOREIGN KEY (question_id) REFERENCES questions (id)       ON DELETE RESTRICT,
    CONSTRAINT review_attempts_response_id_fkey          FOREIGN KEY (response_id) REFERENCES user_responses (id)  ON DELETE SET NULL,
    CONSTRAINT review_attempts_review_id_question_id_key UNIQUE (review_id, question_id)
);

COMMENT ON TABLE  review_attempts             IS 'The answers given in a review. They do not count as user_responses.';
COMMENT ON COLUMN review_attempts.response_id IS 'The answer of the session that is being made good.';

CREATE INDEX review_attempts_question_id_idx ON review_attempts (question_id);
CREATE INDEX review_attempts_response_id_idx ON review_attempts (response_id);
CREATE INDEX review_attempts_answered_at_idx ON review_attempts USING brin (answered_at);
-- Questions that are missed again and again are badly put: the authors look at them.
CREATE INDEX review_attempts_missed_idx      ON review_attempts (question_id, answered_at DESC)
    WHERE NOT is_correct;


-- Reading --------------------------------------------------------------------

CREATE TABLE reading_queue (
    id                 bigint      GENERATED ALWAYS AS IDENTITY,
    user_id            uuid        NOT NULL,
    reading_content_id uuid        NOT NULL,
    question_id        uuid,
    session_id         uuid,
    priority           integer     NOT NULL DEFAULT 3,
    status             text        NOT NULL DEFAULT 'pending',
    queued_at          timestamptz NOT NULL DEFAULT now(),
    finished_at        timestamptz,

    CONSTRAINT reading_queue_pkey                    PRIMARY KEY (id),
    CONSTRAINT reading_queue_user_id_fkey            FOREIGN KEY (user_id)            REFERENCES users (id)           ON DELETE CASCADE,
    CONSTRAINT reading_queue_reading_content_id_fkey FOREIGN KEY (reading_content_id) REFERENCES reading_content (id) ON DELETE CASCADE,
    CONSTRAINT reading_queue_question_id_fkey        FOREIGN KEY (question_id)        REFERENCES questions (id)       ON DELETE SET NULL,
    CONSTRAINT reading_queue_session_id_fkey         FOREIGN KEY (session_id)         REFERENCES quiz_sessions (id)   ON DELETE SET NULL,
    CONSTRAINT reading_queue_priority_check          CHECK (priority BETWEEN 1 AND 5),
    CONSTRAINT reading_queue_status_check            CHECK (status IN ('pending', 'reading', 'done', 'dismissed')),
    CONSTRAINT reading_queue_finished_at_check       CHECK ((status IN ('done', 'dismissed')) = (finished_at IS NOT NULL))
);

COMMENT ON TABLE  reading_queue             IS 'What a person should read next, and why.';
COMMENT ON COLUMN reading_queue.question_id IS 'The question whose wrong answer put the text here, if one did.';
COMMENT ON COLUMN reading_queue.priority    IS '1 is the most urgent.';

CREATE INDEX reading_queue_user_id_priority_idx   ON reading_queue (user_id, priority, queued_at);
CREATE INDEX reading_queue_reading_content_id_idx ON reading_queue (reading_content_id);
CREATE INDEX reading_queue_question_id_idx        ON reading_queue (question_id);
CREATE INDEX reading_queue_session_id_idx         ON reading_queue (session_id);
-- A text waits once; when it is done it may be queued again.
CREATE UNIQUE INDEX reading_queue_one_waiting_key ON reading_queue (user_id, reading_content_id)
    WHERE status IN ('pending', 'reading');


CREATE TABLE reading_bookmarks (
    user_id            uuid        NOT NULL,
    reading_content_id uuid        NOT NULL,
    note               text,
    created_at         timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT reading_bookmarks_pkey                    PRIMARY KEY (user_id, reading_content_id),
    CONSTRAINT reading_bookmarks_user_id_fkey            FOREIGN KEY (user_id)            REFERENCES users (id)           ON DELETE CASCADE,
    CONSTRAINT reading_bookmarks_reading_content_id_fkey FOREIGN KEY (reading_content_id) REFERENCES reading_content (id) ON DELETE CASCADE
);

COMMENT ON TABLE reading_bookmarks IS 'Texts a person wants to find again.';

CREATE INDEX reading_bookmarks_reading_content_id_idx ON reading_bookmarks (reading_content_id);
CREATE INDEX reading_bookmarks_user_id_created_at_idx ON reading_bookmarks (user_id, created_at DESC);


CREATE TABLE reading_engagement (
    id                 bigint        GENERATED ALWAYS AS IDENTITY,
    user_id            uuid          NOT NULL,
    reading_content_id uuid          NOT NULL,
    queue_id           bigint,
    seconds_read       integer       NOT NULL DEFAULT 0,
    percent_seen       numeric(5, 2) NOT NULL DEFAULT 0,
    started_at         timestamptz   NOT NULL DEFAULT now(),
    finished_at        timestamptz,

    CONSTRAINT reading_engagement_pkey                    PRIMARY KEY (id),
    CONSTRAINT reading_engagement_user_id_fkey            FOREIGN KEY (user_id)            REFERENCES users (id)           ON DELETE CASCADE,
    CONSTRAINT reading_engagement_reading_content_id_fkey FOREIGN KEY (reading_content_id) REFERENCES reading_content (id) ON DELETE CASCADE,
    CONSTRAINT reading_engagement_queue_id_fkey           FOREIGN KEY (queue_id)           REFERENCES reading_queue (id)   ON DELETE SET NULL,
    CONSTRAINT reading_engagement_seconds_read_check      CHECK (seconds_read >= 0),
    CONSTRAINT reading_engagement_percent_seen_check      CHECK (percent_seen BETWEEN 0 AND 100),
    CONSTRAINT reading_engagement_finished_at_check       CHECK (finished_at >= started_at)
);

COMMENT ON TABLE  reading_engagement              IS 'Each time a text was open: how long, and how far down.';
COMMENT ON COLUMN reading_engagement.seconds_read IS 'With the window in front; a forgotten tab does not count.';

CREATE INDEX reading_engagement_user_id_started_at_idx ON reading_engagement (user_id, started_at DESC);
CREATE INDEX reading_engagement_reading_content_id_idx ON reading_engagement (reading_content_id);
CREATE INDEX reading_engagement_queue_id_idx           ON reading_engagement (queue_id);
CREATE INDEX reading_engagement_started_at_idx         ON reading_engagement USING brin (started_at);
-- "Go on reading" on the start page.
CREATE INDEX reading_engagement_unfinished_idx         ON reading_engagement (user_id, reading_content_id)
    WHERE finished_at IS NULL;


-- Feedback -------------------------------------------------------------------

CREATE TABLE explanation_feedback (
    id          bigint      GENERATED ALWAYS AS IDENTITY,
    user_id     uuid        NOT NULL,
    question_id uuid        NOT NULL,
    response_id bigint,
    is_helpful  boolean     NOT NULL,
    comment     text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,

    CONSTRAINT explanation_feedback_pkey                    PRIMARY KEY (id),
    CONSTRAINT explanation_feedback_user_id_fkey            FOREIGN KEY (user_id)     REFERENCES users (id)          ON DELETE CASCADE,
    CONSTRAINT explanation_feedback_question_id_fkey        FOREIGN KEY (question_id) REFERENCES questions (id)      ON DELETE CASCADE,
    CONSTRAINT explanation_feedback_response_id_fkey        FOREIGN KEY (response_id) REFERENCES user_responses (id) ON DELETE SET NULL,
    CONSTRAINT explanation_feedback_user_id_question_id_key UNIQUE (user_id, question_id)
);

COMMENT ON TABLE  explanation_feedback             IS 'Did the explanation of a question help? One answer a person.';
COMMENT ON COLUMN explanation_feedback.response_id IS 'The answer after which the explanation was shown.';

CREATE INDEX explanation_feedback_question_id_helpful_idx ON explanation_feedback (question_id, is_helpful);
CREATE INDEX explanation_feedback_response_id_idx         ON explanation_feedback (response_id);
CREATE INDEX explanation_feedback_to_answer_idx           ON explanation_feedback (created_at)
    WHERE comment IS NOT NULL AND resolved_at IS NULL;


CREATE TABLE reading_feedback (
    id                 bigint      GENERATED ALWAYS AS IDENTITY,
    user_id            uuid        NOT NULL,
    reading_content_id uuid        NOT NULL,
    rating             integer     NOT NULL,
    comment            text,
    created_at         timestamptz NOT NULL DEFAULT now(),
    resolved_at        timestamptz,

    CONSTRAINT reading_feedback_pkey                    PRIMARY KEY (id),
    CONSTRAINT reading_feedback_user_id_fkey            FOREIGN KEY (user_id)            REFERENCES users (id)           ON DELETE CASCADE,
    CONSTRAINT reading_feedback_reading_content_id_fkey FOREIGN KEY (reading_content_id) REFERENCES reading_content (id) ON DELETE CASCADE,
    CONSTRAINT reading_feedback_user_id_content_id_key  UNIQUE (user_id, reading_content_id),
    CONSTRAINT reading_feedback_rating_check            CHECK (rating BETWEEN 1 AND 5)
);

COMMENT ON TABLE reading_feedback IS 'Stars for a text, 1 to 5. One rating a person.';

CREATE INDEX reading_feedback_content_id_rating_idx ON reading_feedback (reading_content_id, rating);
CREATE INDEX reading_feedback_to_answer_idx         ON reading_feedback (created_at)
    WHERE comment IS NOT NULL AND resolved_at IS NULL;


-- Administration -------------------------------------------------------------

-- The log outlives the people in it: the reference goes, the address stays.
CREATE TABLE admin_audit_log (
    id             bigint      GENERATED ALWAYS AS IDENTITY,
    actor_id       uuid,
    actor_email    text        NOT NULL,
    target_user_id uuid,
    action         text        NOT NULL,
    entity_type    text        NOT NULL,
    entity_id      text        NOT NULL,
    changes        jsonb       NOT NULL DEFAULT '{}',
    ip_address     inet,
    occurred_at    timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT admin_audit_log_pkey                PRIMARY KEY (id),
    CONSTRAINT admin_audit_log_actor_id_fkey       FOREIGN KEY (actor_id)       REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT admin_audit_log_target_user_id_fkey FOREIGN KEY (target_user_id) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT admin_audit_log_changes_check       CHECK (jsonb_typeof(changes) = 'object')
);

COMMENT ON TABLE  admin_audit_log           IS 'Who changed what for whom. Append only.';
COMMENT ON COLUMN admin_audit_log.entity_id IS 'Text, for the keys of the tables are of different types.';
COMMENT ON COLUMN admin_audit_log.changes   IS 'Column to [before, after].';

CREATE INDEX admin_audit_log_actor_id_occurred_at_idx       ON admin_audit_log (actor_id, occurred_at DESC);
CREATE INDEX admin_audit_log_target_user_id_occurred_at_idx ON admin_audit_log (target_user_id, occurred_at DESC);
CREATE INDEX admin_audit_log_action_occurred_at_idx         ON admin_audit_log (action, occurred_at DESC);
CREATE INDEX admin_audit_log_entity_idx                     ON admin_audit_log (entity_type, entity_id);
CREATE INDEX admin_audit_log_occurred_at_idx                ON admin_audit_log USING brin (occurred_at);
CREATE INDEX admin_audit_log_changes_idx                    ON admin_audit_log USING gin (changes jsonb_path_ops);


-- migrate:downgrade

-- The answers stay; which session they belonged to is forgotten.
-- The index and the foreign key go with the column.
ALTER TABLE user_responses
    DROP COLUMN session_id;

DROP TABLE admin_audit_log;
DROP TABLE reading_feedback;
DROP TABLE explanation_feedback;
DROP TABLE reading_engagement;
DROP TABLE reading_bookmarks;
DROP TABLE reading_queue;
DROP TABLE review_attempts;
DROP TABLE session_reviews;
DROP TABLE password_reset_tokens;
DROP TABLE competency_history;
DROP TABLE quiz_sessions;
