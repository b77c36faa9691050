//! One loss per file: equation, source, shapes and a hand-computed test.
