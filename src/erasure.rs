//! The record of an erasure beside the entry that it is of: what is wrong with the two. docs/format.md has the signed text;
//! whether its signature holds is for who has the keys.

use crate::findings::{Break, Findings, Kind};

/// The first line of a signed record.
const KIND: &str = "agent-store/erasure/v1";

/// A record as it is stored; `None` where a column has the wrong type.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub position: i64,
    pub payload_len: Option<i64>,
    pub note: Option<&'a str>,
    /// The entry at its position: log, seq, and how many bytes of payload are there.
    pub entry: Option<(Option<i64>, Option<i64>, Option<i64>)>,
}

impl Record<'_> {
    /// Report what is not as it must be.
    pub fn report(&self, findings: &mut Findings) {
        let Some(detail) = self.fault() else { return };
        let (log, seq) = self.entry.map_or((None, None), |(log, seq, _)| (log, seq));
        let position = Some(self.position);
        findings.report(Break { kind: Kind::Erasure, log, name: None, seq, position, detail });
    }

    /// What is not as an erasure leaves it.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let Some((_, _, there)) = self.entry else {
            return Some(format!("an erasure is recorded of position {}, where no entry stands", self.position));
        };
        let Some(length) = self.payload_len.filter(|length| *length >= 0) else {
            return Some("an erasure of its payload is recorded, and not how many bytes it had".to_owned());
        };
        if let Some(there) = there.filter(|there| *there > 0) {
            return Some(format!("an erasure of its payload is recorded, and {there} bytes of it are there"));
        }
        let Some(note) = self.note else {
            return Some("an erasure of its payload is recorded in what is no text".to_owned());
        };
        let mut lines = note.split('\n');
        let (kind, _origin) = (lines.next(), lines.next());
        if kind != Some(KIND) {
            return Some("an erasure of its payload is recorded in what is no signed record of one".to_owned());
        }
        if lines.next() != Some(&self.position.to_string()) {
            return Some("the signed record of its erasure is of another position".to_owned());
        }
        if lines.next() != Some(&length.to_string()) {
            return Some(format!(
                "it is recorded to have had {length} bytes, and the signed record of that says otherwise"
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Record;

    #[test]
    fn a_record_is_of_its_entry_and_says_how_long_the_payload_was() {
        let note = "agent-store/erasure/v1\norigin\n7\n5\nhash\n\n\n— origin sig\n";
        let right =
            Record { position: 7, payload_len: Some(5), note: Some(note), entry: Some((Some(1), Some(2), Some(0))) };
        assert_eq!(right.fault(), None);
        for (record, said) in [
            (Record { entry: None, ..right }, "no entry stands"),
            (Record { payload_len: None, ..right }, "not how many bytes"),
            (Record { payload_len: Some(-1), ..right }, "not how many bytes"),
            (Record { entry: Some((Some(1), Some(2), Some(3))), ..right }, "3 bytes of it are there"),
            (Record { note: None, ..right }, "no text"),
            (Record { note: Some(""), ..right }, "no signed record"),
            (Record { note: Some("agent-store/erasure/v1"), ..right }, "another position"),
            (Record { position: 8, ..right }, "another position"),
            (Record { payload_len: Some(6), ..right }, "says otherwise"),
        ] {
            assert!(record.fault().is_some_and(|fault| fault.contains(said)), "{said}: {:?}", record.fault());
        }
    }
}
