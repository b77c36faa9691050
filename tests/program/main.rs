//! The program from outside: its verbs, its recipes, what it writes, how it goes on, and how it fails.

mod bad_input;
mod cli;
mod common;
mod export;
mod finetune;
mod recipes;
mod resume;
