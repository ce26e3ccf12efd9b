//! The receiver's judgement as pure rules: event + record + time → record + verdict.
//!
//! No IO, no clock.
#![forbid(unsafe_code)]

pub mod greylist;
