//! The log: one line an event, fields as Postfix writes them, or one JSON object a line. Standard error; systemd or a
//! supervisor keeps it.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::config::{LogFormat, LogLevel, LogSettings};

/// How the running log is changed.
pub(crate) struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    lines: reload::Handle<Lines, Filtered>,
}

type Filtered = Layered<reload::Layer<EnvFilter, Registry>, Registry>;
type Lines = Box<dyn Layer<Filtered> + Send + Sync>;

/// Starts logging. Once a process.
pub(crate) fn start(settings: LogSettings) -> Log {
    let (filter, filter_handle) = reload::Layer::new(filter(settings.level));
    let (lines, lines_handle) = reload::Layer::new(lines(settings.format));
    // A second start in one process (a test) keeps the first.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    Log {
        filter: filter_handle,
        lines: lines_handle,
    }
}

impl Log {
    /// A changed configuration: from the next line on.
    pub(crate) fn change(&self, settings: LogSettings) {
        // Fails only when there is no log any more.
        let _ = self.filter.reload(filter(settings.level));
        let _ = self.lines.reload(lines(settings.format));
    }
}

fn filter(level: LogLevel) -> EnvFilter {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    };
    let libraries = if level == "error" { "error" } else { "warn" };
    EnvFilter::new(format!(
        "{libraries},smtp={level},queue={level},greylist={level},policy={level},server={level}"
    ))
}

fn lines(format: LogFormat) -> Lines {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.event_format(PostfixLike::new()).boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
    }
}

/// `2026-11-23T22:42:01.123Z postdate[4711]: smtp: 0ABC: to=<…>, relay=…, status=deferred (450 …), hint=300`
struct PostfixLike {
    pid: u32,
    /// Under systemd the journal has the time already.
    with_time: bool,
}

impl PostfixLike {
    fn new() -> Self {
        Self {
            pid: std::process::id(),
            with_time: std::env::var_os("JOURNAL_STREAM").is_none(),
        }
    }
}

impl<S, N> FormatEvent<S, N> for PostfixLike
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.with_time
            && let Ok(now) = jiff::Timestamp::try_from(crate::clock::now())
        {
            write!(out, "{now:.3} ")?;
        }
        write!(
            out,
            "postdate[{}]: {}: ",
            self.pid,
            event.metadata().target()
        )?;
        match *event.metadata().level() {
            tracing::Level::ERROR => out.write_str("error: ")?,
            tracing::Level::WARN => out.write_str("warning: ")?,
            _ => {}
        }
        let mut line = Line::default();
        event.record(&mut line);
        out.write_str(&line.id)?;
        match (line.fields.is_empty(), line.message.is_empty()) {
            (false, false) => writeln!(out, "{}: {}", line.message, line.fields),
            _ => writeln!(out, "{}{}", line.message, line.fields),
        }
    }
}

#[derive(Default)]
struct Line {
    id: String,
    message: String,
    fields: String,
}

impl Line {
    fn push(&mut self, name: &str, value: fmt::Arguments<'_>) {
        // Writing into a String does not fail.
        let _ = match name {
            "id" => write!(self.id, "{value}: "),
            "message" => write!(self.message, "{value}"),
            "reply" => write!(self.fields, " ({value})"),
            _ if self.fields.is_empty() => write!(self.fields, "{name}={value}"),
            _ => write!(self.fields, ", {name}={value}"),
        };
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field.name(), format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field.name(), format_args!("{value}"));
    }
}
