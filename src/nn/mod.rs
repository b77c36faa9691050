//! Layers that more than one paper uses, one concept per file.
