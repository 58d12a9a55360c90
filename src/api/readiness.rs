//! Whether the server is well, as HTTP tells it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::KeyValue;

use crate::telemetry::metrics::{Gauge, Metrics};

/// What calls need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// The database: every call needs it.
    Database,
    /// The keeper of intermediate sessions: some need it.
    Keeper,
}

impl Dependency {
    const ALL: [Self; 2] = [Self::Database, Self::Keeper];

    fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Keeper => "keeper",
        }
    }
}

/// What answered when it was last asked, and whether the server is about to end.
#[derive(Debug, Default)]
pub struct Readiness {
    up: [AtomicBool; Dependency::ALL.len()],
    draining: AtomicBool,
}

impl Readiness {
    /// Nothing has answered yet. Metrics tell what has.
    #[must_use]
    pub fn unknown(metrics: &Metrics) -> Arc<Self> {
        let readiness = Arc::new(Self::default());
        let this = Arc::clone(&readiness);
        metrics.observe(Gauge::DependencyUp, move |gauge| {
            for dependency in Dependency::ALL {
                let up = if this.is_up(dependency) { 1.0 } else { 0.0 };
                gauge.observe(up, &[KeyValue::new("dependency", dependency.as_str())]);
            }
        });
        readiness
    }

    /// Remembers whether it answered.
    pub fn set(&self, dependency: Dependency, up: bool) {
        self.up[dependency as usize].store(up, Ordering::Relaxed);
    }

    /// From now on the server is not ready any more.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn is_up(&self, dependency: Dependency) -> bool {
        self.up[dependency as usize].load(Ordering::Relaxed)
    }

    /// Whether calls are welcome, and a line for each reason.
    pub(super) fn report(&self) -> (bool, String) {
        let draining = self.draining.load(Ordering::Relaxed);
        let mut lines = String::new();
        for dependency in Dependency::ALL {
            let state = if self.is_up(dependency) { "up" } else { "down" };
            lines = lines + dependency.as_str() + ": " + state + "\n";
        }
        if draining {
            lines += "draining\n";
        }
        (self.is_up(Dependency::Database) && !draining, lines)
    }
}
