//! The operator's lists, and postgrey's files.

mod overrides;
mod postgrey;
