//! `cargo run -p policy --example overload`: 5,000 clients against a capacity of 100 a second, all at once.

mod simulation;

use policy::slots::Limit;
use simulation::{Clients, run};

fn main() {
    let clients = 5_000;
    let limit: Limit = "100/s burst 10".parse().expect("a limit");
    let ideal = f64::from(clients) / 100.0;
    println!(
        "{clients} clients with one mail each, all at t = 0; capacity {limit}; ideal {ideal} s\n"
    );
    println!(
        "clients                                   seed  came in  attempts/mail  backlog gone   of ideal"
    );
    for (name, how) in [
        ("come back when told", Clients::Obey),
        ("1, 2, 4, 8 … min; told, places kept", Clients::Ignore),
        ("1, 2, 4, 8 … min; not told, none kept", Clients::Untold),
    ] {
        for seed in 1..=3 {
            let outcome = run(clients, limit, how, seed);
            let gone = outcome.gone_after.as_secs_f64();
            println!(
                "{name:<40}  {seed:>4}  {:>7}  {:>13.3}  {gone:>10.1} s  {:>6.2} ×",
                outcome.accepted,
                outcome.attempts_per_mail(),
                gone / ideal,
            );
        }
    }
}
