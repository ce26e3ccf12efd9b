//! Records of clients that never came back.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use policy::engine::Rules;
use store::policy::Records;

/// Six pairs on two days of 192.0.2.7 and of a /64, and one of 192.0.2.8, none of which came back.
pub(crate) fn never_returned(path: &Path) {
    let day = Duration::from_secs(86400);
    let today = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time")
        .as_secs()
        / 86400;
    // Noon, so that the two are two of UTC's days.
    let start = UNIX_EPOCH + Duration::from_secs(today * 86400 - 3 * 86400 + 43200);
    let records = Records::open(path, Rules::default(), start).expect("records");
    for n in 0..6 {
        let at = start + (n / 3) * day + Duration::from_secs(n.into());
        records.with(at, |engine, now| {
            let until = now.after(Duration::from_secs(60));
            for client in ["192.0.2.7", "2001:db8::7"] {
                let from = format!("a@{n}.{client}.test");
                engine.returns.told(
                    client.parse().expect("an address"),
                    &from,
                    "b@here.test",
                    until,
                    now,
                );
            }
            if n == 0 {
                engine.returns.told(
                    "192.0.2.8".parse().expect("an address"),
                    "a@b.test",
                    "b@here.test",
                    until,
                    now,
                );
            }
        });
        for n in 1..10 {
            records.tick(at + Duration::from_secs(60 + n));
        }
    }
    records.close().expect("written");
}
