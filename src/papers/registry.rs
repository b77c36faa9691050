//! The papers that this binary can train: one line each.

use super::{Paper, ctl, fashion_reid};

/// Work that is done for a paper whose type is only known here.
pub trait Visitor {
    /// What the work gives.
    type Output;

    /// Does it.
    fn visit<P: Paper>(self) -> Self::Output;
}

/// The rooms' names.
pub const ROOMS: &[&str] = &[ctl::Ctl::ROOM, fashion_reid::FashionReid::ROOM];

/// Does the work for the room of that name, if there is one.
pub fn visit<V: Visitor>(room: &str, visitor: V) -> Option<V::Output> {
    Some(match room {
        ctl::Ctl::ROOM => visitor.visit::<ctl::Ctl>(),
        fashion_reid::FashionReid::ROOM => visitor.visit::<fashion_reid::FashionReid>(),
        _ => return None,
    })
}
