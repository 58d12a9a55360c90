//! How much is too much.

use clap::Args;

use crate::domain::rate::Rate;

/// Rate limits. Each is a token bucket, which replicas share through Redis; while Redis is away, each replica
/// counts for itself. None can be switched off.
#[derive(Clone, Copy, Debug, Args)]
pub struct LimitsConfig {
    /// How many calls a caller may make each second, on all replicas together. 1 to 1000000. The default is
    /// about what two cores serve.
    #[arg(long, global = true, env = "VESTIBULE_CALLER_RATE", default_value_t = 5_000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub caller_rate: u32,

    /// How many calls a caller may make at once that was silent before. 1 to 1000000. By default twice
    /// the rate.
    #[arg(long, global = true, env = "VESTIBULE_CALLER_BURST",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub caller_burst: Option<u32>,

    /// How many tokens may be made for one e-mail address each minute, and how many at once. 1 to 100000.
    #[arg(long, global = true, env = "VESTIBULE_VOUCHES_PER_MINUTE", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub vouches_per_minute: u32,

    /// How many attempts to spend one token may fail each minute by their caller's doing, and how many at
    /// once. 1 to 100000.
    #[arg(long, global = true, env = "VESTIBULE_FAILED_SPENDS_PER_MINUTE", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub failed_spends_per_minute: u32,
}

impl LimitsConfig {
    /// The calls of one caller.
    #[must_use]
    pub fn calls(&self) -> Rate {
        let burst = self.caller_burst.unwrap_or(self.caller_rate.saturating_mul(2));
        Rate::per_second(self.caller_rate, burst)
    }

    /// The tokens for one e-mail address.
    #[must_use]
    pub fn vouches(&self) -> Rate {
        Rate::per_minute(self.vouches_per_minute)
    }

    /// The failed attempts to spend one token.
    #[must_use]
    pub fn failed_spends(&self) -> Rate {
        Rate::per_minute(self.failed_spends_per_minute)
    }

    /// The settings as names and values.
    pub(super) fn describe(&self) -> [(&'static str, String); 4] {
        let Self { caller_rate, caller_burst, vouches_per_minute, failed_spends_per_minute } = self;
        [
            ("caller-rate", caller_rate.to_string()),
            ("caller-burst", caller_burst.as_ref().map(u32::to_string).unwrap_or_default()),
            ("vouches-per-minute", vouches_per_minute.to_string()),
            ("failed-spends-per-minute", failed_spends_per_minute.to_string()),
        ]
    }
}
