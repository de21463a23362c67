//! Faults made on purpose, to see that the simulator finds them (`cargo lab faults`). None is in a program unless it was
//! compiled with `--cfg ikd_fault="NAME"`, which no profile and no feature does; the daemon does not compile with one.

macro_rules! faults {
    ($($name:literal: $what:literal,)*) => {
        /// All of them: name, and what is wrong.
        pub const ALL: &[(&str, &str)] = &[$(($name, $what)),*];
        /// Whether this library was compiled with one.
        pub const BUILT_IN: bool = cfg!(any($(ikd_fault = $name),*));
    };
}

faults! {
    "outbound-first": "who rekeyed a child sends by the new SA before it can receive",
    "no-delete": "who rekeyed a child does not delete the old Child SA",
    "one-nonce": "in a collision, only our own nonce is looked at",
    "no-cache": "an answer is not kept for a peer that asks again",
    "iv-again": "every third message is sealed under the IV before it",
    "old-outbound-stays": "a rekeyed child's old outbound SA stays until the whole old one goes",
    "standby-sends": "who answers a rekeying sends by the new SA at once",
    "new-bytes": "what is sent again is sealed again, under another IV",
    "no-lingering": "an old inbound SA goes as soon as both ends know of it",
    "not-found-ignored": "CHILD_SA_NOT_FOUND leaves the Child SA as it is",
    "clear-gap": "a policy is deleted before the one in its place is added",
    "block-not-reserved": "a process that goes on takes the IVs that the one before it has used",
    "heir-forgets": "an heir does not take over what is still to be done",
}
