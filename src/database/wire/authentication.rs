//! Proving who we are: trust, a password in clear text, MD5, SCRAM-SHA-256 with channel binding and without (manual, 54.3).

use super::link::Link;
use crate::database::connect_error::ConnectFailure;
use crate::database::conninfo::Conninfo;
use crate::database::conninfo::tls::{AllowedMethods, ChannelBinding, Method};
use crate::secret::Secret;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

/// A log-in in progress.
pub(super) struct Authentication<'a> {
    user: &'a str,
    password: Option<&'a Secret>,
    binding: ChannelBinding,
    allowed: &'a AllowedMethods,
    scram: Scram,
    /// Whether SCRAM is tied to the server's certificate.
    bound: bool,
    /// Whether the server asked for anything.
    asked: bool,
    /// Whether the password was given so that whoever reads it on its way has it, or can find it out.
    readable: bool,
}

/// How far SCRAM is. The server proves that it knows the password too: it may not skip that.
enum Scram {
    NotAsked,
    Begun(Box<ScramSha256>),
    Proven,
}

impl<'a> Authentication<'a> {
    pub(super) fn new(conninfo: &'a Conninfo, password: Option<&'a Secret>) -> Self {
        let (binding, allowed) = (conninfo.channel_binding, &conninfo.require_auth);
        let (bound, asked, readable) = (false, false, false);
        Self { user: &conninfo.user, password, binding, allowed, scram: Scram::NotAsked, bound, asked, readable }
    }

    /// Whether the server asked for a password, in whatever way.
    pub(super) fn used_password(&self) -> bool {
        self.asked
    }

    /// Whether the password was given in clear text or as MD5, and not by SCRAM.
    pub(super) fn gave_readable(&self) -> bool {
        self.readable
    }

    /// Answers one message of the server; true when the server has let us in.
    pub(super) fn answer(&mut self, message: &Message, link: &mut Link) -> Result<bool, ConnectFailure> {
        match message {
            Message::AuthenticationOk => {
                if matches!(self.scram, Scram::Begun(_)) {
                    return Err(ConnectFailure::protocol("the server did not prove that it knows the password"));
                }
                if !self.asked {
                    self.check(Method::None)?;
                }
                if self.binding == ChannelBinding::Require && !self.bound {
                    return Err(ConnectFailure::NotBound);
                }
                return Ok(true);
            }
            Message::AuthenticationCleartextPassword => {
                self.check(Method::Password)?;
                let password = self.password()?.as_bytes();
                link.queue(|buffer| frontend::password_message(password, buffer))?;
                self.readable = true;
            }
            Message::AuthenticationMd5Password(body) => {
                self.check(Method::Md5)?;
                let hash = md5_hash(self.user.as_bytes(), self.password()?.as_bytes(), body.salt());
                link.queue(|buffer| frontend::password_message(hash.as_bytes(), buffer))?;
                self.readable = true;
            }
            Message::AuthenticationSasl(body) => {
                let offered: Vec<&str> = body.mechanisms().collect()?;
                let (mechanism, binding) = self.mechanism(&offered, link)?;
                self.check(Method::Scram)?;
                let scram = ScramSha256::new(self.password()?.as_bytes(), binding);
                link.queue(|buffer| frontend::sasl_initial_response(mechanism, scram.message(), buffer))?;
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

    /// The best mechanism of those that the server offers, and what it is tied to.
    fn mechanism(
        &mut self,
        offered: &[&str],
        link: &Link,
    ) -> Result<(&'static str, sasl::ChannelBinding), ConnectFailure> {
        let with_binding = offered.contains(&SCRAM_SHA_256_PLUS);
        let tls = link.tls();
        if with_binding && tls.is_none() {
            // Only over TLS does a server offer it: somebody in between has taken it away.
            return Err(ConnectFailure::protocol("it offers channel binding without TLS"));
        }
        let hash = tls.filter(|_| self.binding != ChannelBinding::Disable).and_then(|tls| tls.end_point_hash());
        match hash {
            Some(hash) if with_binding => {
                self.bound = true;
                Ok((SCRAM_SHA_256_PLUS, sasl::ChannelBinding::tls_server_end_point(hash)))
            }
            _ if !offered.contains(&SCRAM_SHA_256) => Err(ConnectFailure::Method(offered.join(", "))),
            _ if self.binding == ChannelBinding::Require => Err(ConnectFailure::NotBound),
            // It tells the server that we could: one that can, and was made to look as if it could not, refuses.
            Some(_) => Ok((SCRAM_SHA_256, sasl::ChannelBinding::unrequested())),
            None => Ok((SCRAM_SHA_256, sasl::ChannelBinding::unsupported())),
        }
    }

    /// Whether the server may use `method`; it is not answered otherwise.
    fn check(&mut self, method: Method) -> Result<(), ConnectFailure> {
        self.asked = method != Method::None;
        if let Some(written) = self.allowed.written.as_ref().filter(|_| !self.allowed.allows(method)) {
            return Err(ConnectFailure::MethodNotAllowed(method, written.clone()));
        }
        if self.binding == ChannelBinding::Require && matches!(method, Method::Password | Method::Md5) {
            return Err(ConnectFailure::NotBound);
        }
        Ok(())
    }

    fn password(&self) -> Result<&'a str, ConnectFailure> {
        self.password.map(Secret::reveal).ok_or(ConnectFailure::PasswordMissing)
    }
}

fn out_of_turn() -> ConnectFailure {
    ConnectFailure::protocol("a message that has no place in a log-in")
}
