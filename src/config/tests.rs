//! The settings as a whole: files in, values or pictures of errors out.

use super::*;
use crate::model::program::TransactionScope;

/// The error as a person sees it, without colour.
fn picture(error: &Error) -> String {
    let mut lines = vec![error.title().to_owned()];
    for excerpt in error.excerpts() {
        lines.push(format!("  {}:{}", excerpt.path, excerpt.place));
        lines.push(format!("  | {}", excerpt.line));
        let blanks = excerpt.line[..excerpt.mark.start].chars().count();
        let carets = excerpt.line[excerpt.mark.clone()].chars().count().max(1);
        let label = excerpt.label.as_deref().map(|label| format!(" {label}")).unwrap_or_default();
        lines.push(format!("  | {}{}{label}", " ".repeat(blanks), "^".repeat(carets)));
    }
    lines.extend(error.notes().iter().map(|note| format!("note: {note}")));
    lines.extend(error.hints().iter().map(|hint| format!("hint: {hint}")));
    lines.join("\n")
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().copied()).unwrap()
}

fn overrides(name: Option<&str>, x: &[(&str, &str)]) -> CommandLineOverrides {
    let x = x.iter().map(|(name, value)| ((*name).to_owned(), Secret::from(*value))).collect();
    CommandLineOverrides { name: name.map(str::to_owned), x, ..CommandLineOverrides::default() }
}

fn configured(text: &str, environment: &Environment, overrides: &CommandLineOverrides) -> Result<Config> {
    Config::of(
        Ini::from_bytes(FILE_NAME, text.as_bytes())?,
        Path::new(FILE_NAME),
        environment,
        overrides,
        Unset::Refused,
    )
}

fn plain(text: &str) -> Result<Config> {
    configured(text, &environment(&[]), &overrides(None, &[]))
}

/// The first error of reading a text and everything in it.
fn first_error(text: &[u8]) -> Option<Error> {
    let nothing = environment(&[]);
    let read = Ini::from_bytes(FILE_NAME, text)
        .and_then(|ini| Config::of(ini, Path::new(FILE_NAME), &nothing, &overrides(None, &[]), Unset::Refused))
        .and_then(|config| {
            config.database_url(&nothing)?;
            config.variables(&nothing)?;
            config.in_force(&nothing)
        });
    read.err()
}

#[track_caller]
fn refuses(text: &str, expected: &str) {
    let error = first_error(text.as_bytes()).expect("an error");
    assert_eq!(error.kind(), crate::error::Kind::Usage);
    let expected: Vec<&str> =
        expected.trim().lines().map(|line| line.strip_prefix("        ").unwrap_or(line)).collect();
    assert_eq!(picture(&error), expected.join("\n"), "for {text:?}");
}

#[test]
fn defaults_are_the_tables() {
    let config = plain("[migrate]\n").unwrap();
    let settings = &config.settings;
    assert_eq!(settings.version_locations[0].value, Path::new("versions"));
    assert_eq!(*settings.file_template, "%(rev)s_%(slug)s");
    assert_eq!(*settings.truncate_slug_length, 40);
    assert_eq!(*settings.timezone, TimeZone::Utc);
    assert_eq!(*settings.version_table, "aludel_version");
    assert_eq!(*settings.version_table_schema, "public");
    assert_eq!(*settings.history_table, "aludel_history");
    assert_eq!(*settings.lock_wait, Duration::from_secs(300));
    assert_eq!(*settings.lock_timeout, Duration::from_secs(2));
    assert_eq!(settings.lock_timeout.origin, Origin::Default);
    assert_eq!(settings.post_write_hooks, []);
    assert_eq!(config.directory(), Path::new(""));
}

#[test]
fn values_keep_their_place() {
    let config = plain(concat!(
        "\u{feff}# about\r\n[migrate]\r\nversion_locations =\r\n  versions\r\n  # more\r\n\r\n  team/b # c\r\n",
        "timezone: +02:00\r\npost_write_hooks = pg_format 'a b'\r\nlock_timeout=3s\r\ntransaction = run\r\n",
    ))
    .unwrap();
    let settings = &config.settings;
    let paths: Vec<_> = settings.version_locations.iter().map(|location| location.value.clone()).collect();
    assert_eq!(paths, [Path::new("versions"), Path::new("team/b # c")]);
    assert_eq!(settings.version_locations[1].origin.to_string(), "migrate.ini:7 [migrate]");
    assert_eq!(settings.version_locations[1].origin.excerpt().unwrap().place.column, 3);
    assert_eq!(settings.post_write_hooks[0].words, ["pg_format", "a b"]);
    assert_eq!(*settings.lock_timeout, Duration::from_secs(3));
    assert_eq!(*settings.transaction, TransactionScope::Run);
    assert_eq!(settings.transaction.origin.to_string(), "migrate.ini:11 [migrate]");
}

#[test]
fn a_section_lies_over_the_settings() {
    let text =
        "[migrate]\nurl = a\nlock_timeout = 2s\nlock_wait = 1s\n[production]\nurl = b\nlock_timeout = 0\n[staging]\n";
    let nothing = environment(&[]);
    let config = configured(text, &nothing, &overrides(Some("production"), &[])).unwrap();
    let url = config.database_url(&nothing).unwrap();
    assert_eq!(url.value, DatabaseUrl::Given(Secret::from("b")));
    assert_eq!(url.origin.to_string(), "migrate.ini:6 [production]");
    assert_eq!(*config.settings.lock_timeout, Duration::ZERO);
    assert_eq!(*config.settings.lock_wait, Duration::from_secs(1));

    let chosen = environment(&[(NAME_VARIABLE, "production")]);
    let config = configured(text, &chosen, &overrides(None, &[])).unwrap();
    assert_eq!(config.name().unwrap().origin.to_string(), "ALUDEL_ENV");
    let config = configured(text, &chosen, &overrides(Some("migrate"), &[])).unwrap();
    assert_eq!(config.name(), None);

    let error = configured(text, &nothing, &overrides(Some("prodution"), &[])).unwrap_err();
    assert_eq!(
        picture(&error),
        "`migrate.ini` has no section `[prodution]`, which `-n` asks for\nhint: type `-n production`"
    );
    let error = configured(text, &environment(&[(NAME_VARIABLE, "dev")]), &overrides(None, &[])).unwrap_err();
    assert_eq!(
        picture(&error),
        "`migrate.ini` has no section `[dev]`, which `ALUDEL_ENV` asks for\nnote: it has `[production]`, `[staging]`"
    );
    assert!(configured(text, &nothing, &overrides(Some("variables"), &[])).is_err());
}

/// What holds of the connection's settings: each as `key=value`.
fn connection(text: &str, name: Option<&str>, url: Option<&str>) -> Vec<String> {
    let nothing = environment(&[]);
    let given = CommandLineOverrides { url: url.map(Secret::from), ..overrides(name, &[]) };
    let config = configured(text, &nothing, &given).unwrap_or_else(|error| panic!("{text}: {}", picture(&error)));
    let in_force = config.in_force(&nothing).unwrap();
    let keys = ["url", "url_command", "url_field", "password_command", "password_field", "user_field"];
    let ours = in_force.into_iter().filter(|one| keys.contains(&one.key.name) && !one.shown.is_empty());
    ours.map(|one| format!("{}={}", one.key.name, one.shown.join(","))).collect()
}

#[test]
fn a_section_with_a_url_of_its_own_takes_no_password_from_below() {
    let base = "[migrate]\nurl = a\npassword_command = p\npassword_field = f\nuser_field = u\n[x]\n";
    let of_base = ["url=***", "password_command=p", "password_field=f", "user_field=u"];
    assert_eq!(connection(base, None, None), of_base);
    for (section, wanted) in [
        ("lock_wait = 1s", &of_base[..]),
        ("url = b", &["url=***"]),
        ("url =", &[]),
        ("url = b\npassword_command = q", &["url=***", "password_command=q"]),
        ("password_command = q", &["url=***", "password_command=q"]),
        ("password_field = g", &["url=***", "password_command=p", "password_field=g", "user_field=u"]),
        ("url_command = c\nurl_field = d", &["url_command=c", "url_field=d"]),
        (
            "url_command = c\npassword_command = q\nuser_field = v",
            &["url_command=c", "password_command=q", "user_field=v"],
        ),
    ] {
        assert_eq!(connection(&format!("{base}{section}\n"), Some("x"), None), wanted, "{section}");
        assert_eq!(connection(&format!("{base}{section}\n"), Some("x"), Some("c")), ["url=***"], "{section}");
    }
    let base = "[migrate]\nurl_command = a\nurl_field = f\npassword_command = p\n[x]\n";
    assert_eq!(connection(base, Some("x"), None), ["url_command=a", "url_field=f", "password_command=p"]);
    assert_eq!(connection(&format!("{base}url = b\n"), Some("x"), None), ["url=***"]);

    let nothing = environment(&[]);
    let text = "[migrate]\nurl = a\npassword_command = p\n[x]\nurl = b\n";
    let config = configured(text, &nothing, &overrides(Some("x"), &[])).unwrap();
    let in_force = config.in_force(&nothing).unwrap();
    let password = in_force.iter().find(|one| one.key.name == "password_command").unwrap();
    assert_eq!(
        password.passed_over.as_ref().map(|(origin, by)| format!("{origin} {by}")).as_deref(),
        Some("migrate.ini:3 [migrate] url")
    );
    assert_eq!(in_force.iter().filter(|one| one.passed_over.is_some()).count(), 1);
}

/// What a template makes of a command may hold a secret.
#[test]
fn commands_are_shown_as_they_are_written() {
    let environment = environment(&[("TOKEN", "canary"), ("TOOL", "canary --now"), ("LINES", "a canary\nb canary")]);
    let text = "[migrate]\nurl = local\npassword_command = get {{ env.TOKEN }}\nbefore_upgrade = {{ env.TOOL }}\n\
                after_upgrade = {{ env.LINES }}\npost_write_hooks = fmt {{ env.TOKEN }} --password x\n";
    let config = configured(text, &environment, &overrides(None, &[])).unwrap();
    let settings = &config.settings;
    let password = &settings.password_command.as_ref().unwrap().command.value;
    assert_eq!((password.to_string(), &password.words[1]), ("get {{ env.TOKEN }}".to_owned(), &"canary".to_owned()));
    assert_eq!(password.program(), "get");
    let Hook::Command(tool) = &settings.hooks.before_upgrade[0].value else { panic!() };
    assert_eq!((tool.to_string(), tool.program()), ("{{ env.TOOL }}".to_owned(), "{{ env.TOOL }}".to_owned()));
    let lines: Vec<String> = settings.hooks.after_upgrade.iter().map(|hook| hook.value.to_string()).collect();
    assert_eq!(lines, ["{{ env.LINES }}", "{{ env.LINES }}"]);
    let in_force = config.in_force(&environment).unwrap();
    let shown: Vec<&String> = in_force.iter().flat_map(|setting| &setting.shown).collect();
    assert!(shown.iter().all(|line| !line.contains("canary")), "{shown:?}");
    assert!(shown.contains(&&"fmt {{ env.TOKEN }} --password ***".to_owned()), "{shown:?}");
}

/// A variable of a shell that is not set must not choose another database.
#[test]
fn an_empty_x_that_a_setting_asks_for() {
    let text =
        "[migrate]\nurl = {{ x[\"dbUrl\"] or 'local' }}\n[other]\nurl = local\n[variables]\na = {{ x.suffix or '' }}\n";
    let read = |name: Option<&str>, x: &[(&str, &str)]| configured(text, &environment(&[]), &overrides(name, x));
    let error = read(None, &[("dbUrl", "local"), ("dbUrl", "")]).unwrap_err();
    assert_eq!(
        picture(&error),
        "`-x dbUrl=` has no value, and `url` asks for it
  migrate.ini:2:7
  | url = {{ x[\"***\"] or 'local' }}
  |       ^^^^^^^^^^^^^^^^^^^^^^^^^
hint: give it one, or leave `-x dbUrl` out"
    );
    for (name, x) in [
        (None, &[("dbUrl", ""), ("dbUrl", "local"), ("suffix", "")][..]),
        (None, &[("suffix", ""), ("other", "")]),
        (Some("other"), &[("dbUrl", "")]),
    ] {
        assert!(read(name, x).is_ok(), "{name:?} {x:?}");
    }
    assert_eq!(read(None, &[("dbUrl", "a")]).unwrap().unread_x(), [""; 0]);
    let url = CommandLineOverrides { url: Some(Secret::from("local")), ..overrides(None, &[("dbUrl", "a")]) };
    let config = configured(text, &environment(&[]), &url).unwrap();
    assert_eq!(config.unread_x(), ["dbUrl"]);
    assert_eq!(config.refuse_x("dbUrl").notes(), ["`--url` lies over `url`"]);
}

#[test]
fn an_environment_without_a_name() {
    let error = configured("[migrate]\n", &environment(&[(NAME_VARIABLE, "")]), &overrides(None, &[])).unwrap_err();
    assert_eq!(
        picture(&error),
        "`ALUDEL_ENV` is set, and names no environment\nhint: unset it for the settings of `[migrate]` alone"
    );
    let chosen = overrides(Some("a"), &[]);
    assert!(configured("[migrate]\n[a]\n", &environment(&[(NAME_VARIABLE, "")]), &chosen).is_ok());
}

#[test]
fn settings_of_the_connection_that_mean_nothing() {
    for section in ["", "[x]\n"] {
        let text = format!("[migrate]\n{section}url = a\nurl_command = b\n");
        let error = first_error(text.as_bytes()).expect("an error, used or not");
        assert!(error.title().ends_with("gives both `url` and `url_command`: they contradict each other"), "{error}");
        assert_eq!(error.excerpts().len(), 2);
    }
    refuses(
        "[migrate]\nurl = a\nuser_field = u\n",
        "`user_field` stands alone: it is of what `password_command` prints
          migrate.ini:3:14
          | user_field = u
          |              ^",
    );
    refuses(
        "[migrate]\nurl_command = postgres://u:canary@h/d\n",
        "`url_command` is a connection string, not a command
          migrate.ini:2:15
          | url_command = postgres://u:***@h/d
          |               ^^^^^^^^^^^^^^^^^^^^
        hint: write it as `url`",
    );
    for line in ["password_command =", "password_command = 'a", "password_command = a\n  b", "command_timeout = 5"] {
        assert!(first_error(format!("[migrate]\nurl = a\n{line}\n").as_bytes()).is_some(), "{line}");
    }
    for field in ["a..b", ".", "a.", "postgres://x"] {
        let text = format!("[migrate]\nurl = a\npassword_command = a\npassword_field = {field}\n");
        assert!(first_error(text.as_bytes()).is_some(), "{field}");
    }
}

#[test]
fn every_setting_may_stand_in_a_section() {
    for key in KEYS {
        let (value, beside) = match key.kind {
            Kind::Url | Kind::Directories | Kind::Directory | Kind::File | Kind::FileName | Kind::Identifier => {
                ("other", "")
            }
            Kind::Commands | Kind::Hooks | Kind::SecretCommand => ("other", ""),
            Kind::Field if *key == keys::URL_FIELD => ("other", "url_command = a\n"),
            Kind::Field => ("other", "password_command = a\n"),
            Kind::SystemIdentifier => ("7", ""),
            Kind::Number(least, _) => (if least == 1 { "2" } else { "1" }, ""),
            Kind::Choice(words) => (*words.iter().find(|word| **word != key.default).unwrap(), ""),
            Kind::Boolean => (if key.default == "no" { "yes" } else { "no" }, ""),
            Kind::Duration => ("7s", ""),
            Kind::TimeZone => ("+01:00", ""),
        };
        let text = format!("[migrate]\n[production]\n{beside}{} = {value}\n", key.name);
        let nothing = environment(&[]);
        let config = configured(&text, &nothing, &overrides(Some("production"), &[]));
        let config = config.unwrap_or_else(|error| panic!("{}: {}", key.name, picture(&error)));
        let in_force = config.in_force(&nothing).unwrap();
        let one = in_force.iter().find(|one| one.key == *key).unwrap();
        assert!(one.origin.to_string().ends_with(" [production]"), "{}: {}", key.name, one.origin);
    }
}

#[test]
fn a_variable_that_is_not_set_is_named_with_the_one_that_is() {
    let set = environment(&[("DATABASE_URL", "canary")]);
    for (name, wanted) in [("DATABSE_URL", Some("did you mean `DATABASE_URL`? It is set")), ("SOMETHING_ELSE", None)] {
        let text = format!("[migrate]\nurl = {{{{ x.dbUrl or env.{name} }}}}\n");
        let error = configured(&text, &set, &overrides(None, &[])).unwrap().database_url(&set).unwrap_err();
        assert_eq!(error.notes(), [format!("environment variable `{name}` is not set")]);
        let hints: Vec<&str> = error.hints().iter().map(String::as_str).collect();
        assert_eq!((hints.len(), wanted), if wanted.is_some() { (3, Some(hints[0])) } else { (2, None) });
    }
    let text = "[migrate]\nurl = {{ x.dbUrl }}\n[variables]\nschema = s\n";
    for (name, near) in [("dbUlr", "dbUrl"), ("shcema", "schema")] {
        let config = configured(text, &set, &overrides(None, &[(name, "canary")])).unwrap();
        assert_eq!(config.refuse_x(name).hints(), [format!("did you mean `-x {near}=...`?")]);
    }
    let error =
        configured("[migrate]\n[production]\n", &environment(&[(NAME_VARIABLE, "prodction")]), &overrides(None, &[]));
    assert_eq!(error.unwrap_err().hints(), ["did you mean `ALUDEL_ENV=production`?"]);
}

/// What is left of a value without its variable means something else: another database, another directory, no hook.
#[test]
fn what_is_not_set_is_never_written() {
    let set = environment(&[("DBNAME", "shop"), ("SECRET", "canary")]);
    let text = "[migrate]\nurl = postgres://deploy:{{ env.SECRET }}@h/{{ env.DBNAM }}\n";
    // Commands that do not connect need no URL.
    let config = configured(text, &set, &overrides(None, &[])).unwrap();
    assert_eq!(
        picture(&config.database_url(&set).unwrap_err()),
        "`url` asks for `env.DBNAM`, which is not set
  migrate.ini:2:44
  | url = postgres://deploy:{{ env.SECRET }}@h/{{ env.DBNAM }}
  |                                            ^^^^^^^^^^^^^^^
hint: did you mean `DBNAME`? It is set
hint: if it may be missing, say what holds then: `{{ env.DBNAM or \"...\" }}`"
    );
    let url = config.in_force(&set).unwrap().into_iter().find(|setting| setting.key == keys::URL).unwrap();
    assert_eq!(url.shown, ["postgres://deploy:{{ env.SECRET }}@h/{{ env.DBNAM }}"]);
    assert_eq!(url.reads, [("env.SECRET".to_owned(), true), ("env.DBNAM".to_owned(), false)]);

    let refused = [
        (
            "before_upgrade = pg_dump -f {{ env.BACKUPDIR }}/x.dump",
            "`before_upgrade` asks for `env.BACKUPDIR`, which is not set",
        ),
        ("before_upgrade = {{ env.HK }}", "`before_upgrade` asks for `env.HK`, which is not set"),
        (
            "after_upgrade =\n  true\n  {{ x.a or env.HK }}",
            "`after_upgrade` asks for `x.a` or `env.HK`, none of which is set",
        ),
        ("post_write_hooks = {{ env.HK }}", "`post_write_hooks` asks for `env.HK`, which is not set"),
        ("version_locations =\n  a\n  {{ env.MORE }}", "`version_locations` asks for `env.MORE`, which is not set"),
        ("metrics = {{ env.DIR }}/aludel.prom", "`metrics` asks for `env.DIR`, which is not set"),
        ("role = {{ env.ROLE }}", "`role` asks for `env.ROLE`, which is not set"),
        ("lock_wait = {{ x.wait }}", "`lock_wait` asks for `x.wait`, which is not set"),
        ("password_command = cat {{ env['FILE'] }}", "`password_command` asks for what is not set"),
    ];
    for (line, title) in refused {
        let error = configured(&format!("[migrate]\nurl = local\n{line}\n"), &set, &overrides(None, &[])).unwrap_err();
        assert_eq!((error.title(), error.excerpts().len()), (title, 1), "{line}");
        let column = error.excerpts()[0].mark.clone();
        assert!(error.excerpts()[0].line[column].starts_with("{{ "), "{}", picture(&error));
    }
    for line in [
        "before_upgrade = {{ env.HK or \"\" }}",
        "before_upgrade = {% if env.HK %}{{ env.HK }}{% endif %}",
        "before_upgrade =\n  {{ env.HK | default('') }}",
    ] {
        let config = configured(&format!("[migrate]\n{line}\n"), &set, &overrides(None, &[])).unwrap();
        assert_eq!(config.settings.hooks.before_upgrade, [], "{line}");
    }
    // The usual case in CI: the store has nothing under that name.
    let empty = environment(&[("HK", "")]);
    for (line, title) in [
        ("role = {{ env.HK }}", "`role` asks for `env.HK`, which is set, but empty"),
        ("role = {{ env.HK or env.OTHER }}", "`role` asks for `env.HK` or `env.OTHER`, none of which is set"),
    ] {
        let error =
            configured(&format!("[migrate]\nurl = local\n{line}\n"), &empty, &overrides(None, &[])).unwrap_err();
        assert_eq!(error.title(), title);
    }
    let error = configured("[migrate]\nurl = {{ env.HK }}\n", &empty, &overrides(None, &[])).unwrap();
    assert_eq!(error.database_url(&empty).unwrap_err().notes(), ["environment variable `HK` is set, but empty"]);
    let given = configured("[migrate]\nlock_wait = {{ x.wait }}\n", &set, &overrides(None, &[("wait", "1s")])).unwrap();
    assert_eq!(given.settings.lock_wait.value, Duration::from_secs(1));
}

#[test]
fn values_for_revisions_that_are_not_set_are_refused_unless_x_gives_them() {
    let nothing = environment(&[]);
    let text = "[migrate]\n[variables]\nrole = {{ env.ROLE }}\n";
    let error = configured(text, &nothing, &overrides(None, &[])).unwrap().variables(&nothing).unwrap_err();
    assert_eq!(error.title(), "`role` asks for `env.ROLE`, which is not set");
    let given = configured(text, &nothing, &overrides(None, &[("role", "app")])).unwrap();
    assert_eq!(given.variables(&nothing).unwrap()["role"].reveal(), "app");
}

#[test]
fn secrets_that_the_file_itself_says() {
    let set = environment(&[("SECRET", "canary"), ("OTHER", "x")]);
    for (text, wanted) in [
        ("url = postgres://u:canary@h/d", &["migrate.ini:2"][..]),
        ("url = postgres://u:{{ env.SECRET }}@h/d", &[]),
        ("url = {{ env.NONE or 'postgres://u:canary@h/d' }}", &["migrate.ini:2"]),
        ("url = {{ env.SECRET or 'postgres://u:other@h/d' }}", &[]),
        ("url = {{ env['SECRET'] }}", &[]),
        ("url = a\n[variables]\napp_password = a\nother = b\n", &["migrate.ini:4"]),
        ("url = a\n[variables]\napp_password = {{ env.SECRET }}\ntoken =\n", &[]),
        ("url = postgres://u:canary@h/d\n[variables]\ntoken = a", &["migrate.ini:2", "migrate.ini:4"]),
    ] {
        let config = configured(&format!("[migrate]\n{text}\n"), &set, &overrides(None, &[])).unwrap();
        let password = (!text.starts_with("url = a")).then(|| Secret::from("canary"));
        assert_eq!(config.written_secrets(password.as_slice()), wanted, "{text}");
    }
}

#[test]
fn the_url_is_the_command_lines_then_x_then_the_environments_then_local() {
    let text = "[migrate]\nurl = {{ x.dbUrl or env.DATABASE_URL or \"local\" }}\n";
    let given = |text: &str| DatabaseUrl::Given(Secret::from(text));
    let set = environment(&[("DATABASE_URL", "postgres://env/d")]);
    let url = |environment: &Environment, overrides: &CommandLineOverrides| {
        configured(text, environment, overrides).unwrap().database_url(environment).unwrap().value
    };
    let x = overrides(None, &[("dbUrl", "postgres://x/d")]);
    let option = CommandLineOverrides { url: Some(Secret::from("postgres://option/d")), ..x.clone() };
    assert_eq!(url(&set, &option), given("postgres://option/d"));
    assert_eq!(url(&set, &x), given("postgres://x/d"));
    assert_eq!(url(&set, &overrides(None, &[])), given("postgres://env/d"));
    assert_eq!(url(&environment(&[("DATABASE_URL", "")]), &overrides(None, &[])), DatabaseUrl::Local);
    assert_eq!(format!("{:?}", given("canary")), "Given(***)");

    let error = configured(text, &set, &overrides(None, &[("dburl", "canary")])).unwrap_err();
    assert_eq!(picture(&error), "`migrate.ini` reads `x.dbUrl`, not `x.dburl`\nhint: type `-x dbUrl=...`");
    assert!(configured(text, &set, &overrides(None, &[("schema", "s")])).is_ok());
}

#[test]
fn no_url_is_an_error_where_one_is_needed_and_nowhere_else() {
    refuses(
        "[migrate]\nurl = {{ x.dbUrl or env.DATABASE_URL }}\n",
        "no database is named
          migrate.ini:2:7
          | url = {{ x.dbUrl or env.DATABASE_URL }}
          |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ gives nothing here
        note: environment variable `DATABASE_URL` is not set
        hint: name one: `--url postgres://user@host/database`, or `url` in the settings
        hint: `--url local` starts a private PostgreSQL for development and tests",
    );
    refuses(
        "[migrate]\n",
        "no database is named
        hint: name one: `--url postgres://user@host/database`, or `url` in the settings
        hint: `--url local` starts a private PostgreSQL for development and tests",
    );
    assert!(plain("[migrate]\nurl = {{ nosuch( }}\n").is_ok());
}

#[test]
fn variables_are_the_files_overlaid_by_x() {
    let nothing = environment(&[("ROLE", "app")]);
    let text = "[migrate]\n[variables]\nrole = {{ env.ROLE }}\nschema = s\n";
    let config = configured(text, &nothing, &overrides(None, &[("schema", "t"), ("new", "1")])).unwrap();
    let variables = config.variables(&nothing).unwrap();
    let shown: Vec<_> =
        variables.iter().map(|(name, variable)| format!("{name}={} {}", variable.reveal(), variable.origin)).collect();
    assert_eq!(shown, ["new=1 -x", "role=app migrate.ini:3 [variables]", "schema=t -x"]);
}

#[test]
fn what_is_in_force_says_where_it_comes_from_and_no_password() {
    let text = "[migrate]\nurl = postgres://u:canary@h/d\nversion_locations = a\n  b\n[p]\nlock_wait = 1s\n";
    let nothing = environment(&[]);
    let config = configured(text, &nothing, &overrides(Some("p"), &[])).unwrap();
    let shown = |config: &Config, name: &str| {
        let all = config.in_force(&nothing).unwrap();
        assert_eq!(all.len(), KEYS.len());
        assert!(!format!("{all:?}{config:?}").contains("canary"));
        let found = all.into_iter().find(|one| one.key.name == name).unwrap();
        format!("{} ({})", found.shown.join(", "), found.origin)
    };
    assert_eq!(shown(&config, "url"), "*** (migrate.ini:2 [migrate])");
    assert_eq!(shown(&config, "version_locations"), "a, b (migrate.ini:3 [migrate])");
    assert_eq!(shown(&config, "lock_wait"), "1s (migrate.ini:6 [p])");
    assert_eq!(shown(&config, "lock_timeout"), "2s (default)");
    assert_eq!(shown(&config, "version_table"), "aludel_version (default)");
    assert_eq!(shown(&plain("[migrate]\nurl = local").unwrap(), "lock_wait"), "5min (default)");
    let option = CommandLineOverrides {
        lock_wait: Some(Duration::from_secs(2)),
        url: Some(Secret::from("local")),
        ..overrides(None, &[])
    };
    let config = configured(text, &nothing, &option).unwrap();
    assert_eq!(shown(&config, "lock_wait"), "2000ms (--lock-wait)");
    assert_eq!(shown(&config, "url"), "local (--url)");
}

#[test]
fn errors_of_the_text_point_at_it() {
    refuses(
        "[migrate]\nurl = local\n\n url2\nurl = postgres://u:canary@h/d\n",
        "`url` is given twice in `[migrate]`
          migrate.ini:5:1
          | url = ***
          | ^^^
          migrate.ini:2:1
          | url = ***
          | ^^^ first given here",
    );
    refuses(
        "[migrate]\n[ p ]\n[p]\n",
        "section `[p]` is given twice
          migrate.ini:3:2
          | [p]
          |  ^
          migrate.ini:2:3
          | [ p ]
          |   ^ first given here",
    );
    refuses(
        "url = local\n[migrate]\n",
        "a key before the first section
          migrate.ini:1:1
          | url = ***
          | ^^^
        hint: write `[migrate]` above it",
    );
    refuses(
        "[migrate]\nrecursive_version_locations\n",
        "a line that is neither `key = value`, a `[section]` nor a comment
          migrate.ini:2:1
          | ***
          | ^^^
        hint: indent the further lines of a value",
    );
    refuses(
        "[migrate] # settings\n",
        "a section's line ends with `]`
          migrate.ini:1:1
          | [migrate] # settings
          | ^^^^^^^^^^^^^^^^^^^^
        hint: write the section as `[name]`, a comment on a line of its own",
    );
    refuses(
        "[migrate]\nurl =\npostgres://u:canary@h/d\n",
        "no setting, after `url` without a value
          migrate.ini:3:1
          | ***
          | ^^^
        hint: indent the further lines of a value",
    );
    refuses(
        "[migrate]\nversion_locations = %(here)s/versions\n",
        "`%(here)s` is not replaced in this file
          migrate.ini:2:21
          | version_locations = %(here)s/versions
          |                     ^^^^^^^^
        hint: write `{{ here }}`",
    );
    let config = plain("[migrate]\nfile_template = é%%(year)d_%(rev)s\n").unwrap();
    let template = &config.settings.file_template;
    assert_eq!(template.value, "é%%(year)d_%(rev)s");
    let excerpt = template.origin.excerpt_within(template, 2..11).unwrap();
    assert_eq!((&excerpt.line[excerpt.mark.clone()], excerpt.place.column), ("%%(year)d", 18));
    let utf_16 = first_error(b"\xFF\xFE[\0m\0").unwrap();
    assert_eq!(
        picture(&utf_16),
        "the settings are not UTF-8\n  migrate.ini:1:1\n  | ***\n  | ^^^\nnote: the file begins like UTF-16\nhint: save `migrate.ini` as UTF-8"
    );
}

#[test]
fn a_wrong_name_is_told_the_right_one() {
    refuses(
        "[migrate]\nverison_table = t\n",
        "unknown setting `verison_table`
          migrate.ini:2:1
          | verison_table = t
          | ^^^^^^^^^^^^^
        hint: call it `version_table`",
    );
    for (line, hint) in [
        ("sqlalchemy.url = x", "call it `url`"),
        ("script_location = x", "name the directory of the revisions: `version_locations = versions`"),
        ("prepend_sys_path = .", "remove it: revisions are SQL files in UTF-8, without Python"),
        ("password = canary", "keep it out of this file: `password_command`, PGPASSWORD or ~/.pgpass"),
        (
            "on_success = ./tell",
            "the hooks are `before_upgrade`, `after_upgrade`, `before_downgrade`, `after_downgrade`, `on_failure`",
        ),
        (
            "before_stamp = ./tell",
            "the hooks are `before_upgrade`, `after_upgrade`, `before_downgrade`, `after_downgrade`, `on_failure`",
        ),
    ] {
        let error = first_error(format!("[migrate]\n{line}\n").as_bytes()).unwrap();
        assert_eq!(error.hints(), [hint], "{line}");
        let error = first_error(format!("[migrate]\n[production]\n{line}\n").as_bytes()).unwrap();
        assert_eq!(error.hints(), [hint], "{line} in an environment");
    }
    let error = first_error(b"[migrate]\nfrobnicate = 1\n").unwrap();
    let hints = [
        "take it out; `aludel env -v` lists the settings that there are",
        "values for revisions belong in `[variables]`",
    ];
    assert_eq!(error.hints(), hints);
    for (section, hint) in [
        ("alembic", "call it `[migrate]`"),
        ("Migrate", "call it `[migrate]`"),
        ("variable", "call it `[variables]`"),
        ("loggers", "remove it: it is for Python's logging"),
        ("handler_console", "remove it: it is for Python's logging"),
    ] {
        let error = first_error(format!("[{section}]\n").as_bytes()).unwrap();
        assert_eq!(error.hints(), [hint], "{section}");
        assert_eq!(error.title(), format!("section `[{section}]` has no meaning here"));
    }
    refuses(
        "",
        "`migrate.ini` has no section `[migrate]`
        hint: write `[migrate]` above the settings, or type `aludel init` for a new file",
    );
}

#[test]
fn a_wrong_value_is_pointed_at() {
    refuses(
        "[migrate]\nlock_wait = 5 # minutes\n",
        "`lock_wait` is no duration
          migrate.ini:2:13
          | lock_wait = 5 # minutes
          |             ^^^^^^^^^^^
        hint: write `500ms`, `2s`, `5min`, `1h` or `0`",
    );
    refuses(
        "[migrate]\nversion_table =\n",
        "`version_table` has no value
          migrate.ini:2:1
          | version_table =
          | ^^^^^^^^^^^^^",
    );
    refuses(
        "[migrate]\nhistory_table = aludel_version\n",
        "`history_table` is the same table as `version_table`
          migrate.ini:2:17
          | history_table = aludel_version
          |                 ^^^^^^^^^^^^^^",
    );
    refuses(
        "[migrate]\nversion_table = t\n  history_table = h\n",
        "`version_table` takes one line
          migrate.ini:3:3
          |   history_table = h
          |   ^^^^^^^^^^^^^^^^^
        note: an indented line continues the value above it",
    );
    refuses(
        "[migrate]\npost_write_hooks =\n  a\n  b 'c\n",
        "`post_write_hooks` has a quote that is not closed
          migrate.ini:4:3
          |   b 'c
          |   ^^^^",
    );
    refuses(
        "[migrate]\nversion_locations = é {{ env.A | upperr }}\n",
        "the template of `version_locations` cannot be rendered
          migrate.ini:2:34
          | version_locations = é {{ env.A | upperr }}
          |                                  ^^^^^^
        note: unknown filter: filter upperr is unknown",
    );
}

#[test]
fn a_slip_in_a_template_never_chooses_another_database() {
    refuses(
        "[migrate]\nurl = {{ x.dbUrl or evn.DATABASE_URL or 'local' }}\n",
        "the template of `url` asks for unknown name `evn`
          migrate.ini:2:21
          | url = {{ x.dbUrl or evn.DATABASE_URL or 'local' }}
          |                     ^^^
        hint: write `env.NAME`, `x.NAME` or `here`",
    );
}

#[test]
fn a_file_that_is_not_there_names_what_to_type() {
    let nowhere = tempfile::tempdir().unwrap();
    let path = nowhere.path().join("m.ini");
    let named = CommandLineOverrides { config: Some(path.clone()), ..overrides(None, &[]) };
    let error = Config::load(&environment(&[]), &named).unwrap_err();
    assert_eq!(error.title(), format!("there is no `{}`", path.display()));
    assert_eq!(error.hints()[0], "type `aludel init` to begin a project here");

    std::fs::write(&path, "[migrate]\nversion_locations = {{ here }}/a\n  b\n").unwrap();
    let by_variable = environment(&[(FILE_VARIABLE, path.to_str().unwrap())]);
    let config = Config::load(&by_variable, &overrides(None, &[])).unwrap();
    let paths: Vec<_> = config.settings.version_locations.iter().map(|location| location.value.clone()).collect();
    assert_eq!(paths, [nowhere.path().join("a"), nowhere.path().join("b")]);

    let directory = CommandLineOverrides { config: Some(nowhere.path().to_owned()), ..overrides(None, &[]) };
    assert!(Config::load(&environment(&[]), &directory).is_err());
}

#[test]
fn the_example_project_is_right() {
    let text = include_str!("../../migrate.ini");
    let set = environment(&[("DATABASE_URL", "postgres://h/d")]);
    let url = |environment: &Environment| plain(text).unwrap().database_url(environment).unwrap().value;
    assert_eq!(url(&set), DatabaseUrl::Given(Secret::from("postgres://h/d")));
    assert_eq!(url(&environment(&[])), DatabaseUrl::Local);
}

#[test]
fn a_password_is_in_no_error() {
    let url = "postgres://u:cana/r@y:CANARY@h/d";
    let lines = [
        format!("url = {url}"),
        format!("  url = {url}"),
        format!("url = {url} {{{{ nosuch( }}}}"),
        format!("url = {{{{ env.A | nosuch('{url}') }}}}"),
        "url = {{ env.A | nosuch('CANARY') }}".to_owned(),
        "url = {{ 'CANARY' + 1 }}".to_owned(),
        "url = postgres://u:{{ 'x' ~ CANARY }}@h/d".to_owned(),
        "url = {{ CANARY CANARY }}@h".replace("CANARY CANARY", "'CANARY' 'CANARY'"),
        format!("url = {url}\n  {url}"),
        format!("url =\n  local\n  {url}"),
        "url =\n  host=h\n  password=CANARY".to_owned(),
        format!("url =\n{url}"),
        "url =\nCANARY".to_owned(),
        "url =\nCANARY=".to_owned(),
        "url =\nCANARY@h/d?x=1".to_owned(),
        format!("url {url}"),
        format!("ulr = {url}"),
        format!("ulr = {url}\nulr = {url}"),
        format!("sqlalchemy.url = {url}"),
        format!("url = {url}\nurl = {url}"),
        "url = host=h password=%(CANARY)s".to_owned(),
        "url = postgres://u:%(CANARY)s@h/d".to_owned(),
        format!("lock_wait = {url}"),
        format!("revision_id = {url}"),
        format!("version_table = {url}{}", "x".repeat(64)),
        format!("post_write_hooks = a '{url}"),
        "post_write_hooks = a --password CANARY '".to_owned(),
        "post_write_hooks = PGPASSWORD=CANARY a '".to_owned(),
        format!("[migrate {url}]"),
        format!("[migrate] {url}"),
        format!("lock_wait = {}{url}", " ".repeat(300)),
        format!("{url}\0"),
        "password = CANARY".to_owned(),
        "pasword = CANARY".to_owned(),
        "pasword: CANARY".to_owned(),
        "PGPASSWORD=CANARY\nPGPASSWORD=CANARY".to_owned(),
        "db.password =\n  CANARY\n  CANARY".to_owned(),
        "CANARY".to_owned(),
    ];
    let mut refused = 0;
    let mut check = |text: &[u8]| {
        let Some(error) = first_error(text) else { return };
        refused += 1;
        let shown = format!("{} {error:?} {error}", picture(&error));
        assert!(!shown.contains("CANARY"), "{}\n{shown}", String::from_utf8_lossy(text));
    };
    for line in &lines {
        for section in ["", "[migrate]\n", "[migrate]\n[production]\n", "[migrate]\n[variables]\n"] {
            for end in ["", "\n", "\r\n", "\r", "\n\0", "\n{{", "\nlock_wait = 1\n", "\n  url = x\n"] {
                check(format!("{section}{line}{end}").as_bytes());
            }
            check(&[section.as_bytes(), line.as_bytes(), b"\xFF"].concat());
            check(&[section.as_bytes(), b"\xFF", line.as_bytes()].concat());
        }
    }
    assert!(refused > 500, "{refused}");
    // What the environment and the command line give is in no error either.
    let set = environment(&[("A", "CANARY")]);
    for key in KEYS {
        let text = format!("[migrate]\n{} = {{{{ x.a or env.A }}}}'\n", key.name);
        for given in [&[][..], &[("a", "CANARY")]] {
            let config = configured(&text, &set, &overrides(None, given));
            let error = config.and_then(|config| {
                let shown = format!("{config:?}");
                assert!(key.kind != Kind::Url || !shown.contains("CANARY"), "{shown}");
                config.database_url(&set)
            });
            if let Err(error) = error {
                assert!(!format!("{error:?}").contains("CANARY"), "{}", picture(&error));
            }
        }
    }
}

#[test]
fn hostile_texts_are_read_in_linear_time_and_without_a_panic() {
    let many = |text: &str, bytes: usize| text.repeat(bytes / text.len());
    let start = std::time::Instant::now();
    for piece in [
        "(",
        "{",
        "{{",
        "[",
        "=",
        "a=\n",
        " a\n",
        "%(",
        "%(a",
        "%(a)",
        "key ",
        "password ",
        "@",
        "://",
        "\"",
        "é\n",
        "\n",
    ] {
        for before in ["", "[migrate]\n", "[migrate]\nurl = ", "[migrate]\nversion_locations =\n "] {
            let _ = first_error(format!("{before}{}", many(piece, 200_000)).as_bytes());
        }
    }
    let keys: String = (0..50_000).map(|number| format!("k{number} = v\n")).collect();
    assert!(first_error(format!("[migrate]\n[variables]\n{keys}").as_bytes()).is_some());
    let sections: String = (0..50_000).map(|number| format!("[env{number}]\n")).collect();
    assert!(plain(&format!("[migrate]\n{sections}")).is_ok());
    let locations: String = (0..50_000).map(|number| format!("  dir{number}\n")).collect();
    assert!(plain(&format!("[migrate]\nversion_locations =\n{locations}")).is_ok());
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\[migrate\\]\n)?[a-z\\[\\]=:%(){}'\"@/é \t\r\n#;\0]{0,80}") {
        let _ = first_error(text.as_bytes()).map(|error| picture(&error));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
        let _ = first_error(&bytes).map(|error| picture(&error));
    }
}
