//! The papers that this binary can train: one line each.

use super::{Capability, ImagePaper, PairPaper, Paper, ctl, fashion_reid, t_emde};

/// Work that is done for a paper whose type is only known here: by the kind of what it learns from.
pub trait Visitor {
    /// What the work gives.
    type Output;

    /// Does it for a paper that learns from labelled pictures.
    fn images<P: ImagePaper>(self) -> Self::Output;

    /// Does it for a paper that learns from images and their captions.
    fn pairs<P: PairPaper>(self) -> Self::Output;
}

/// The rooms' names.
pub const ROOMS: &[&str] = &[
    ctl::Ctl::ROOM,
    fashion_reid::FashionReid::ROOM,
    t_emde::Matching::ROOM,
];

/// Does the work for the room of that name, if there is one.
pub fn visit<V: Visitor>(room: &str, visitor: V) -> Option<V::Output> {
    Some(match room {
        ctl::Ctl::ROOM => visitor.images::<ctl::Ctl>(),
        fashion_reid::FashionReid::ROOM => visitor.images::<fashion_reid::FashionReid>(),
        t_emde::Matching::ROOM => visitor.pairs::<t_emde::Matching>(),
        _ => return None,
    })
}

/// What the trained system of a room can do; nothing where there is no such room.
pub fn capabilities(room: &str) -> &'static [Capability] {
    struct Capabilities;
    impl Visitor for Capabilities {
        type Output = &'static [Capability];
        fn images<P: ImagePaper>(self) -> Self::Output {
            P::CAPABILITIES
        }
        fn pairs<P: PairPaper>(self) -> Self::Output {
            P::CAPABILITIES
        }
    }
    visit(room, Capabilities).unwrap_or_default()
}

/// The rooms whose trained systems can do it.
pub fn able(capability: Capability) -> Vec<&'static str> {
    let able = |room: &&&str| capabilities(room).contains(&capability);
    ROOMS.iter().filter(able).copied().collect()
}
