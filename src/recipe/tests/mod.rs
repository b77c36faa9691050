//! What is said of recipes that are right and wrong.

mod load;
mod read;
