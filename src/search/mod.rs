//! Exact tiled ranking.
