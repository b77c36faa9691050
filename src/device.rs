//! The only module that names a backend.
