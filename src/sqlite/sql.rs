//! Every statement that the Python half may also run on a caller's connection, from the files that it reads too.

macro_rules! statements {
    ($($name:ident = $file:literal;)*) => {
        $(pub const $name: &str = include_str!(concat!("../../python/agent_store/sql/sqlite/", $file, ".sql"));)*
    };
}

statements! {
    TABLES = "tables";
    GUARDS = "guards";
    FIND_LOG = "find_log";
    ADD_LOG = "add_log";
    ADD_ENTRY = "add_entry";
    HEAD = "head";
    BEFORE = "before";
    FROM_SEQ = "from_seq";
    PAYLOAD = "payload";
    CONTENT = "content";
    ERASED = "erased";
    AUDIT_ERASURES = "audit_erasures";
    PLACES_FORWARD = "places_forward";
    PLACES_REVERSE = "places_reverse";
    LOG_FORWARD = "log_forward";
    LOG_REVERSE = "log_reverse";
    STORE_FORWARD = "store_forward";
    STORE_REVERSE = "store_reverse";
    LAST_POSITION = "last_position";
    NEWEST = "newest";
    HASH_AT = "hash_at";
    LOGS = "logs";
    LOGS_OF_STREAM = "logs_of_stream";
    LOGS_OF_WRITER = "logs_of_writer";
    LOG_NAME = "log_name";
    GENERATION = "generation";
    GENERATIONS = "generations";
    SET_GENERATION = "set_generation";
}

macro_rules! named {
    ($($file:literal)*) => {
        /// A statement that is run by its name.
        pub fn named(name: &str) -> Option<&'static str> {
            match name {
                $($file => Some(include_str!(concat!("../../python/agent_store/sql/sqlite/", $file, ".sql"))),)*
                _ => None,
            }
        }
    };
}

named! {
    "add_erased"
    "add_erasure"
    "add_log"
    "add_note"
    "erase"
    "erasure"
    "erasures"
    "lengths"
    "newest_note"
    "note"
    "notes_forward"
    "notes_of_kind"
    "notes_reverse"
    "renew_note"
    "set_tile"
    "tile"
}
