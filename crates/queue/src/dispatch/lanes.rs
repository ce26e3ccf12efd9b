//! Lanes, and the jobs that wait for one: a line of jobs for each destination, first come first served.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use super::{LaneId, Limits};
use crate::spool::Body;
use crate::{Destination, HoldKey, Message, MessageId, Progress};

/// Content of jobs that wait is kept in memory up to this; beyond it the shell reads it again from the spool.
pub(super) const BODIES_MAX: u64 = 64 * 1024 * 1024;
/// So many jobs a lane does before it makes room for a destination that has no lane at all.
const TURN: u32 = 20;

/// A job that waits for a lane.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) message: Arc<Message>,
    pub(super) body: Option<Body>,
    /// As they were before the lease.
    pub(super) rows: Vec<(u32, Progress)>,
    pub(super) errand: Errand,
    /// When it was put in the line.
    pub(super) since: SystemTime,
}

/// Why a job may pass a hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Errand {
    /// It may not.
    Ordinary,
    /// It finds out whether this hold is over.
    Probe(HoldKey),
    /// The operator wants it now.
    Urgent,
}

/// What a lane is doing.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) id: MessageId,
    pub(super) rows: Vec<u32>,
    pub(super) errand: Errand,
}

#[derive(Debug)]
enum Work {
    /// It is about to ask for a job: newly opened, woken, or just done with another.
    Coming,
    /// It asked, and there was none.
    Idle,
    Doing(Current),
    /// It gets no more jobs: another destination needs its place.
    Retired,
}

#[derive(Debug)]
struct Lane {
    destination: Arc<Destination>,
    work: Work,
    served: u32,
}

#[derive(Debug, Default)]
struct Line {
    jobs: VecDeque<Queued>,
    lanes: usize,
    /// Lanes that are about to ask.
    coming: usize,
    idle: BTreeSet<LaneId>,
    /// It is in `Lanes::first` or `Lanes::more`.
    asked: bool,
}

impl Line {
    fn wants_lane(&self, limits: &Limits) -> bool {
        self.jobs.len() > self.coming + self.idle.len()
            && self.lanes < limits.lanes_per_destination.max(1)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<LaneId, Lane>,
    lines: BTreeMap<Arc<Destination>, Line>,
    last: u64,
    /// Destinations without a lane that want one, in turn.
    first: VecDeque<Arc<Destination>>,
    /// Destinations with a lane that want another, in turn.
    more: VecDeque<Arc<Destination>>,
    /// Idle lanes that are to ask again.
    woken: VecDeque<LaneId>,
    /// Octets of content in waiting jobs.
    octets: u64,
}

impl Lanes {
    pub(super) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// The limits changed.
    pub(super) fn configured(&mut self, limits: &Limits) {
        for destination in self.lines.keys().cloned().collect::<Vec<_>>() {
            self.consider(&destination, limits);
        }
    }

    /// Puts a job in its destination's line; an errand goes to the front.
    pub(super) fn push(
        &mut self,
        destination: &Arc<Destination>,
        mut job: Queued,
        limits: &Limits,
    ) {
        let size = inline_len(&job);
        if self.octets + size > BODIES_MAX {
            job.body = None;
        } else {
            self.octets += size;
        }
        let line = self.lines.entry(Arc::clone(destination)).or_default();
        if job.errand == Errand::Ordinary {
            line.jobs.push_back(job);
        } else {
            line.jobs.push_front(job);
        }
        self.consider(destination, limits);
    }

    /// Wakes an idle lane where there is one for a waiting job, and notes that a destination wants another, if it does.
    fn consider(&mut self, destination: &Arc<Destination>, limits: &Limits) {
        let Some(line) = self.lines.get_mut(destination) else {
            return;
        };
        if line.jobs.is_empty() && line.lanes == 0 {
            self.lines.remove(destination);
            return;
        }
        while line.jobs.len() > line.coming
            && let Some(lane) = line.idle.pop_first()
        {
            line.coming += 1;
            self.woken.push_back(lane);
            if let Some(lane) = self.lanes.get_mut(&lane) {
                lane.work = Work::Coming;
            }
        }
        if line.asked || !line.wants_lane(limits) {
            return;
        }
        line.asked = true;
        let deque = if line.lanes == 0 {
            &mut self.first
        } else {
            &mut self.more
        };
        deque.push_back(Arc::clone(destination));
    }

    /// The next lane to be opened, if any may be.
    pub(super) fn open(&mut self, limits: &Limits) -> Option<(LaneId, Destination)> {
        while self.lanes.len() < limits.lanes.max(1) {
            let destination = self.first.pop_front().or_else(|| self.more.pop_front())?;
            let Some(line) = self.lines.get_mut(&destination) else {
                continue;
            };
            line.asked = false;
            if !line.wants_lane(limits) {
                continue;
            }
            line.lanes += 1;
            line.coming += 1;
            self.last += 1;
            let id = LaneId(self.last);
            let lane = Lane {
                destination: Arc::clone(&destination),
                work: Work::Coming,
                served: 0,
            };
            self.lanes.insert(id, lane);
            self.consider(&destination, limits);
            return Some((id, Destination::clone(&destination)));
        }
        None
    }

    /// The next idle lane that is to ask again.
    pub(super) fn wake(&mut self) -> Option<LaneId> {
        self.woken.pop_front()
    }

    /// Takes the first job of the lane's line. [`Lanes::begin`] says what of it is attempted; else take the next.
    pub(super) fn take(
        &mut self,
        id: LaneId,
        limits: &Limits,
    ) -> Option<(Arc<Destination>, Queued)> {
        let crowded = self.lanes.len() >= limits.lanes.max(1) && !self.first.is_empty();
        let too_many = self.lanes.len() > limits.lanes.max(1);
        let lane = self.lanes.get(&id)?;
        let destination = Arc::clone(&lane.destination);
        if matches!(lane.work, Work::Retired) {
            return None;
        }
        if too_many || crowded && lane.served >= TURN {
            self.set(id, Work::Retired);
            self.consider(&destination, limits);
            return None;
        }
        let job = self.lines.get_mut(&destination)?.jobs.pop_front();
        self.set(
            id,
            if job.is_some() {
                Work::Coming
            } else {
                Work::Idle
            },
        );
        let job = job?;
        self.octets -= inline_len(&job);
        Some((destination, job))
    }

    /// The lane attempts this now.
    pub(super) fn begin(&mut self, id: LaneId, current: Current) {
        self.set(id, Work::Doing(current));
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.served = lane.served.saturating_add(1);
        }
    }

    /// The lane's attempt is over.
    pub(super) fn finish(&mut self, id: LaneId) -> Option<Current> {
        match self.set(id, Work::Coming) {
            Some(Work::Doing(current)) => Some(current),
            Some(Work::Retired) => {
                self.set(id, Work::Retired);
                None
            }
            _ => None,
        }
    }

    /// The lane is gone. Returns what it was doing, which should be nothing.
    pub(super) fn close(&mut self, id: LaneId, limits: &Limits) -> Option<Current> {
        let before = self.set(id, Work::Retired);
        let lane = self.lanes.remove(&id)?;
        self.woken.retain(|other| *other != id);
        if let Some(line) = self.lines.get_mut(&lane.destination) {
            line.lanes -= 1;
        }
        self.consider(&lane.destination, limits);
        match before {
            Some(Work::Doing(current)) => Some(current),
            _ => None,
        }
    }

    /// Whether a job waits that this lane could take.
    pub(super) fn has_job(&self, id: LaneId) -> bool {
        self.lanes.get(&id).is_some_and(|lane| {
            let line = self.lines.get(&lane.destination);
            !matches!(lane.work, Work::Retired) && line.is_some_and(|line| !line.jobs.is_empty())
        })
    }

    /// What the lane is attempting.
    pub(super) fn current(&self, id: LaneId) -> Option<&Current> {
        match &self.lanes.get(&id)?.work {
            Work::Doing(current) => Some(current),
            _ => None,
        }
    }

    /// Whether this lane's place is needed by another destination.
    pub(super) fn should_close(&self, id: LaneId, limits: &Limits) -> bool {
        self.lanes.get(&id).is_none_or(|lane| match lane.work {
            Work::Retired => true,
            Work::Idle | Work::Coming => {
                self.lanes.len() >= limits.lanes.max(1) && !self.first.is_empty()
            }
            Work::Doing(_) => false,
        })
    }

    /// Changes what a lane does, and its line's counts with it.
    fn set(&mut self, id: LaneId, work: Work) -> Option<Work> {
        let lane = self.lanes.get_mut(&id)?;
        if let Some(line) = self.lines.get_mut(&lane.destination) {
            match lane.work {
                Work::Coming => line.coming -= 1,
                Work::Idle => drop(line.idle.remove(&id)),
                Work::Doing(_) | Work::Retired => {}
            }
            match work {
                Work::Coming => line.coming += 1,
                Work::Idle => drop(line.idle.insert(id)),
                Work::Doing(_) | Work::Retired => {}
            }
        }
        Some(std::mem::replace(&mut lane.work, work))
    }

    /// The waiting jobs of one message, for a look.
    pub(super) fn waiting(
        &mut self,
        destination: &Arc<Destination>,
        id: MessageId,
    ) -> impl Iterator<Item = &mut Queued> {
        let jobs = self
            .lines
            .get_mut(destination)
            .map(|line| line.jobs.iter_mut());
        jobs.into_iter()
            .flatten()
            .filter(move |job| job.message.id == id)
    }

    /// Takes the waiting jobs of one message out of a line.
    pub(super) fn remove(
        &mut self,
        destination: &Arc<Destination>,
        id: MessageId,
        limits: &Limits,
    ) -> Vec<Queued> {
        let Some(line) = self.lines.get_mut(destination) else {
            return Vec::new();
        };
        let jobs = std::mem::take(&mut line.jobs);
        let (gone, kept): (Vec<_>, VecDeque<_>) = partition(jobs, |job| job.message.id == id);
        line.jobs = kept;
        self.octets -= gone.iter().map(inline_len).sum::<u64>();
        self.consider(destination, limits);
        gone
    }

    /// Takes all waiting jobs.
    pub(super) fn clear(&mut self) -> Vec<Queued> {
        self.octets = 0;
        self.lines
            .values_mut()
            .flat_map(|line| std::mem::take(&mut line.jobs))
            .collect()
    }
}

fn partition(
    jobs: VecDeque<Queued>,
    mut out: impl FnMut(&Queued) -> bool,
) -> (Vec<Queued>, VecDeque<Queued>) {
    let (mut gone, mut kept) = (Vec::new(), VecDeque::with_capacity(jobs.len()));
    for job in jobs {
        if out(&job) {
            gone.push(job);
        } else {
            kept.push_back(job);
        }
    }
    (gone, kept)
}

fn inline_len(job: &Queued) -> u64 {
    match &job.body {
        Some(Body::Inline(octets)) => octets.len() as u64,
        _ => 0,
    }
}
