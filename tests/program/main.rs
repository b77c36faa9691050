//! The program from outside: its verbs, its recipes, what it writes, how it goes on, and how it fails.

mod bad_input;
mod cli;
mod codes;
mod common;
mod data;
mod explain;
mod export;
mod export_pairs;
mod finetune;
mod grid;
mod look;
mod pairs;
mod recipes;
mod resume;
mod sweep;
