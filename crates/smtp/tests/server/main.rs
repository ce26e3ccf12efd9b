//! The server session, seen from outside: golden dialogues and laws.

mod dialogues;
mod driver;
mod laws;
mod script;
