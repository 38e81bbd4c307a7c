//! Alembic, in a virtual environment under `target/`, with the same SQL in `op.execute`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::quiet;
use crate::project::Body;

/// The interpreter of an environment that has Alembic; made at the first call.
///
/// # Errors
/// There is no Python 3, or pip cannot install.
pub fn python() -> Result<PathBuf, String> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("alembic");
    let python = home.join("bin/python");
    let works = |python: &Path| {
        let mut command = Command::new(python);
        quiet(&mut command).args(["-c", "import alembic, psycopg2"]);
        command.status().is_ok_and(|status| status.success())
    };
    if works(&python) {
        return Ok(python);
    }
    let made = Command::new("python3")
        .args(["-m", "venv"])
        .arg(&home)
        .output()
        .map_err(|error| format!("python3: {error}"))?;
    if !made.status.success() {
        return Err("python3 -m venv fails".to_owned());
    }
    let mut pip = Command::new(&python);
    let installed = pip.args(["-m", "pip", "install", "-q", "alembic", "psycopg2-binary"]).output();
    match installed {
        Ok(output) if output.status.success() && works(&python) => Ok(python),
        _ => Err("pip cannot install alembic".to_owned()),
    }
}

/// Writes a project of `bodies`, one upon the other, into `directory`.
pub fn write(directory: &Path, bodies: &[Body]) -> std::io::Result<()> {
    let versions = directory.join("alembic/versions");
    std::fs::create_dir_all(&versions)?;
    std::fs::write(directory.join("alembic.ini"), "[alembic]\nscript_location = alembic\n")?;
    std::fs::write(
        directory.join("alembic/env.py"),
        "import os\nfrom alembic import context\n\
         def main():\n    \
             from sqlalchemy import create_engine\n    \
             engine = create_engine('postgresql+psycopg2:' + os.environ['DATABASE_URL'].split(':', 1)[1])\n    \
             with engine.connect() as connection:\n        \
                 context.configure(connection=connection, transaction_per_migration=True)\n        \
                 with context.begin_transaction():\n            \
                     context.run_migrations()\n\
         main()\n",
    )?;
    for (number, body) in bodies.iter().enumerate() {
        let id = format!("{:05}", number + 1);
        let below = if number == 0 { "None".to_owned() } else { format!("'{number:05}'") };
        let quotes = "\"\"\"";
        let text = format!(
            "from alembic import op\nrevision = '{id}'\ndown_revision = {below}\n\
             def upgrade():\n    op.execute({quotes}{}{quotes})\ndef downgrade():\n    op.execute({quotes}{}{quotes})\n",
            body.up, body.down
        );
        std::fs::write(versions.join(format!("{id}_small_change.py")), text)?;
    }
    Ok(())
}

/// Alembic in `directory`.
pub fn command(python: &Path, directory: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(python);
    quiet(&mut command).env("DATABASE_URL", url).current_dir(directory).args(["-m", "alembic.config"]).args(arguments);
    command
}
