//! A whole revision file: what the check accepts is what is sent, in order, whatever the reads; the checksum is the file's.
#![no_main]

use std::io::Read;

use aludel::model::sql::body::{BatchKind, Body};
use aludel::model::sql::check::check;
use aludel::model::sql::checksum::Checksum;
use aludel::model::sql::marker::{SectionKind, Transaction};
use libfuzzer_sys::fuzz_target;

/// Gives a few bytes at a time, as a pipe may.
struct Trickle<'t>(&'t [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = buffer.len().min(self.1).min(self.0.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (trickle, bytes) = input;
    let trickled = || Trickle(bytes, usize::from(trickle) + 1);
    let whole = check("f.sql", bytes, Transaction::Inside);
    let slowly = check("f.sql", trickled(), Transaction::Inside);
    match (&whole, &slowly) {
        (Ok(whole), Ok(slowly)) => assert_eq!(whole, slowly),
        (Err(whole), Err(slowly)) => assert_eq!(whole[0].problem, slowly[0].problem),
        _ => panic!("{whole:?}\n{slowly:?}"),
    }
    for kind in SectionKind::ALL {
        let mut body = Body::new("f.sql", trickled(), Transaction::Inside, kind);
        let (mut statements, mut copies, mut bytes_sent) = (0, 0, 0);
        let sent = loop {
            match body.next_batch() {
                Ok(Some(batch)) => {
                    statements += batch.statements.len();
                    copies += usize::from(matches!(batch.kind, BatchKind::CopyFromStdin { .. }));
                    bytes_sent += batch.text.len() as u64;
                    for range in &batch.statements {
                        let _ = batch.excerpt(range.clone());
                    }
                    let _ = (batch.at_position(usize::from(trickle)), batch.at_statement(usize::from(trickle)));
                }
                Ok(None) => break body.finish(),
                Err(error) => break Err(error),
            }
        };
        match (&whole, sent) {
            (Ok(summary), Ok(checksum)) => {
                assert_eq!(checksum, summary.checksum);
                let text = std::str::from_utf8(bytes).expect("the check refuses what is no text");
                assert_eq!(checksum, Checksum::of(text.strip_prefix('\u{feff}').unwrap_or(text)));
                assert_eq!(statements, summary.of_kind(kind).map(|section| section.statements).sum::<usize>());
                assert!(copies <= summary.copies);
                assert!(bytes_sent <= summary.of_kind(kind).map(|section| section.bytes).sum::<u64>());
            }
            (Err(_), Err(_)) => {}
            (whole, sent) => panic!("{whole:?}\n{sent:?}"),
        }
    }
});
