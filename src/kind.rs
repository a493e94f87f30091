//! The kinds of damage, and their names.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The tables, view or guards are not ours.
    Schema,
    /// An index says other than its table.
    Index,
    /// Entries are missing.
    Gap,
    /// A hash does not follow from payload and predecessor.
    Hash,
    /// A stored prev_hash is not its predecessor's hash.
    Link,
    /// Commit order and seq disagree.
    Order,
    /// Entries of no log.
    Orphan,
    /// A value of the wrong type, length or range.
    Malformed,
    /// SQLite cannot read it.
    Corrupt,
    /// Not what was sealed.
    Seal,
    /// A payload and the record of its erasure are not as an erasure leaves them.
    Erasure,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Schema,
        Self::Index,
        Self::Gap,
        Self::Hash,
        Self::Link,
        Self::Order,
        Self::Orphan,
        Self::Malformed,
        Self::Corrupt,
        Self::Seal,
        Self::Erasure,
    ];

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Index => "index",
            Self::Gap => "gap",
            Self::Hash => "hash",
            Self::Link => "link",
            Self::Order => "order",
            Self::Orphan => "orphan",
            Self::Malformed => "malformed",
            Self::Corrupt => "corrupt",
            Self::Seal => "seal",
            Self::Erasure => "erasure",
        }
    }
}
