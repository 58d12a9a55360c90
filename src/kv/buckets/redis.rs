//! Token buckets in Redis: one key each, one atomic script. Time is Redis' own.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::BucketKey;
use crate::domain::rate::{Rate, Taken};
use crate::kv::RedisKeeper;
use crate::kv::redis::{Link, Script, nanoseconds, script, with_buckets};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::spans::{Operation, observed};

/// How long a call waits for Redis before it goes by the process' buckets.
const TIMEOUT: Duration = Duration::from_millis(250);

/// Buckets beside the intermediate sessions.
pub(super) struct RedisBuckets {
    link: Link,
    metrics: Arc<Metrics>,
    prefix: String,
    script: Script,
}

impl fmt::Debug for RedisBuckets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedisBuckets").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl RedisBuckets {
    pub(super) fn beside(keeper: &RedisKeeper) -> Self {
        Self {
            link: keeper.link(),
            metrics: keeper.metrics(),
            prefix: keeper.prefix("bucket"),
            script: with_buckets(include_str!("../redis/take.lua")),
        }
    }

    /// Takes tokens.
    ///
    /// # Errors
    /// When Redis does not answer in time. Tokens may have been taken.
    pub(super) async fn take(
        &self,
        key: BucketKey,
        rate: Rate,
        wanted: u32,
    ) -> Result<Taken, Box<dyn Error + Send + Sync>> {
        let key = format!("{}{}:{}", self.prefix, key.limit, URL_SAFE_NO_PAD.encode(key.subject));
        let mut invocation = self.script.key(key);
        invocation.arg(nanoseconds(rate.interval())).arg(rate.burst()).arg(wanted);
        let asking = async {
            let taking = self.link.run(async |connection| invocation.run(connection).await);
            let answer = tokio::time::timeout(TIMEOUT, taking).await;
            Ok::<(String, u64), Box<dyn Error + Send + Sync>>(answer??)
        };
        let failure = |_: &Box<_>| Some("unavailable");
        let (status, number) = observed(&self.metrics, script!("take"), failure, asking).await?;
        match status.as_str() {
            "empty" => Ok(Taken::Empty { retry_after: Duration::from_nanos(number) }),
            _ => Ok(Taken::Granted(u32::try_from(number)?)),
        }
    }
}
