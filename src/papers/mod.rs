//! One folder per paper: its model, its objective, its wiring.
