//! What a statement creates, drops and renames, for plans, confirmations and checks afterwards.
//!
//! The only place that knows squawk-syntax: its tree changes with every version, so it is pinned exactly and nothing
//! of it leaves this file. What must be refused is decided by [`class`], without a parser.

use std::fmt;

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode, SyntaxToken};

use super::lex::{Token, Tokens};
use super::quote;

pub use super::keywords::{Class, Control, Savepoint, Setting, class};

/// A kind of object in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// A table, also a foreign or partitioned one.
    Table,
    /// An index.
    Index,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A sequence.
    Sequence,
    /// A type.
    Type,
    /// A schema.
    Schema,
    /// A function.
    Function,
    /// A procedure.
    Procedure,
}

impl Object {
    /// Its keywords.
    #[must_use]
    pub fn keywords(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::Index => "INDEX",
            Self::View => "VIEW",
            Self::MaterializedView => "MATERIALIZED VIEW",
            Self::Sequence => "SEQUENCE",
            Self::Type => "TYPE",
            Self::Schema => "SCHEMA",
            Self::Function => "FUNCTION",
            Self::Procedure => "PROCEDURE",
        }
    }
}

/// The name of an object, without quotes and in the case that the server gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// The schema, where one is written.
    pub schema: Option<String>,
    /// The name itself.
    pub name: String,
}

impl fmt::Display for ObjectName {
    /// Quoted, so that it can be put into SQL.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&quote::qualified(self.schema.as_deref(), &self.name))
    }
}

/// How an index is made or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Manner {
    /// Under a lock.
    Locking,
    /// `CONCURRENTLY`: a failure leaves an invalid index behind.
    Concurrently,
}

/// Something that a statement does to the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It creates this.
    Creates(Object, ObjectName),
    /// It creates an index; where no name is written the server makes one up.
    CreatesIndex {
        /// Its name; its schema is the table's.
        name: Option<String>,
        /// The table.
        table: ObjectName,
        /// With a lock or without.
        manner: Manner,
    },
    /// It drops this.
    Drops(Object, ObjectName),
    /// It drops an index.
    DropsIndex {
        /// The index.
        name: ObjectName,
        /// With a lock or without.
        manner: Manner,
    },
    /// It adds a column.
    AddsColumn {
        /// The table.
        table: ObjectName,
        /// The column.
        column: String,
    },
    /// It drops a column.
    DropsColumn {
        /// The table.
        table: ObjectName,
        /// The column.
        column: String,
    },
    /// It renames a column.
    RenamesColumn {
        /// The table.
        table: ObjectName,
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// It renames a table.
    RenamesTable {
        /// The old name.
        from: ObjectName,
        /// The new name, in the same schema.
        to: String,
    },
    /// It moves a table to another schema.
    MovesTable {
        /// The table.
        table: ObjectName,
        /// The schema.
        schema: String,
    },
    /// It removes all rows of a table.
    Truncates(ObjectName),
}

impl fmt::Display for Effect {
    /// As a plan lists it: `creates table users`, `drops column users.age`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let without_lock = |manner: &Manner| if *manner == Manner::Concurrently { " concurrently" } else { "" };
        let column = |table: &ObjectName, column: &str| format!("{table}.{}", quote::identifier(column));
        match self {
            Self::Creates(object, name) => write!(formatter, "creates {} {name}", object.keywords().to_lowercase()),
            Self::CreatesIndex { name: Some(name), table, manner } => {
                write!(formatter, "creates index {} on {table}{}", quote::identifier(name), without_lock(manner))
            }
            Self::CreatesIndex { name: None, table, manner } => {
                write!(formatter, "creates an index on {table}{}", without_lock(manner))
            }
            Self::Drops(object, name) => write!(formatter, "drops {} {name}", object.keywords().to_lowercase()),
            Self::DropsIndex { name, manner } => write!(formatter, "drops index {name}{}", without_lock(manner)),
            Self::AddsColumn { table, column: name } => write!(formatter, "adds column {}", column(table, name)),
            Self::DropsColumn { table, column: name } => write!(formatter, "drops column {}", column(table, name)),
            Self::RenamesColumn { table, from, to } => {
                write!(formatter, "renames column {} to {}", column(table, from), quote::identifier(to))
            }
            Self::RenamesTable { from, to } => write!(formatter, "renames table {from} to {}", quote::identifier(to)),
            Self::MovesTable { table, schema } => {
                write!(formatter, "moves table {table} to schema {}", quote::identifier(schema))
            }
            Self::Truncates(table) => write!(formatter, "removes all rows of {table}"),
        }
    }
}

/// The parser found errors, or the statement is too large for it: nothing may be inferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// Up to this many tokens the parser, which calls itself for what is nested, fits any thread's stack: measured in an
/// unoptimised build, 2 MB held 500 levels, and a level takes a token at least.
const TOKENS_ON_THIS_STACK: usize = 250;

/// More tokens than this are not parsed at all: on deep nesting, and on strings beside each other, the parser's time grows with
/// the square of their number. A table of a thousand columns has fewer.
const MOST_TOKENS: usize = 10_000;

/// Stack for one token, four times what was measured.
const STACK_PER_TOKEN: usize = 8 * 1024;

/// What one statement does to the schema, in the order written. Empty for everything but `CREATE`, `DROP`, `ALTER`,
/// `TRUNCATE` of what [`Effect`] names, and a `DELETE` without a condition.
///
/// # Errors
/// [`Unreadable`] where the parser found an error: on `ADD COLUM c int` its recovery yields another statement.
pub fn effects(statement: &str) -> Result<Vec<Effect>, Unreadable> {
    let first = Tokens::new(statement).next();
    if !["create", "drop", "alter", "truncate", "delete"].iter().any(|word| first.is_some_and(|token| token.is(word))) {
        return Ok(Vec::new());
    }
    let (text, tokens) = without_strings(statement);
    if tokens <= TOKENS_ON_THIS_STACK {
        return read(&text);
    }
    if tokens > MOST_TOKENS {
        return Err(Unreadable);
    }
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(tokens * STACK_PER_TOKEN)
            .spawn_scoped(scope, || read(&text))
            .ok()
            .and_then(|thread| thread.join().ok())
            .unwrap_or(Err(Unreadable))
    })
}

/// The statement with its strings emptied (function bodies are strings, and name nothing that it does itself), and
/// the number of its tokens.
fn without_strings(statement: &str) -> (String, usize) {
    let mut text = String::with_capacity(statement.len().min(1024));
    let mut tokens = Tokens::new(statement);
    let (mut count, mut before) = (0, 0);
    while let Some(token) = tokens.next() {
        // One blank for all that stood between: `- -1` must not become a comment, nor `::` fall apart; a line end
        // stays one, since it joins two strings.
        let gap = &statement[before..tokens.position() - token.len()];
        if !gap.is_empty() {
            text.push(if gap.contains(['\n', '\r']) { '\n' } else { ' ' });
        }
        before = tokens.position();
        count += 1;
        match token {
            Token::String(_) => text.push_str("''"),
            Token::Word(part) | Token::Number(part) | Token::QuotedName(part) => text.push_str(part),
            Token::Symbol(byte) => text.push(char::from(byte)),
        }
    }
    (text, count)
}

fn read(text: &str) -> Result<Vec<Effect>, Unreadable> {
    let parse = SourceFile::parse(text);
    let root = parse.syntax_node();
    let in_string = |offset| root.token_at_offset(offset).any(|token| matches!(token.kind(), SyntaxKind::STRING));
    // An emptied body may be an error to the parser; that one alone means nothing.
    if parse.errors().iter().any(|error| !in_string(error.range().start())) {
        return Err(Unreadable);
    }
    let mut statements = parse.tree().stmts();
    match (statements.next(), statements.next()) {
        (Some(statement), None) => Ok(of_statement(&statement)),
        _ => Err(Unreadable),
    }
}

fn of_statement(statement: &ast::Stmt) -> Vec<Effect> {
    use Object::{Function, MaterializedView, Procedure, Schema, Sequence, Table, Type, View};
    use ast::Stmt;
    match statement {
        Stmt::CreateTable(it) => creates(Table, it.table_name()),
        Stmt::CreateTableAs(it) => creates(Table, it.table_name()),
        Stmt::CreateForeignTable(it) => creates(Table, it.table_name()),
        Stmt::CreateView(it) => creates(View, it.view()),
        Stmt::CreateMaterializedView(it) => creates(MaterializedView, it.view()),
        Stmt::CreateSequence(it) => creates(Sequence, it.sequence()),
        Stmt::CreateType(it) => creates(Type, it.type_name()),
        Stmt::CreateDomain(it) => creates(Type, it.domain()),
        Stmt::CreateFunction(it) => creates(Function, it.name()),
        Stmt::CreateProcedure(it) => creates(Procedure, it.name()),
        Stmt::CreateSchema(it) => it
            .schema_name()
            .map(|node| Effect::Creates(Schema, ObjectName { schema: None, name: ast::normalize_name_node(&node) }))
            .into_iter()
            .collect(),
        Stmt::CreateIndex(it) => creates_index(it).into_iter().collect(),
        Stmt::DropTable(it) => drops(Table, it.table_name_refs()),
        Stmt::DropForeignTable(it) => drops(Table, it.table_name_refs()),
        Stmt::DropView(it) => drops(View, it.view_refs()),
        Stmt::DropMaterializedView(it) => drops(MaterializedView, it.view_refs()),
        Stmt::DropSequence(it) => drops(Sequence, it.sequence_refs()),
        Stmt::DropType(it) => drops(Type, it.type_name_refs()),
        Stmt::DropDomain(it) => drops(Type, it.domain_refs()),
        Stmt::DropSchema(it) => drops(Schema, it.schema_refs()),
        Stmt::DropFunction(it) => drops(Function, signatures(it.function_sig_list())),
        Stmt::DropProcedure(it) => drops(
            Procedure,
            it.procedure_sig_list()
                .into_iter()
                .flat_map(|list| list.procedure_sigs())
                .filter_map(|sig| sig.procedure_name_ref()),
        ),
        Stmt::DropIndex(it) => {
            let manner = manner(it.concurrently_token());
            it.index_refs()
                .filter_map(|node| object_name(node.syntax()))
                .map(|name| Effect::DropsIndex { name, manner })
                .collect()
        }
        Stmt::AlterTable(it) => alters(it),
        Stmt::Truncate(it) => it
            .table_list()
            .into_iter()
            .flat_map(|list| list.table_relation_names())
            .filter_map(|node| object_name(node.syntax()))
            .map(Effect::Truncates)
            .collect(),
        Stmt::Delete(it) if it.where_clause_or_current_of().is_none() && it.using_clause().is_none() => {
            it.relation_name().and_then(|node| object_name(node.syntax())).map(Effect::Truncates).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn signatures(list: Option<ast::FunctionSigList>) -> impl Iterator<Item = ast::FunctionNameRef> {
    list.into_iter().flat_map(|list| list.function_sigs()).filter_map(|signature| signature.function_name_ref())
}

fn creates<N: AstNode>(object: Object, name: Option<N>) -> Vec<Effect> {
    name.and_then(|node| object_name(node.syntax())).map(|name| Effect::Creates(object, name)).into_iter().collect()
}

fn drops<N: AstNode>(object: Object, names: impl Iterator<Item = N>) -> Vec<Effect> {
    names.filter_map(|node| object_name(node.syntax())).map(|name| Effect::Drops(object, name)).collect()
}

fn manner(concurrently: Option<SyntaxToken>) -> Manner {
    if concurrently.is_some() { Manner::Concurrently } else { Manner::Locking }
}

fn creates_index(index: &ast::CreateIndex) -> Option<Effect> {
    Some(Effect::CreatesIndex {
        name: index.index().and_then(|node| object_name(node.syntax())).map(|name| name.name),
        table: object_name(index.table_relation_name()?.syntax())?,
        manner: manner(index.concurrently_token()),
    })
}

fn alters(alter: &ast::AlterTable) -> Vec<Effect> {
    let Some(table) = alter.table_relation_name().and_then(|node| object_name(node.syntax())) else {
        return Vec::new();
    };
    let action = |action: ast::AlterTableAction| {
        let table = table.clone();
        Some(match action {
            ast::AlterTableAction::AddColumn(it) => Effect::AddsColumn { table, column: it.column_name()?.text() },
            ast::AlterTableAction::DropColumn(it) => {
                Effect::DropsColumn { table, column: plain_name(it.column_name_ref()?.syntax()) }
            }
            ast::AlterTableAction::RenameColumn(it) => Effect::RenamesColumn {
                table,
                from: plain_name(it.column_name_ref()?.syntax()),
                to: it.column_name()?.text(),
            },
            ast::AlterTableAction::TableRenameTo(it) => {
                Effect::RenamesTable { from: table, to: object_name(it.table_name()?.syntax())?.name }
            }
            ast::AlterTableAction::SetSchema(it) => {
                Effect::MovesTable { table, schema: plain_name(it.schema_ref()?.syntax()) }
            }
            _ => return None,
        })
    };
    alter.actions().filter_map(action).collect()
}

fn plain_name(node: &SyntaxNode) -> String {
    ast::normalize_name_node(node)
}

/// The last two parts of the name that `node` holds.
fn object_name(node: &SyntaxNode) -> Option<ObjectName> {
    let is_part =
        |node: &SyntaxNode| ast::PathSegment::can_cast(node.kind()) || ast::PathSegmentRef::can_cast(node.kind());
    let mut parts: Vec<String> = node
        .descendants()
        .filter(is_part)
        .map(|part| ast::normalize_name_node(&part))
        .filter(|part| !part.is_empty())
        .collect();
    if parts.is_empty() {
        parts.push(Some(ast::normalize_name_node(node)).filter(|name| !name.is_empty())?);
    }
    Some(ObjectName { name: parts.pop()?, schema: parts.pop() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ObjectName {
        match text.split_once('.') {
            Some((schema, name)) => ObjectName { schema: Some(schema.to_owned()), name: name.to_owned() },
            None => ObjectName { schema: None, name: text.to_owned() },
        }
    }

    #[test]
    fn what_statements_do() {
        use Effect::{Creates, Drops};
        let index = |index: Option<&str>, table: &str, manner| Effect::CreatesIndex {
            name: index.map(str::to_owned),
            table: name(table),
            manner,
        };
        let add = |table: &str, column: &str| Effect::AddsColumn { table: name(table), column: column.to_owned() };
        let drop = |table: &str, column: &str| Effect::DropsColumn { table: name(table), column: column.to_owned() };
        for (statement, expected) in [
            ("SELECT 1;", vec![]),
            ("CREATE TABLE t (a int, b text DEFAULT 'x;y');", vec![Creates(Object::Table, name("t"))]),
            ("CREATE TABLE IF NOT EXISTS S.\"T\" (a int);", vec![Creates(Object::Table, name("s.T"))]),
            ("CREATE TABLE t AS SELECT 1;", vec![Creates(Object::Table, name("t"))]),
            ("CREATE TABLE a PARTITION OF p FOR VALUES FROM ('1') TO ('2');", vec![Creates(Object::Table, name("a"))]),
            ("CREATE OR REPLACE VIEW s.v AS SELECT E'\\'';", vec![Creates(Object::View, name("s.v"))]),
            ("CREATE MATERIALIZED VIEW v AS SELECT 1;", vec![Creates(Object::MaterializedView, name("v"))]),
            ("CREATE SEQUENCE s;", vec![Creates(Object::Sequence, name("s"))]),
            ("CREATE TYPE e AS ENUM ('a', 'b');", vec![Creates(Object::Type, name("e"))]),
            ("CREATE DOMAIN d AS text CHECK (value <> '');", vec![Creates(Object::Type, name("d"))]),
            ("CREATE SCHEMA s;", vec![Creates(Object::Schema, name("s"))]),
            (
                "CREATE FUNCTION s.f(a int) RETURNS int LANGUAGE plpgsql AS $$ begin return 1; end $$;",
                vec![Creates(Object::Function, name("s.f"))],
            ),
            ("CREATE PROCEDURE p() LANGUAGE sql AS $$ nonsense $$;", vec![Creates(Object::Procedure, name("p"))]),
            ("CREATE INDEX i ON s.t (a, lower(b));", vec![index(Some("i"), "s.t", Manner::Locking)]),
            (
                "CREATE UNIQUE INDEX CONCURRENTLY \"I\" ON t (a) WHERE a > 1.5;",
                vec![index(Some("I"), "t", Manner::Concurrently)],
            ),
            ("CREATE INDEX ON ONLY t (a);", vec![index(None, "t", Manner::Locking)]),
            ("DROP TABLE a, s.b CASCADE;", vec![Drops(Object::Table, name("a")), Drops(Object::Table, name("s.b"))]),
            ("DROP VIEW v;", vec![Drops(Object::View, name("v"))]),
            ("DROP MATERIALIZED VIEW v;", vec![Drops(Object::MaterializedView, name("v"))]),
            ("DROP SCHEMA a;", vec![Drops(Object::Schema, name("a"))]),
            (
                "DROP FUNCTION f(int), s.g;",
                vec![Drops(Object::Function, name("f")), Drops(Object::Function, name("s.g"))],
            ),
            ("DROP TYPE e;", vec![Drops(Object::Type, name("e"))]),
            (
                "DROP INDEX CONCURRENTLY IF EXISTS s.i;",
                vec![Effect::DropsIndex { name: name("s.i"), manner: Manner::Concurrently }],
            ),
            (
                "ALTER TABLE ONLY s.t ADD COLUMN a int DEFAULT 1, DROP COLUMN IF EXISTS \"B\", ADD CONSTRAINT c CHECK (a > 0);",
                vec![add("s.t", "a"), drop("s.t", "B")],
            ),
            ("ALTER TABLE t ADD a int;", vec![add("t", "a")]),
            (
                "ALTER TABLE t RENAME COLUMN a TO b;",
                vec![Effect::RenamesColumn { table: name("t"), from: "a".to_owned(), to: "b".to_owned() }],
            ),
            ("ALTER TABLE s.t RENAME TO u;", vec![Effect::RenamesTable { from: name("s.t"), to: "u".to_owned() }]),
            (
                "ALTER TABLE s.t SET SCHEMA \"U\";",
                vec![Effect::MovesTable { table: name("s.t"), schema: "U".to_owned() }],
            ),
            ("TRUNCATE a, s.b;", vec![Effect::Truncates(name("a")), Effect::Truncates(name("s.b"))]),
            ("DELETE FROM ONLY s.b AS x;", vec![Effect::Truncates(name("s.b"))]),
            ("DELETE FROM a WHERE true;", vec![]),
            ("DELETE FROM a USING b;", vec![]),
            ("CREATE ROLE r;", vec![]),
        ] {
            assert_eq!(effects(statement), Ok(expected), "{statement}");
        }
    }

    #[test]
    fn nothing_is_inferred_from_errors() {
        for statement in
            ["ALTER TABLE t ADD COLUM c int;", "CREATE TABLE t (a int,,);", "DROP TABLE a; DROP TABLE b;", "CREATE"]
        {
            assert_eq!(effects(statement), Err(Unreadable), "{statement}");
        }
    }

    #[test]
    fn deep_nesting_is_no_crash() {
        for unit in ["(", "- ", "not ", "case ", "1 = ", "a in (", "- , ", "1 + "] {
            for count in [100, 3_000, 40_000] {
                let _ = effects(&format!("create view v as select {}1", unit.repeat(count)));
            }
        }
        let wide = format!("CREATE TABLE t ({});", vec!["a int"; 1500].join(", "));
        assert_eq!(effects(&wide), Ok(vec![Effect::Creates(Object::Table, name("t"))]));
    }
}
