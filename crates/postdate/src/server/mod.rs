//! The SMTP front: sockets, sessions, and the decisions they ask for.

pub(crate) mod connection;
mod connections;
pub(crate) mod gate;
mod intake;
mod listener;
mod no_room;
mod own_id;
mod shortage;
mod stream;
mod trace;
mod turned_away;

pub(crate) use connections::Connections;
pub(crate) use gate::Gate;
pub(crate) use intake::expand;
pub(crate) use listener::{Front, Listener, LocalListener, stopped};
pub(crate) use no_room::NoRoom;
pub(crate) use trace::date;
pub(crate) use turned_away::TurnedAway;
