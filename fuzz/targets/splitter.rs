//! The splitter: pieces and the gaps between them are the text; a window that grows gives the same pieces.
#![no_main]

use aludel::model::sql::classify::{class, effects};
use aludel::model::sql::psql::without_variables;
use aludel::model::sql::split::{FaultKind, Piece, PieceKind, Splitter, Step};
use libfuzzer_sys::fuzz_target;

/// All pieces, from a window that begins with `window` bytes and doubles whenever more is asked for.
fn pieces(text: &str, window: usize) -> Vec<Piece> {
    let (mut splitter, mut from, mut found) = (Splitter::default(), 0, Vec::new());
    let mut end = text.ceil_char_boundary(window.min(text.len()));
    loop {
        match splitter.next(&text[..end], from, end == text.len()) {
            Step::Piece(piece) => {
                assert!(from <= piece.range.start && piece.range.start <= piece.range.end, "{piece:?}");
                assert!(piece.range.end <= piece.next && piece.next <= end, "{piece:?}");
                assert!(from < piece.next || from == text.len(), "no end of {piece:?}");
                from = piece.next;
                found.push(piece);
            }
            Step::More => {
                assert!(end < text.len(), "asks for more than all");
                end = text.ceil_char_boundary(text.len().min(end + end.max(1)));
            }
            Step::End => return found,
        }
    }
}

/// One piece for all the data of a `COPY`: a window may cut them anywhere between two lines.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        match joined.last_mut() {
            Some(Piece { kind: kind @ PieceKind::CopyData { last: false }, range, next })
                if matches!(piece.kind, PieceKind::CopyData { .. }) =>
            {
                *kind = piece.kind;
                range.end = piece.range.end;
                *next = piece.next;
            }
            _ => joined.push(piece),
        }
    }
    joined
}

fuzz_target!(|input: (u8, &str)| {
    let (window, text) = input;
    let whole = pieces(text, usize::MAX);
    let mut at = 0;
    for piece in &whole {
        // Nothing but blanks and comments is passed over; a statement's own pieces begin and end with a token.
        let gap = &text[at..piece.range.start];
        // What follows a statement on its line begins none.
        let gap = if text[..at].is_empty() || text[..at].ends_with('\n') { gap.to_owned() } else { format!("/**/{gap}") };
        // A marker that a lone carriage return makes another line of is told of as that.
        let cut = matches!(&piece.kind, PieceKind::Fault(fault) if fault.kind == FaultKind::CarriageReturnInComment);
        assert!(pieces(&gap, usize::MAX).is_empty() || gap.trim_start_matches("/**/").starts_with("\\.") || cut, "a gap with text: {gap:?}");
        let own = &text[piece.range.clone()];
        if let PieceKind::Statement(statement) = &piece.kind {
            if statement.faults.is_empty() {
                assert_eq!(own.trim_ascii(), own);
                let _ = class(own);
                let _ = effects(own);
                // Only blanks are put in, and once is enough.
                let printed = without_variables(own).into_owned();
                assert_eq!(without_variables(&printed), printed);
                // A statement alone is one statement: the very same.
                let alone = pieces(own, usize::MAX);
                assert_eq!(alone.len(), 1 + usize::from(statement.takes_data && alone.len() > 1), "{own:?}: {alone:?}");
                assert_eq!(alone[0].range, 0..own.len(), "{own:?}");
            }
        }
        at = piece.next;
    }
    assert!(pieces(&text[at..], usize::MAX).is_empty());
    let windowed = pieces(text, usize::from(window));
    // Where data never end, the window decides how much of them was passed on before that is known.
    let endless = whole.iter().any(|piece| matches!(piece.kind, PieceKind::Fault(_)));
    if !endless {
        assert_eq!(joined(windowed), joined(whole));
    }
});
