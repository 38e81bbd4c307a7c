//! `aludel list-templates`

use clap::Args;

use super::Context;
use crate::error::Result;
use crate::project;

/// List the templates that `aludel init -t` knows
#[derive(Debug, Args)]
pub struct Arguments {}

pub(super) fn run(_: Arguments, context: &Context) -> Result<()> {
    for template in project::INIT_TEMPLATES {
        context.ui.line(format_args!("{} - {}", template.name, template.description));
    }
    Ok(())
}
