//! Proving who we are: trust, a password in clear text, MD5, SCRAM-SHA-256 (manual, 54.3).

use super::link::Link;
use crate::database::connect_error::ConnectFailure;
use crate::secret::Secret;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

/// A log-in in progress.
pub(super) struct Authentication<'a> {
    user: &'a str,
    password: Option<&'a Secret>,
    scram: Scram,
}

/// How far SCRAM is. The server proves that it knows the password too: it may not skip that.
enum Scram {
    NotAsked,
    Begun(Box<ScramSha256>),
    Proven,
}

impl<'a> Authentication<'a> {
    pub(super) fn new(user: &'a str, password: Option<&'a Secret>) -> Self {
        Self { user, password, scram: Scram::NotAsked }
    }

    /// Answers one message of the server; true when the server has let us in.
    pub(super) fn answer(&mut self, message: &Message, link: &mut Link) -> Result<bool, ConnectFailure> {
        match message {
            Message::AuthenticationOk => {
                if matches!(self.scram, Scram::Begun(_)) {
                    return Err(ConnectFailure::protocol("the server did not prove that it knows the password"));
                }
                return Ok(true);
            }
            Message::AuthenticationCleartextPassword => {
                let password = self.password()?.as_bytes();
                link.queue(|buffer| frontend::password_message(password, buffer))?;
            }
            Message::AuthenticationMd5Password(body) => {
                let hash = md5_hash(self.user.as_bytes(), self.password()?.as_bytes(), body.salt());
                link.queue(|buffer| frontend::password_message(hash.as_bytes(), buffer))?;
            }
            Message::AuthenticationSasl(body) => {
                let offered: Vec<&str> = body.mechanisms().collect()?;
                if !offered.contains(&SCRAM_SHA_256) {
                    return Err(ConnectFailure::Method(offered.join(", ")));
                }
                let scram = ScramSha256::new(self.password()?.as_bytes(), ChannelBinding::unsupported());
                link.queue(|buffer| frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), buffer))?;
                self.scram = Scram::Begun(Box::new(scram));
            }
            Message::AuthenticationSaslContinue(body) => {
                let Scram::Begun(scram) = &mut self.scram else { return Err(out_of_turn()) };
                scram.update(body.data())?;
                link.queue(|buffer| frontend::sasl_response(scram.message(), buffer))?;
            }
            Message::AuthenticationSaslFinal(body) => {
                let Scram::Begun(scram) = &mut self.scram else { return Err(out_of_turn()) };
                scram.finish(body.data())?;
                self.scram = Scram::Proven;
            }
            Message::AuthenticationGss | Message::AuthenticationGssContinue(_) => {
                return Err(ConnectFailure::Method("GSSAPI".to_owned()));
            }
            Message::AuthenticationSspi => return Err(ConnectFailure::Method("SSPI".to_owned())),
            Message::AuthenticationKerberosV5 => return Err(ConnectFailure::Method("Kerberos 5".to_owned())),
            _ => return Err(out_of_turn()),
        }
        Ok(false)
    }

    fn password(&self) -> Result<&'a str, ConnectFailure> {
        self.password.map(Secret::reveal).ok_or(ConnectFailure::PasswordMissing)
    }
}

fn out_of_turn() -> ConnectFailure {
    ConnectFailure::protocol("a message that has no place in a log-in")
}
