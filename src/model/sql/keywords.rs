//! What a statement does, as far as its first keywords say it: enough for every refusal. No parser is asked, so
//! syntax that no parser knows yet is neither refused nor lets anything slip through.
//!
//! The lists come from PostgreSQL's manual and from `PreventInTransactionBlock` in its sources (13 to 18).

use super::lex::{Token, Tokens};

/// What a statement does, where that matters to running it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing that matters here.
    Ordinary,
    /// It begins or ends a transaction.
    Control(Control),
    /// `SAVEPOINT`, `RELEASE`, `ROLLBACK TO`: allowed inside a transaction.
    Savepoint(Savepoint),
    /// The server refuses it inside a transaction; its name as the manual writes it.
    NeverInTransaction(&'static str),
    /// The server refuses it inside a transaction in some cases that its text does not show.
    SometimesInTransaction(&'static str),
    /// It changes how the text that follows is read.
    Setting(Setting),
    /// `COPY … FROM STDIN`
    CopyFromStdin,
    /// `COPY … TO STDOUT`: its output has nowhere to go.
    CopyToStdout,
}

/// Statements that begin or end a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `BEGIN`
    Begin,
    /// `START TRANSACTION`
    StartTransaction,
    /// `COMMIT`, also `AND CHAIN`
    Commit,
    /// `END`
    End,
    /// `ROLLBACK`, also `AND CHAIN`, but not `ROLLBACK TO`
    Rollback,
    /// `ABORT`
    Abort,
    /// `PREPARE TRANSACTION`
    PrepareTransaction,
    /// `COMMIT PREPARED`
    CommitPrepared,
    /// `ROLLBACK PREPARED`
    RollbackPrepared,
}

impl Control {
    /// The keywords.
    #[must_use]
    pub fn keywords(self) -> &'static str {
        match self {
            Self::Begin => "BEGIN",
            Self::StartTransaction => "START TRANSACTION",
            Self::Commit => "COMMIT",
            Self::End => "END",
            Self::Rollback => "ROLLBACK",
            Self::Abort => "ABORT",
            Self::PrepareTransaction => "PREPARE TRANSACTION",
            Self::CommitPrepared => "COMMIT PREPARED",
            Self::RollbackPrepared => "ROLLBACK PREPARED",
        }
    }
}

/// Statements about savepoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Savepoint {
    /// `SAVEPOINT`
    Create,
    /// `RELEASE`
    Release,
    /// `ROLLBACK TO`
    RollbackTo,
}

impl Savepoint {
    /// The keywords.
    #[must_use]
    pub fn keywords(self) -> &'static str {
        match self {
            Self::Create => "SAVEPOINT",
            Self::Release => "RELEASE",
            Self::RollbackTo => "ROLLBACK TO",
        }
    }
}

/// Settings that change how the text that follows is read, so that what was checked is not what runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `standard_conforming_strings` to anything but on.
    StandardConformingStrings,
    /// `client_encoding` to anything but UTF8.
    ClientEncoding,
}

impl Setting {
    /// Its name in PostgreSQL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::StandardConformingStrings => "standard_conforming_strings",
            Self::ClientEncoding => "client_encoding",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::StandardConformingStrings, Self::ClientEncoding]
            .into_iter()
            .find(|setting| setting.name().eq_ignore_ascii_case(name))
    }

    /// Whether `value` leaves the text's meaning as it is; pg_dump writes such lines.
    fn is_harmless(self, value: &str) -> bool {
        let value: String =
            value.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_lowercase();
        match self {
            Self::StandardConformingStrings => {
                matches!(value.as_str(), "on" | "true" | "tru" | "tr" | "t" | "yes" | "ye" | "y" | "1")
            }
            Self::ClientEncoding => matches!(value.as_str(), "utf8" | "unicode"),
        }
    }
}

/// What `statement` does; its text from its first token on, or with comments before it.
#[must_use]
pub fn class(statement: &str) -> Class {
    let mut tokens = Tokens::new(statement);
    let Some(Token::Word(first)) = tokens.next() else { return Class::Ordinary };
    // By length and first letter before anything else: most statements are INSERTs.
    let is = |keyword: &str| first.eq_ignore_ascii_case(keyword);
    match first.as_bytes()[0].to_ascii_lowercase() {
        b'b' if is("begin") => Class::Control(Control::Begin),
        b'e' if is("end") => Class::Control(Control::End),
        b'a' if is("abort") => Class::Control(Control::Abort),
        b'a' if is("alter") => alter(tokens),
        b'c' if is("commit") => commit(tokens),
        b'c' if is("copy") => copy(tokens),
        b'c' if is("create") => create(tokens),
        b'c' if is("cluster") => cluster(tokens),
        b'd' if is("drop") => drop(tokens),
        b'd' if is("discard") && follows(&mut tokens, "all") => Class::NeverInTransaction("DISCARD ALL"),
        b'p' if is("prepare") => prepare(tokens),
        b'r' if is("rollback") => rollback(tokens),
        b'r' if is("release") => Class::Savepoint(Savepoint::Release),
        b'r' if is("reindex") => reindex(tokens),
        b'r' if is("repack") => repack(tokens),
        b'r' if is("reset") => reset(tokens),
        b's' if is("savepoint") => Class::Savepoint(Savepoint::Create),
        b's' if is("start") && follows(&mut tokens, "transaction") => Class::Control(Control::StartTransaction),
        b's' if is("set") => set(tokens),
        b's' if is("select") => select(statement, tokens),
        b'v' if is("vacuum") => Class::NeverInTransaction("VACUUM"),
        _ => Class::Ordinary,
    }
}

/// Whether the next token is `keyword`.
fn follows(tokens: &mut Tokens, keyword: &str) -> bool {
    tokens.next().is_some_and(|token| token.is(keyword))
}

/// The next token, past `WORK` or `TRANSACTION`.
fn past_work<'t>(tokens: &mut Tokens<'t>) -> Option<Token<'t>> {
    tokens.find(|token| !token.is("work") && !token.is("transaction"))
}

fn commit(mut tokens: Tokens) -> Class {
    Class::Control(if follows(&mut tokens, "prepared") { Control::CommitPrepared } else { Control::Commit })
}

fn rollback(mut tokens: Tokens) -> Class {
    match past_work(&mut tokens) {
        Some(token) if token.is("to") => Class::Savepoint(Savepoint::RollbackTo),
        Some(token) if token.is("prepared") => Class::Control(Control::RollbackPrepared),
        _ => Class::Control(Control::Rollback),
    }
}

/// `PREPARE transaction AS …` prepares a statement of that name.
fn prepare(mut tokens: Tokens) -> Class {
    let is_transaction = follows(&mut tokens, "transaction")
        && !matches!(tokens.next(), Some(token) if token.is("as") || token == Token::Symbol(b'('));
    if is_transaction { Class::Control(Control::PrepareTransaction) } else { Class::Ordinary }
}

fn create(mut tokens: Tokens) -> Class {
    let Some(mut object) = tokens.next() else { return Class::Ordinary };
    if object.is("unique") {
        object = tokens.next().unwrap_or(object);
    }
    if object.is("index") && follows(&mut tokens, "concurrently") {
        Class::NeverInTransaction("CREATE INDEX CONCURRENTLY")
    } else if object.is("database") {
        Class::NeverInTransaction("CREATE DATABASE")
    } else if object.is("tablespace") {
        Class::NeverInTransaction("CREATE TABLESPACE")
    } else if object.is("subscription") {
        create_subscription(tokens)
    } else {
        Class::Ordinary
    }
}

/// It makes a replication slot, which no rollback takes back, unless an option says otherwise.
fn create_subscription(tokens: Tokens) -> Class {
    let mut tokens = tokens.skip_while(|token| !token.is("with")).skip(1).peekable();
    while let Some(token) = tokens.next() {
        if !token.is("connect") && !token.is("create_slot") {
            continue;
        }
        if tokens.peek() == Some(&Token::Symbol(b'=')) {
            tokens.next();
            if tokens.peek().is_some_and(|value| is_off(*value)) {
                return Class::SometimesInTransaction("CREATE SUBSCRIPTION");
            }
        }
    }
    Class::NeverInTransaction("CREATE SUBSCRIPTION ... WITH (create_slot = true)")
}

/// Whether an option's value means false.
fn is_off(value: Token) -> bool {
    match value {
        Token::Word(text) | Token::String(text) | Token::Number(text) => {
            matches!(text.trim_matches('\'').to_ascii_lowercase().as_str(), "false" | "off" | "0" | "f" | "no" | "n")
        }
        Token::QuotedName(_) | Token::Symbol(_) => false,
    }
}

fn drop(mut tokens: Tokens) -> Class {
    let Some(object) = tokens.next() else { return Class::Ordinary };
    if object.is("index") && follows(&mut tokens, "concurrently") {
        Class::NeverInTransaction("DROP INDEX CONCURRENTLY")
    } else if object.is("database") {
        Class::NeverInTransaction("DROP DATABASE")
    } else if object.is("tablespace") {
        Class::NeverInTransaction("DROP TABLESPACE")
    } else if object.is("subscription") {
        Class::SometimesInTransaction("DROP SUBSCRIPTION")
    } else {
        Class::Ordinary
    }
}

fn alter(mut tokens: Tokens) -> Class {
    let Some(object) = tokens.next() else { return Class::Ordinary };
    if object.is("system") {
        return Class::NeverInTransaction("ALTER SYSTEM");
    }
    if object.is("database") {
        // A name of one token, then `SET TABLESPACE`.
        let mut words = tokens.skip(1);
        let is_move = words.next().is_some_and(|token| token.is("set"))
            && words.next().is_some_and(|token| token.is("tablespace"));
        return if is_move { Class::NeverInTransaction("ALTER DATABASE ... SET TABLESPACE") } else { Class::Ordinary };
    }
    if object.is("subscription") {
        return alter_subscription(tokens);
    }
    if object.is("table") { alter_table(tokens) } else { Class::Ordinary }
}

fn alter_subscription(tokens: Tokens) -> Class {
    let mut tokens = tokens.skip(1);
    match tokens.next() {
        Some(token) if token.is("refresh") => Class::NeverInTransaction("ALTER SUBSCRIPTION ... REFRESH"),
        Some(token) if ["set", "add", "drop"].iter().any(|word| token.is(word)) => {
            Class::SometimesInTransaction("ALTER SUBSCRIPTION")
        }
        _ => Class::Ordinary,
    }
}

/// `DETACH PARTITION name CONCURRENTLY`, outside parentheses; only names stand between.
fn alter_table(mut tokens: Tokens) -> Class {
    let mut depth = 0_usize;
    while let Some(token) = tokens.next() {
        match token {
            Token::Symbol(b'(') => depth += 1,
            Token::Symbol(b')') => depth = depth.saturating_sub(1),
            _ if depth == 0 && token.is("detach") && follows(&mut tokens, "partition") => {
                return if tokens.any(|token| token.is("concurrently")) {
                    Class::NeverInTransaction("ALTER TABLE ... DETACH PARTITION CONCURRENTLY")
                } else {
                    Class::Ordinary
                };
            }
            _ => {}
        }
    }
    Class::Ordinary
}

/// The options in parentheses before what a statement works on: what they say of `keyword`, and the first token
/// behind them that is not `VERBOSE`.
fn options<'t>(tokens: &mut Tokens<'t>, keyword: &str) -> (bool, Option<Token<'t>>) {
    let mut said = false;
    let mut token = tokens.next();
    if token == Some(Token::Symbol(b'(')) {
        let mut inside = tokens.take_while(|token| *token != Token::Symbol(b')')).peekable();
        while let Some(option) = inside.next() {
            if option.is(keyword) {
                said = !inside.peek().is_some_and(|value| is_off(*value));
            }
        }
        token = tokens.next();
    }
    (said, if token.is_some_and(|token| token.is("verbose")) { tokens.next() } else { token })
}

fn is_a_target(token: Option<Token>) -> bool {
    !matches!(token, None | Some(Token::Symbol(b';')))
}

fn reindex(mut tokens: Tokens) -> Class {
    let (mut concurrently, target) = options(&mut tokens, "concurrently");
    let Some(target) = target else { return Class::Ordinary };
    concurrently |= follows(&mut tokens, "concurrently");
    if concurrently {
        return Class::NeverInTransaction("REINDEX CONCURRENTLY");
    }
    for (word, name) in [("schema", "REINDEX SCHEMA"), ("database", "REINDEX DATABASE"), ("system", "REINDEX SYSTEM")] {
        if target.is(word) {
            return Class::NeverInTransaction(name);
        }
    }
    // Of a partitioned table or index it cannot.
    Class::SometimesInTransaction("REINDEX")
}

fn cluster(mut tokens: Tokens) -> Class {
    let (_, target) = options(&mut tokens, "");
    if is_a_target(target) {
        // Of a partitioned table it cannot.
        Class::SometimesInTransaction("CLUSTER")
    } else {
        Class::NeverInTransaction("CLUSTER of all tables")
    }
}

fn repack(mut tokens: Tokens) -> Class {
    let (concurrently, target) = options(&mut tokens, "concurrently");
    if concurrently {
        Class::NeverInTransaction("REPACK (CONCURRENTLY)")
    } else if is_a_target(target) {
        Class::SometimesInTransaction("REPACK")
    } else {
        Class::NeverInTransaction("REPACK of all tables")
    }
}

/// The name of a setting, quoted or not.
fn setting(token: Option<Token>) -> Option<Setting> {
    match token? {
        Token::Word(name) => Setting::named(name),
        Token::QuotedName(name) => Setting::named(name.trim_matches('"')),
        _ => None,
    }
}

fn set(mut tokens: Tokens) -> Class {
    let mut name = tokens.next();
    if name.is_some_and(|token| token.is("session") || token.is("local")) {
        name = tokens.next();
    }
    let (setting, value) = match setting(name) {
        // `TO` or `=`
        Some(setting) => {
            tokens.next();
            (setting, tokens.next())
        }
        None if name.is_some_and(|token| token.is("names")) => (Setting::ClientEncoding, tokens.next()),
        None => return Class::Ordinary,
    };
    let harmless = match value {
        Some(Token::Word(value) | Token::String(value) | Token::QuotedName(value) | Token::Number(value)) => {
            setting.is_harmless(value)
        }
        _ => false,
    };
    if harmless { Class::Ordinary } else { Class::Setting(setting) }
}

/// `RESET` goes back to what a role or a database may have set.
fn reset(mut tokens: Tokens) -> Class {
    setting(tokens.next()).map_or(Class::Ordinary, Class::Setting)
}

/// `SELECT set_config('client_encoding', …)`, as pg_dump's head sets others.
fn select(statement: &str, mut tokens: Tokens) -> Class {
    if memchr::memmem::find(statement.as_bytes(), b"set_config").is_none() {
        return Class::Ordinary;
    }
    while let Some(token) = tokens.next() {
        if !token.is("set_config") || tokens.next() != Some(Token::Symbol(b'(')) {
            continue;
        }
        let (name, _comma, value) = (tokens.next(), tokens.next(), tokens.next());
        if let (Some(Token::String(name)), Some(Token::String(value))) = (name, value)
            && let Some(setting) = Setting::named(name.trim_matches('\''))
            && !setting.is_harmless(value)
        {
            return Class::Setting(setting);
        }
    }
    Class::Ordinary
}

/// `COPY … FROM STDIN` (the grammar takes STDOUT there, too), `COPY … TO STDOUT` (or STDIN), or another.
fn copy(mut tokens: Tokens) -> Class {
    let mut depth = 0_usize;
    while let Some(token) = tokens.next() {
        match token {
            Token::Symbol(b'(') => depth += 1,
            Token::Symbol(b')') => depth = depth.saturating_sub(1),
            _ if depth == 0 && (token.is("from") || token.is("to")) => {
                let stream = tokens.next().is_some_and(|place| place.is("stdin") || place.is("stdout"));
                return match (stream, token.is("from")) {
                    (true, true) => Class::CopyFromStdin,
                    (true, false) => Class::CopyToStdout,
                    (false, _) => Class::Ordinary,
                };
            }
            _ => {}
        }
    }
    Class::Ordinary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keywords_say() {
        use Class::{CopyFromStdin, CopyToStdout, Ordinary};
        let never = Class::NeverInTransaction;
        let sometimes = Class::SometimesInTransaction;
        let control = Class::Control;
        let strings = Class::Setting(Setting::StandardConformingStrings);
        let encoding = Class::Setting(Setting::ClientEncoding);
        let detach = never("ALTER TABLE ... DETACH PARTITION CONCURRENTLY");
        let slot = never("CREATE SUBSCRIPTION ... WITH (create_slot = true)");
        for (statement, expected) in [
            ("", Ordinary),
            ("/* BEGIN */ -- COMMIT", Ordinary),
            ("BEGIN;", control(Control::Begin)),
            ("begin work isolation level serializable;", control(Control::Begin)),
            ("/* x */ BEGIN", control(Control::Begin)),
            ("START TRANSACTION READ ONLY;", control(Control::StartTransaction)),
            ("COMMIT;", control(Control::Commit)),
            ("commit/**/and chain;", control(Control::Commit)),
            ("COMMIT WORK;", control(Control::Commit)),
            ("COMMIT PREPARED 'a';", control(Control::CommitPrepared)),
            ("END TRANSACTION;", control(Control::End)),
            ("ABORT;", control(Control::Abort)),
            ("ROLLBACK;", control(Control::Rollback)),
            ("ROLLBACK AND CHAIN;", control(Control::Rollback)),
            ("ROLLBACK TRANSACTION;", control(Control::Rollback)),
            ("ROLLBACK PREPARED 'a';", control(Control::RollbackPrepared)),
            ("ROLLBACK TO a;", Class::Savepoint(Savepoint::RollbackTo)),
            ("ROLLBACK WORK TO SAVEPOINT a;", Class::Savepoint(Savepoint::RollbackTo)),
            ("SAVEPOINT a;", Class::Savepoint(Savepoint::Create)),
            ("RELEASE SAVEPOINT a;", Class::Savepoint(Savepoint::Release)),
            ("PREPARE TRANSACTION 'a';", control(Control::PrepareTransaction)),
            ("PREPARE transaction AS SELECT 1;", Ordinary),
            ("PREPARE transaction(int) AS SELECT $1;", Ordinary),
            ("PREPARE p AS SELECT 1;", Ordinary),
            ("EXPLAIN SELECT 1;", Ordinary),
            ("\"begin\";", Ordinary),
            ("beginning;", Ordinary),
            ("CREATE INDEX CONCURRENTLY i ON t (a);", never("CREATE INDEX CONCURRENTLY")),
            ("create unique/**/index concurrently on t (a);", never("CREATE INDEX CONCURRENTLY")),
            ("CREATE INDEX \"concurrently\" ON t (a);", Ordinary),
            ("CREATE INDEX i ON t (concurrently);", Ordinary),
            ("CREATE UNIQUE INDEX i ON t (a);", Ordinary),
            ("DROP INDEX CONCURRENTLY IF EXISTS i;", never("DROP INDEX CONCURRENTLY")),
            ("DROP INDEX i;", Ordinary),
            ("REINDEX INDEX CONCURRENTLY i;", never("REINDEX CONCURRENTLY")),
            ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t;", never("REINDEX CONCURRENTLY")),
            ("REINDEX (CONCURRENTLY true) TABLE t;", never("REINDEX CONCURRENTLY")),
            ("REINDEX (CONCURRENTLY off) TABLE t;", sometimes("REINDEX")),
            ("REINDEX DATABASE d;", never("REINDEX DATABASE")),
            ("REINDEX (VERBOSE) SCHEMA s;", never("REINDEX SCHEMA")),
            ("REINDEX SYSTEM d;", never("REINDEX SYSTEM")),
            ("REINDEX TABLE t;", sometimes("REINDEX")),
            ("VACUUM;", never("VACUUM")),
            ("VACUUM (ANALYZE, VERBOSE) t;", never("VACUUM")),
            ("ANALYZE t;", Ordinary),
            ("CREATE DATABASE d;", never("CREATE DATABASE")),
            ("DROP DATABASE IF EXISTS d;", never("DROP DATABASE")),
            ("ALTER DATABASE d SET TABLESPACE s;", never("ALTER DATABASE ... SET TABLESPACE")),
            ("ALTER DATABASE d SET work_mem = '1MB';", Ordinary),
            ("ALTER SYSTEM SET work_mem = '1MB';", never("ALTER SYSTEM")),
            ("CREATE TABLESPACE s LOCATION '/x';", never("CREATE TABLESPACE")),
            ("DROP TABLESPACE s;", never("DROP TABLESPACE")),
            ("ALTER TABLE t SET TABLESPACE s;", Ordinary),
            ("CLUSTER;", never("CLUSTER of all tables")),
            ("CLUSTER VERBOSE", never("CLUSTER of all tables")),
            ("CLUSTER (VERBOSE);", never("CLUSTER of all tables")),
            ("CLUSTER t USING i;", sometimes("CLUSTER")),
            ("CLUSTER (VERBOSE) t;", sometimes("CLUSTER")),
            ("REPACK;", never("REPACK of all tables")),
            ("REPACK (CONCURRENTLY) t;", never("REPACK (CONCURRENTLY)")),
            ("DISCARD ALL;", never("DISCARD ALL")),
            ("DISCARD TEMP;", Ordinary),
            ("ALTER TABLE p DETACH PARTITION s.a CONCURRENTLY;", detach),
            ("ALTER TABLE IF EXISTS p DETACH PARTITION \"a\" /* x */ CONCURRENTLY;", detach),
            ("ALTER TABLE p DETACH PARTITION a FINALIZE;", Ordinary),
            ("ALTER TABLE p DETACH PARTITION \"concurrently\";", Ordinary),
            ("ALTER TABLE t ADD COLUMN concurrently int;", Ordinary),
            ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p;", slot),
            ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (create_slot = true);", slot),
            (
                "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = false);",
                sometimes("CREATE SUBSCRIPTION"),
            ),
            (
                "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (copy_data = false, create_slot = 'off');",
                sometimes("CREATE SUBSCRIPTION"),
            ),
            ("DROP SUBSCRIPTION s;", sometimes("DROP SUBSCRIPTION")),
            ("ALTER SUBSCRIPTION s REFRESH PUBLICATION;", never("ALTER SUBSCRIPTION ... REFRESH")),
            ("ALTER SUBSCRIPTION s SET PUBLICATION p;", sometimes("ALTER SUBSCRIPTION")),
            ("ALTER SUBSCRIPTION s DISABLE;", Ordinary),
            ("ALTER TYPE e ADD VALUE 'x';", Ordinary),
            ("REFRESH MATERIALIZED VIEW CONCURRENTLY v;", Ordinary),
            ("SET standard_conforming_strings = off;", strings),
            ("set session standard_conforming_strings to 'off';", strings),
            ("SET LOCAL \"standard_conforming_strings\" = false;", strings),
            ("SET standard_conforming_strings = on;", Ordinary),
            ("SET standard_conforming_strings TO DEFAULT;", strings),
            ("RESET standard_conforming_strings;", strings),
            ("RESET ALL;", Ordinary),
            ("SET client_encoding = 'UTF8';", Ordinary),
            ("SET client_encoding TO 'utf-8';", Ordinary),
            ("SET client_encoding TO latin1;", encoding),
            ("SET NAMES 'SQL_ASCII';", encoding),
            ("SET NAMES 'UTF8';", Ordinary),
            ("SET NAMES;", encoding),
            ("SET search_path = a;", Ordinary),
            ("SET TRANSACTION READ ONLY;", Ordinary),
            ("SELECT pg_catalog.set_config('search_path', '', false);", Ordinary),
            ("SELECT pg_catalog.set_config('client_encoding', 'latin1', false);", encoding),
            ("SELECT set_config('standard_conforming_strings', 'off', true);", strings),
            ("COPY t FROM STDIN;", CopyFromStdin),
            ("copy s.t (a, b) from stdin with (format csv);", CopyFromStdin),
            ("COPY t TO STDOUT;", CopyToStdout),
            ("COPY (SELECT * FROM t) TO STDOUT;", CopyToStdout),
            ("COPY t FROM PROGRAM 'x';", Ordinary),
            ("COPY t FROM '/x';", Ordinary),
            ("COPY t TO PROGRAM 'x';", Ordinary),
            ("INSERT INTO t VALUES ('COMMIT');", Ordinary),
            ("CREATE TABLE vacuum (a int);", Ordinary),
            ("CREATE FUTURE THING x WITH (a);", Ordinary),
        ] {
            assert_eq!(class(statement), expected, "{statement}");
        }
    }
}
