//! The dispatcher in a world of its own: days in milliseconds, every choice from a seed.

mod hosts;
mod lasts;
mod laws;
mod spool;
mod world;

mod appointments;
mod clock;
mod crashes;
mod crowds;
mod notices;
mod operator;
mod random;
mod waits;
