//! All rules together, over virtual time.

mod law_of_engine;
#[path = "../slots/rows.rs"]
#[allow(dead_code, reason = "other tests look into the rows")]
mod rows;

use policy::slots::{Book, Bounds};

fn bounded(bounds: Bounds) -> Book {
    Book::new(bounds, policy::greylist::Secret::new([1, 2]))
}
