//! The programs that the tool starts: none has a password among its arguments, although their environment may.

use crate::Case;
use crate::canary::{clean, clean_arguments, encoded, password};

/// Says what the arguments of this process and of the one above it are.
const SHOW: &str = "#!/bin/sh\nprintf 'SEEN '\ntr '\\0' ' ' < /proc/$$/cmdline\nexit 0\n";

#[test]
fn hooks_and_editors() {
    let case = Case::new();
    case.project.write("show.sh", SHOW);
    let program = case.project.path().join("show.sh");
    let executable: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, executable).expect("the permissions are set");
    case.project.write("migrate.ini", "[migrate]\nurl = {{ env.DATABASE_URL }}\npost_write_hooks = ./show.sh\n");
    let target = case.target();
    for arguments in ["upgrade 001", "revision -m more", "edit current"] {
        for on_command_line in [false, true] {
            let mut command = case.project.command(arguments.split_whitespace());
            command.env("DATABASE_URL", target.encoded()).env("PGPASSWORD", &target.password).env("EDITOR", &program);
            if on_command_line {
                command.arg("--url").arg(target.encoded());
            }
            let ran = case.run(command).succeeded();
            assert_eq!(ran.transcript().contains("SEEN "), arguments != "upgrade 001", "{}", ran.transcript());
        }
    }
    case.clean_server();
}

/// The private server, the process that watches over it, and psql.
#[test]
fn the_private_server() {
    let case = Case::new();
    case.project.write("migrate.ini", "[migrate]\nurl = local\n");
    let run = |arguments: &[&str]| {
        let mut command = case.project.command(arguments);
        command.env("PGPASSWORD", password("@"));
        command.env("DATABASE_URL", format!("postgres://u:{}@127.0.0.1:1/d", encoded(&password("@"))));
        case.run(command)
    };
    assert_eq!(run(&["local", "start"]).code, 0);
    let status = run(&["local", "status", "--json"]);
    let pid = status.stdout.split("\"pid\": ").nth(1).and_then(|rest| rest.split(',').next()).expect("a process");
    clean_arguments(pid.parse().expect("a number"));
    // Whatever runs for this project.
    let directory = case.project.path().to_string_lossy().into_owned();
    let mut seen = 0;
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments);
        if arguments.contains(&directory) {
            seen += 1;
            clean("the arguments of a process", &arguments);
        }
    }
    assert!(seen > 0, "the server's own process is seen");
    let psql = run(&["local", "psql", "-X", "-A", "-t", "-c", "\\! tr '\\0' ' ' < /proc/$PPID/cmdline"]);
    assert!(psql.stdout.contains("psql"), "{}", psql.transcript());
    assert_eq!(run(&["upgrade", "001"]).code, 0);
    assert_eq!(run(&["local", "stop"]).code, 0);
    assert_eq!(run(&["local", "destroy", "--yes"]).code, 0);
}
