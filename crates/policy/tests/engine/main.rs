//! All rules together, over virtual time.

mod law_of_engine;
