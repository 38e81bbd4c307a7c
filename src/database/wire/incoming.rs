//! Bytes from the server, cut into messages; rows that nobody wants are dropped before they take memory.

use super::event::Rows;
use bytes::{Buf as _, BytesMut};
use postgres_protocol::message::backend::{
    self, COPY_DATA_TAG, DATA_ROW_TAG, ERROR_RESPONSE_TAG, Header, Message, NOTICE_RESPONSE_TAG,
    NOTIFICATION_RESPONSE_TAG, READY_FOR_QUERY_TAG, ROW_DESCRIPTION_TAG,
};
use std::collections::VecDeque;
use std::io;

/// The longest message of a kind that is always short: a longer one is not PostgreSQL speaking (as in libpq).
const LONGEST_SHORT: usize = 30_000;

/// What has arrived.
#[derive(Default)]
pub(crate) struct Incoming {
    raw: BytesMut,
    /// Bytes still to come of a message that is dropped.
    skip: usize,
    messages: VecDeque<Message>,
    /// For each message sent and not yet answered, what becomes of its rows.
    expected: VecDeque<Rows>,
    /// How many notifications came; what they say is dropped.
    pub(crate) notifications: u64,
}

impl Incoming {
    /// Remembers that a message was sent.
    pub(crate) fn expect(&mut self, rows: Rows) {
        self.expected.push_back(rows);
    }

    /// The next whole message.
    pub(crate) fn next(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    /// Whether a whole message is there.
    pub(crate) fn has_message(&self) -> bool {
        !self.messages.is_empty()
    }

    /// Takes in what was read.
    ///
    /// # Errors
    /// Something that is not PostgreSQL's protocol.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        self.raw.extend_from_slice(&bytes[skipped..]);
        while let Some(header) = Header::parse(&self.raw)? {
            let length = usize::try_from(header.len()).map_err(io::Error::other)?;
            if self.is_dropped(header.tag()) {
                self.notifications += u64::from(header.tag() == NOTIFICATION_RESPONSE_TAG);
                let here = (length + 1).min(self.raw.len());
                self.raw.advance(here);
                self.skip = length + 1 - here;
                continue;
            }
            check(header.tag(), length, &self.raw)?;
            let Some(message) = backend::Message::parse(&mut self.raw)? else { break };
            if header.tag() == READY_FOR_QUERY_TAG {
                self.expected.pop_front();
            }
            self.messages.push_back(message);
        }
        Ok(())
    }

    fn is_dropped(&self, tag: u8) -> bool {
        match tag {
            COPY_DATA_TAG | NOTIFICATION_RESPONSE_TAG => true,
            DATA_ROW_TAG | ROW_DESCRIPTION_TAG => self.expected.front() != Some(&Rows::Keep),
            _ => false,
        }
    }
}

/// Refuses what is not PostgreSQL, before memory is taken for its length.
fn check(tag: u8, length: usize, raw: &[u8]) -> io::Result<()> {
    let may_be_long = matches!(tag, DATA_ROW_TAG | ROW_DESCRIPTION_TAG | ERROR_RESPONSE_TAG | NOTICE_RESPONSE_TAG);
    if may_be_long || length <= LONGEST_SHORT {
        return Ok(());
    }
    let shown = String::from_utf8_lossy(&raw[..raw.len().min(40)]).escape_debug().to_string();
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("not PostgreSQL's protocol: `{shown}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[tag][..], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn any_cut_gives_the_same_messages() {
        let stream = [
            frame(b'T', &[0, 0]),
            frame(b'D', &[0, 1, 0, 0, 0, 1, b'x']),
            frame(b'C', b"SELECT 1\0"),
            frame(b'd', &[7; 50]),
            frame(b'Z', b"I"),
            frame(b'D', &[0, 0]),
            frame(b'Z', b"T"),
        ]
        .concat();
        for size in 1..stream.len() {
            let mut incoming = Incoming::default();
            incoming.expect(Rows::Discard);
            incoming.expect(Rows::Keep);
            for piece in stream.chunks(size) {
                incoming.feed(piece).unwrap();
            }
            let kinds: Vec<char> = std::iter::from_fn(|| incoming.next())
                .map(|message| match message {
                    Message::CommandComplete(_) => 'C',
                    Message::ReadyForQuery(_) => 'Z',
                    Message::DataRow(_) => 'D',
                    _ => '?',
                })
                .collect();
            assert_eq!(kinds, ['C', 'Z', 'D', 'Z'], "pieces of {size}");
        }
    }

    #[test]
    fn a_dropped_row_takes_no_memory() {
        let mut incoming = Incoming::default();
        incoming.feed(&[b'D', 0x3f, 0xff, 0xff, 0xff]).unwrap();
        for _ in 0..1000 {
            incoming.feed(&[0; 65536]).unwrap();
        }
        assert!(incoming.raw.capacity() < 200_000);
    }

    #[test]
    fn another_protocol_is_told_at_once() {
        let error = Incoming::default().feed(b"HTTP/1.1 400 Bad Request\r\n").unwrap_err();
        assert!(error.to_string().contains("HTTP/1.1"), "{error}");
    }
}
