//! Figures of reference implementations, from fixtures that `scripts/reference` makes.

#[path = "parity/emde.rs"]
mod emde;
#[path = "parity/fixtures.rs"]
mod fixtures;
#[path = "parity/losses.rs"]
mod losses;
#[path = "parity/networks.rs"]
mod networks;
#[path = "parity/resnet.rs"]
mod resnet;
#[path = "parity/sgraf.rs"]
mod sgraf;
#[path = "parity/trunks.rs"]
mod trunks;
