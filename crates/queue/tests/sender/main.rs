//! The sender's side, seen from outside: plan, settling and notices, over days that pass as arguments.

mod days;
mod hostile;
mod notices;
mod notify;
mod plan;
mod random;
mod settling;
mod stage;
