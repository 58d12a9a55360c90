//! Logs: structured lines through `tracing`. No line carries a token, a secret or an address.

use std::error::Error as StdError;
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::LogFormat;

/// Sends log lines to standard error from now on. `filter` was checked with the configuration.
pub fn start(format: LogFormat, filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_span_events(FmtSpan::NONE);
    // A second start (tests in one process) keeps the first subscriber.
    let started = match format {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => {
            subscriber.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logs go where they went before");
    }
}

/// An error with everything that caused it, outermost first.
#[must_use]
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Transparent errors say what their cause says.
        if !text.ends_with(&words) {
            text = text + ": " + &words;
        }
        cause = error.source();
    }
    text
}
