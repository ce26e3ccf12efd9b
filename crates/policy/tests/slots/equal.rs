//! A book that was read from its rows answers as the one that lived on.

use crate::keeper::{self, Keeper, Real, Seen};
use crate::law::{Rules, rules};
use crate::rows::Rows;
use crate::{START, ask, book, guest, holder, limit, millis, party, secs};
use policy::Moment;
use policy::slots::{Ask, Book, Booking, Guest, Visit};
use proptest::prelude::*;

/// Mails, each for two recipients.
const MAILS: u32 = 10;

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    /// A mail comes: to both recipients, to one, or to one behind the other; then it is taken, or refused after all.
    Mail {
        which: u32,
        way: u8,
        octets: u64,
        taken: bool,
    },
    /// The same of one that was told a time; so many ms off.
    Return {
        which: usize,
        off: i64,
        way: u8,
        octets: u64,
        taken: bool,
    },
    Reload(Rules),
    /// The operator takes back what somebody of a mail was told.
    Forget(u32),
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let off = prop_oneof![
        2 => Just(-2_000i64),
        1 => Just(0i64),
        2 => -5_000i64..5_000,
        3 => 5_000i64..60_000,
        1 => 0i64..1_000_000,
    ];
    let step = prop_oneof![
        3 => (0u64..20_000).prop_map(Step::Pass),
        10 => (0..MAILS, any::<u8>(), 1u64..12, any::<bool>())
            .prop_map(|(which, way, octets, taken)| Step::Mail { which, way, octets, taken }),
        10 => (any::<usize>(), off, any::<u8>(), 1u64..30, any::<bool>())
            .prop_map(|(which, off, way, octets, taken)| Step::Return { which, off, way, octets, taken }),
        1 => rules().prop_map(Step::Reload),
        2 => (0..2 * MAILS).prop_map(Step::Forget),
    ];
    prop::collection::vec(step, 0..most)
}

/// Octets are counted as they come.
fn asks(rules: &Rules, which: u32, octets: u64) -> Vec<Ask<'static>> {
    let mut asks = rules.asks([2, 3, 4, 5, 6, 8, 9, 10, 13, 14][which as usize]);
    for ask in asks.iter_mut().filter(|ask| ask.rule == "octets") {
        (ask.cost, ask.exact, ask.once) = (octets, true, false);
    }
    asks
}

struct World {
    book: Book,
    rows: Rows,
    rules: Rules,
    now: Moment,
    told: Vec<(Moment, u32)>,
}

impl World {
    fn tick(&mut self, to: Moment) {
        while self.now < to {
            self.now = self.now.after(secs(30)).min(to);
            self.book.tick(self.now);
            self.write();
        }
    }

    fn write(&mut self) {
        self.rows.write(self.book.take_changes());
    }

    /// In words that don't name rows.
    fn play(&mut self, step: &Step) -> String {
        match step {
            Step::Pass(span) => self.tick(self.now.after(millis(*span))),
            Step::Reload(rules) => self.rules = rules.clone(),
            Step::Forget(who) => {
                let had = self.book.forget_holder(holder(*who), self.now);
                self.write();
                return had.to_string();
            }
            Step::Mail {
                which,
                way,
                octets,
                taken,
            } => return self.mail(*which, *way, *octets, *taken),
            Step::Return {
                which,
                off,
                way,
                octets,
                taken,
            } => {
                if let Some(&(at, mail)) = self.told.get(which % self.told.len().max(1)) {
                    self.tick(Moment::from_millis(at.as_millis() + off));
                    return self.mail(mail, *way, *octets, *taken);
                }
            }
        }
        String::new()
    }

    fn mail(&mut self, which: u32, way: u8, octets: u64, taken: bool) -> String {
        let both = [guest(which * 2), guest(which * 2 + 1)];
        let groups: Vec<&[Guest]> = match way % 4 {
            0 => vec![&both],
            1 => vec![&both[..1]],
            2 => vec![&both[1..]],
            _ => vec![&both[..1], &both[1..]],
        };
        let asks = asks(&self.rules, which, octets);
        let (mut shared, mut charges, mut said) = (None, Vec::new(), Vec::new());
        for guests in groups {
            let visit = Visit {
                guests,
                party: party(which / 4),
                shared,
                besides: None,
            };
            said.push(match self.book.ask(visit, &asks, self.now) {
                Booking::Admitted { charge, kept } => {
                    let counted = charge.counted().map(|counted| (counted.at, counted.units));
                    let counted: Vec<_> = counted.collect();
                    charges.push(charge);
                    format!("in {kept:?} {counted:?}")
                }
                Booking::Told {
                    id,
                    rule,
                    wait_secs,
                    first,
                    ..
                } => {
                    if charges.is_empty() {
                        shared = shared.or(Some(id));
                    }
                    self.told.push((self.now.after(secs(wait_secs)), which));
                    format!("{rule} {wait_secs} {first}")
                }
                Booking::Full { rule, why } => format!("{rule} {why:?}"),
            });
        }
        for charge in charges {
            match taken {
                true => self.book.spend(charge, self.now),
                false => self.book.release(charge, self.now),
            }
        }
        self.write();
        said.join(", ")
    }

    fn read_again(&self) -> Self {
        Self {
            book: self.rows.book(),
            rows: self.rows.clone(),
            rules: self.rules.clone(),
            now: self.now,
            told: self.told.clone(),
        }
    }
}

/// Too rare for the random ones: a place that was told out of the bank, with a slot between that and the restart.
#[test]
fn what_may_come_back_may_so_after_a_restart() {
    let mut real = Real::new();
    let rate = ask("rate", "a", limit("6/min burst 1"));
    let come = |real: &mut Real, who, octets, rates: &[Ask<'static>], now| {
        let octets = Ask {
            cost: octets,
            ..ask("octets", "a", limit("10/100s burst 20"))
        };
        let visit = keeper::Visit {
            holder: holder(who),
            party: party(who),
            asks: &[&[octets], rates].concat(),
        };
        let seen = real.ask(&visit, now);
        if let Seen::In { ticket, .. } = seen {
            real.finish(ticket, true, now);
        }
        matches!(seen, Seen::In { .. })
    };
    assert!(come(&mut real, 1, 10, &[rate], START));
    assert!(
        !come(&mut real, 2, 10, &[rate], START),
        "it waits for the rate"
    );
    let later = START.after(secs(11));
    assert!(come(&mut real, 3, 1, &[], later), "by one slot that passed");
    real.restart();
    assert!(real.book.forget_holder(holder(2), later));
    assert!(come(&mut real, 4, 10, &[], later));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_was_read_again_answers_as_what_lived_on(rules in rules(), before in steps(40), after in steps(40)) {
        let mut lived = World { book: book(), rows: Rows::default(), rules, now: START, told: Vec::new() };
        for step in &before {
            lived.play(step);
        }
        let mut read = lived.read_again();
        for (n, step) in after.iter().enumerate() {
            prop_assert_eq!(lived.play(step), read.play(step), "the {}th, {:?}", n, step);
        }
    }
}
