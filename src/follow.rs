//! Entries on their way into another store, in commit order: each must follow the one before it, and have its own hash.

use hashlink::LruCache;

use crate::chain::{self, Hash};
use crate::error::Head;
use crate::many::Many;

/// Of the logs that are remembered, with their names: some 90,000 with short ones.
const BYTES: usize = 16 << 20;
/// That one takes besides its names.
const EACH: usize = 160;
/// No UTF-8 text contains it.
const SEPARATOR: u8 = 0xff;

/// One entry as it arrives.
#[derive(Clone, Copy, Debug)]
pub struct Arriving<'a> {
    pub stream: &'a str,
    pub writer: &'a str,
    pub seq: i64,
    pub position: i64,
    pub prev_hash: Option<Hash>,
    pub content_hash: Hash,
    /// `None`: it was erased, and the hash is taken as it is.
    pub payload: Option<&'a [u8]>,
}

/// The heads of the logs as they are after the entries so far. Those that do not fit are forgotten, the oldest first.
pub struct Follower {
    position: i64,
    known: LruCache<Vec<u8>, (i64, Hash)>,
    bytes: usize,
    limit: usize,
    /// None was forgotten: a log that is not known is a new one.
    complete: bool,
    key: Vec<u8>,
}

impl Follower {
    /// After `position`, where the logs have these heads, and there are no others.
    pub fn new(position: i64, heads: impl IntoIterator<Item = Head>) -> Self {
        Self::with_limit(position, heads, BYTES)
    }

    fn with_limit(position: i64, heads: impl IntoIterator<Item = Head>, limit: usize) -> Self {
        let known = LruCache::new_unbounded();
        let mut made = Self { position, known, bytes: 0, limit, complete: true, key: Vec::new() };
        for head in heads {
            made.name(&head.stream, &head.writer);
            made.keep((head.seq, head.content_hash));
        }
        made
    }

    /// What keeps an entry from being the next, whatever its hash; `find` gives the head of a log that was forgotten,
    /// as it is before this entry.
    pub fn next<E>(
        &mut self,
        entry: &Arriving<'_>,
        find: impl FnOnce() -> Result<Option<(i64, Hash)>, E>,
    ) -> Result<Option<String>, E> {
        let next = self.position.saturating_add(1);
        if entry.position != next {
            return Ok(Some(format!("it stands at position {}, and {next} comes next", entry.position)));
        }
        self.name(entry.stream, entry.writer);
        let before = match self.known.get(&self.key) {
            Some(head) => Some(*head),
            None if self.complete => None,
            None => find()?,
        };
        let (seq, hash) = before.map_or((0, None), |(seq, hash)| (seq, Some(hash)));
        if Some(entry.seq) != seq.checked_add(1) {
            let after = if seq == 0 { "none".to_owned() } else { format!("entry {seq}") };
            return Ok(Some(format!("entry {} comes after {after} of its log", entry.seq)));
        }
        if entry.prev_hash != hash {
            return Ok(Some("prev_hash is not the content_hash of the entry before".to_owned()));
        }
        self.keep((entry.seq, entry.content_hash));
        self.position = next;
        Ok(None)
    }

    fn name(&mut self, stream: &str, writer: &str) {
        self.key.clear();
        self.key.extend_from_slice(stream.as_bytes());
        self.key.push(SEPARATOR);
        self.key.extend_from_slice(writer.as_bytes());
    }

    fn keep(&mut self, head: (i64, Hash)) {
        if let Some(known) = self.known.get_mut(&self.key) {
            *known = head;
            return;
        }
        self.bytes += self.key.len() + EACH;
        self.known.insert(self.key.clone(), head);
        while self.bytes > self.limit && self.known.len() > 1 {
            let Some((forgotten, _)) = self.known.remove_lru() else { break };
            self.bytes -= forgotten.len() + EACH;
            self.complete = false;
        }
    }
}

/// The first entry whose hash is not that of its payload after its `prev_hash`, by its number, and what it should be.
#[must_use]
pub fn wrong_hash(entries: &[Arriving<'_>]) -> Option<(usize, String)> {
    let mut first: Option<(usize, Hash)> = None;
    let mut many = Many::new();
    let mut done = |number: usize, computed: Hash| {
        if computed != entries[number].content_hash && first.is_none_or(|(before, _)| number < before) {
            first = Some((number, computed));
        }
    };
    for (number, entry) in entries.iter().enumerate() {
        if let Some(payload) = entry.payload {
            many.push(entry.prev_hash.as_ref(), payload, number, &mut done);
        }
    }
    many.flush(&mut done);
    first.map(|(number, computed)| {
        let detail = format!(
            "content_hash is {}…, recomputed from the payload and the entry before it is {}…",
            chain::hex(&entries[number].content_hash[..4]),
            chain::hex(&computed[..4])
        );
        (number, detail)
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::{Arriving, EACH, Follower, wrong_hash};
    use crate::chain::{self, Hash};

    fn entry(writer: &str, seq: i64, position: i64, prev_hash: Option<Hash>) -> Arriving<'_> {
        let content_hash = chain::hash(prev_hash.as_ref(), b"x");
        Arriving { stream: "s", writer, seq, position, prev_hash, content_hash, payload: Some(b"x") }
    }

    fn unasked() -> Result<Option<(i64, Hash)>, Infallible> {
        unreachable!("it is known or new")
    }

    #[test]
    fn what_follows_passes_and_nothing_else() {
        let mut follower = Follower::new(0, []);
        let first = entry("a", 1, 1, None);
        let after = Some(first.content_hash);
        assert_eq!(follower.next(&first, unasked), Ok(None));
        for (wrong, said) in [
            (first, "it stands at position 1, and 2 comes next"),
            (entry("a", 3, 2, after), "entry 3 comes after entry 1 of its log"),
            (entry("b", 2, 2, after), "entry 2 comes after none of its log"),
            (entry("a", 2, 2, None), "prev_hash is not the content_hash of the entry before"),
            (entry("b", 1, 2, after), "prev_hash is not the content_hash of the entry before"),
        ] {
            assert_eq!(follower.next(&wrong, unasked), Ok(Some(said.to_owned())));
        }
        assert_eq!(follower.next(&entry("a", 2, 2, after), unasked), Ok(None));
    }

    #[test]
    fn a_log_that_was_forgotten_is_asked_for() {
        let mut follower = Follower::with_limit(0, [], 2 * (EACH + 3));
        for (position, writer) in (1..).zip(["a", "b", "a", "c"]) {
            let seq = if position == 3 { 2 } else { 1 };
            let before = entry("a", 1, 1, None).content_hash;
            assert_eq!(follower.next(&entry(writer, seq, position, (seq > 1).then_some(before)), unasked), Ok(None));
        }
        let before = entry("b", 1, 2, None).content_hash;
        let next = entry("b", 2, 5, Some(before));
        assert_eq!(follower.next(&next, || Err("asked")), Err("asked"));
        assert_eq!(follower.next(&next, || Ok::<_, Infallible>(Some((1, before)))), Ok(None));
    }

    #[test]
    fn the_first_wrong_hash_is_named() {
        let right = entry("a", 1, 1, None);
        let wrong = Arriving { payload: Some(b"y"), ..right };
        let erased = Arriving { payload: None, content_hash: [1; 32], ..right };
        assert_eq!(wrong_hash(&[right, erased, right]), None);
        let long = vec![0; 5_000];
        let other = Arriving { payload: Some(&long), ..right };
        let Some((number, detail)) = wrong_hash(&[right, wrong, other, wrong]) else { panic!("it is wrong") };
        assert_eq!(number, 1);
        assert!(detail.starts_with("content_hash is "), "{detail}");
    }
}
