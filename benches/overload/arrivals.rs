//! Calls that come at a fixed rate.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Code, Request};
use vestibule::pb;
use vestibule::pb::organization_service_client::OrganizationServiceClient;

/// How long calls come for.
const SPAN: Duration = Duration::from_secs(8);

/// How long a caller waits for the answer.
const DEADLINE: Duration = Duration::from_secs(1);

/// How often calls that have become due are begun.
const TICK: Duration = Duration::from_millis(2);

/// What became of the calls, a second; durations of those that were answered in time.
pub(crate) struct Seen {
    pub(crate) offered: f64,
    pub(crate) in_time: f64,
    pub(crate) sent_away: f64,
    pub(crate) late: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Makes every slug of the process its own.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// Lets so many calls come each second, and waits for what becomes of them.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) async fn come(channels: &[Channel], per_second: f64) -> Seen {
    let started = Instant::now();
    let mut calls = JoinSet::new();
    let mut offered = 0_u32;
    while started.elapsed() < SPAN {
        while f64::from(offered) < started.elapsed().as_secs_f64() * per_second {
            let channel = channels[offered as usize % channels.len()].clone();
            calls.spawn(async move {
                let begun = Instant::now();
                (one(channel).await, begun.elapsed())
            });
            offered += 1;
        }
        tokio::time::sleep(TICK).await;
    }
    let elapsed = started.elapsed().as_secs_f64();
    let outcomes = calls.join_all().await;
    let per_second = |count: usize| f64::from(u32::try_from(count).unwrap()) / elapsed;
    let with = |code: Code| outcomes.iter().filter(|(seen, _)| *seen == code).count();
    let mut durations: Vec<_> =
        outcomes.iter().filter(|(code, _)| *code == Code::Ok).map(|(_, duration)| *duration).collect();
    durations.sort_unstable();
    let milliseconds = |quantile: usize| {
        let index = durations.len().saturating_sub(1) * quantile / 100;
        durations.get(index).map_or(f64::NAN, |duration| duration.as_secs_f64() * 1_000.0)
    };
    let (in_time, sent_away) = (with(Code::Ok), with(Code::Unavailable));
    Seen {
        offered: f64::from(offered) / elapsed,
        in_time: per_second(in_time),
        sent_away: per_second(sent_away),
        late: per_second(outcomes.len() - in_time - sent_away),
        p50_ms: milliseconds(50),
        p99_ms: milliseconds(99),
    }
}

async fn one(channel: Channel) -> Code {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut request = Request::new(pb::CreateOrganizationRequest {
        organization_name: Some("Company".to_owned()),
        organization_slug: Some(format!("came-{number}")),
        ..pb::CreateOrganizationRequest::default()
    });
    request.set_timeout(DEADLINE);
    match OrganizationServiceClient::new(channel).create_organization(request).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}
