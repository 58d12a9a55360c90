//! Intermediate sessions in Redis: one hash per token, each operation one atomic script on that key,
//! so that a cluster serves it too. Time is Redis' own.

mod link;
mod scripts;
mod target;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::{FutureExt as _, select_ok};
use redis::io::tcp::TcpSettings;
use secrecy::{ExposeSecret as _, SecretString};
use time::OffsetDateTime;
use uuid::Uuid;

pub(super) use self::link::Link;
use self::scripts::Invocation;
pub(super) use self::scripts::Script;
use self::target::Target;
use super::{Added, Claim, Claimable, Error, Keeper};
use crate::domain::authentication_factor::VerifiedFactor;
use crate::domain::email_address::EmailAddress;
use crate::domain::evidence::Evidence;
use crate::domain::ids::{MemberId, OrganizationId, ProjectId};
use crate::domain::intermediate_session::{Binding, IntermediateSession, LIFETIME, MAX_FACTORS, TokenHash};
use crate::domain::rate::Rate;
use crate::telemetry::chain;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::spans::{Operation, observed};

/// How long a command may take, and how long connecting to a server.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the key that is written to learn whether Redis takes writes is kept.
const PING_LIFETIME: Duration = Duration::from_secs(10);

/// The running of a script. Its name, and `EVALSHA` before it.
macro_rules! script {
    ($name:literal) => {
        Operation {
            system: "redis",
            name: "EVALSHA",
            procedure: Some($name),
            span: concat!("EVALSHA ", $name),
        }
    };
}
pub(super) use script;

/// Why Redis could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is not one of Redis, of Sentinels or of a cluster.
    #[error("the Redis URL is not a valid redis://, redis-sentinel:// or redis-cluster:// URL")]
    Url,
    /// Redis does not answer, or refuses.
    #[error("Redis could not be reached")]
    Unreachable(#[source] redis::RedisError),
}

/// How long what was sent may stay without an acknowledgement before the connection counts as lost.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(5);

/// Small commands leave at once; a machine that is gone is noticed within seconds.
fn tcp_settings() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(USER_TIMEOUT);
    settings
}

/// The scripts, each compiled into its SHA-1 once.
struct Scripts {
    insert: Script,
    get: Script,
    add_factor: Script,
    claim: Script,
    finish: Script,
}

/// Keeps intermediate sessions in Redis.
pub struct RedisKeeper {
    link: Link,
    metrics: Arc<Metrics>,
    project: ProjectId,
    /// How many attempts on one entry may fail.
    failed_spends: Rate,
    scripts: Scripts,
}

impl fmt::Debug for RedisKeeper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedisKeeper").field("project", &self.project).finish_non_exhaustive()
    }
}

impl RedisKeeper {
    /// Connects. Keys carry the deployment's id, so that deployments can share a Redis. `failed_spends` is
    /// how many attempts on one entry may fail.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(
        url: &SecretString,
        project: ProjectId,
        failed_spends: Rate,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ConnectError> {
        let target = Target::parse(url.expose_secret())?;
        let link = Link::open(target).await.map_err(ConnectError::Unreachable)?;
        let keeper = Self {
            link,
            metrics,
            project,
            failed_spends,
            scripts: Scripts {
                insert: Script::new(include_str!("redis/insert.lua")),
                get: Script::new(include_str!("redis/get.lua")),
                add_factor: Script::new(include_str!("redis/add_factor.lua")),
                claim: with_buckets(include_str!("redis/claim.lua")),
                finish: with_buckets(include_str!("redis/finish.lua")),
            },
        };
        keeper.warn_about_eviction().await;
        Ok(keeper)
    }

    /// Under memory pressure Redis may only refuse, or drop what is about to expire anyway: with any
    /// other policy people lose logins that are under way.
    async fn warn_about_eviction(&self) {
        let mut command = redis::cmd("CONFIG");
        command.arg("GET").arg("maxmemory-policy");
        let asking = self.link.run(async |connection| command.query_async(connection).await);
        let answer: Result<HashMap<String, String>, _> = bounded(asking).await;
        match answer {
            Ok(settings) => {
                let policy = settings.get("maxmemory-policy").map_or("", String::as_str);
                if policy != "noeviction" && !policy.starts_with("volatile-") {
                    tracing::warn!(
                        policy,
                        "Redis may evict intermediate sessions; set maxmemory-policy to noeviction"
                    );
                }
            }
            Err(error) => {
                tracing::info!(error = chain(&error), "Redis did not tell its maxmemory-policy");
            }
        }
    }

    /// The way to Redis, for what else is kept in it.
    pub(super) fn link(&self) -> Link {
        self.link.clone()
    }

    /// What counts what is done over it.
    pub(super) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// What the keys of one kind begin with.
    pub(super) fn prefix(&self, kind: &str) -> String {
        format!("vestibule:{}:{kind}:", self.project.uuid())
    }

    fn key(&self, token: TokenHash) -> String {
        self.prefix("intermediate-session") + &URL_SAFE_NO_PAD.encode(token.0)
    }

    /// Runs a script.
    async fn run(&self, script: Operation, invocation: &Invocation<'_>) -> Result<Reply, Error> {
        let running = bounded(async {
            let reply: Vec<redis::Value> =
                self.link.run(async |connection| invocation.run(connection).await).await?;
            let mut reply = reply.into_iter();
            let status = redis::from_redis_value(reply.next().unwrap_or(redis::Value::Nil))?;
            Ok((status, reply.next()))
        });
        let (status, rest) = observed(&self.metrics, script, |error| Some(error.kind()), running).await?;
        Ok(Reply { status, rest })
    }

    async fn finish(&self, token: TokenHash, claim: Uuid, how: &[&str]) -> Result<(), Error> {
        let mut invocation = self.scripts.finish.key(self.key(token));
        invocation.arg(claim.to_string()).arg(how);
        self.run(script!("finish"), &invocation).await.map(drop)
    }
}

fn command(name: &'static str) -> Operation {
    Operation { system: "redis", name, procedure: None, span: name }
}

async fn bounded<T>(work: impl Future<Output = redis::RedisResult<T>>) -> Result<T, Error> {
    // Twice the response timeout: a script that Redis has forgotten is sent a second time.
    match tokio::time::timeout(RESPONSE_TIMEOUT * 2, work).await {
        Ok(result) => result.map_err(|error| Error::Unavailable(Box::new(error))),
        Err(elapsed) => Err(Error::Unavailable(Box::new(elapsed))),
    }
}

#[async_trait]
impl Keeper for RedisKeeper {
    async fn insert(
        &self,
        token: TokenHash,
        evidence: Evidence,
        hint: Option<OrganizationId>,
    ) -> Result<IntermediateSession, Error> {
        let mut invocation = self.scripts.insert.key(self.key(token));
        let hint = hint.map_or_else(String::new, |hint| hint.uuid().to_string());
        invocation.arg(milliseconds(LIFETIME)).arg(evidence.email_address.as_str()).arg(hint);
        for factor in &evidence.factors {
            invocation.arg(factor_json(factor)?);
        }
        self.run(script!("insert"), &invocation).await?.entry()
    }

    async fn get(&self, token: TokenHash) -> Result<Option<IntermediateSession>, Error> {
        let reply = self.run(script!("get"), &self.scripts.get.key(self.key(token))).await?;
        match reply.status.as_str() {
            "absent" => Ok(None),
            _ => reply.entry().map(Some),
        }
    }

    async fn add_factor(
        &self,
        token: TokenHash,
        addition: Uuid,
        factor: VerifiedFactor,
    ) -> Result<Added, Error> {
        let mut invocation = self.scripts.add_factor.key(self.key(token));
        invocation.arg(factor_json(&factor)?).arg(MAX_FACTORS).arg(addition.to_string());
        let reply = self.run(script!("add_factor"), &invocation).await?;
        match reply.status.as_str() {
            "absent" => Ok(Added::Absent),
            "full" => Ok(Added::Full),
            "in_use" => Ok(Added::InUse { retry_after: reply.rest_of_lease()? }),
            _ => reply.entry().map(Added::Added),
        }
    }

    async fn claim(
        &self,
        token: TokenHash,
        claim: Uuid,
        lease: Duration,
        claimable: Claimable,
    ) -> Result<Claim, Error> {
        let mut invocation = self.scripts.claim.key(self.key(token));
        let claimable = match claimable {
            Claimable::Open => "open",
            Claimable::Any => "any",
        };
        invocation.arg(claim.to_string()).arg(milliseconds(lease)).arg(claimable);
        invocation.arg(nanoseconds(self.failed_spends.interval())).arg(self.failed_spends.burst());
        let reply = self.run(script!("claim"), &invocation).await?;
        match reply.status.as_str() {
            "absent" => Ok(Claim::Absent),
            "in_use" => Ok(Claim::InUse { retry_after: reply.rest_of_lease()? }),
            "limited" => Ok(Claim::Limited { retry_after: reply.until_next()? }),
            "bound" => reply.entry()?.binding.map(Claim::Bound).ok_or(Error::Corrupt("organization_id")),
            _ => reply.entry().map(Claim::Claimed),
        }
    }

    async fn release(&self, token: TokenHash, claim: Uuid) -> Result<(), Error> {
        self.finish(token, claim, &["release"]).await
    }

    async fn fail(&self, token: TokenHash, claim: Uuid) -> Result<(), Error> {
        let interval = nanoseconds(self.failed_spends.interval()).to_string();
        self.finish(token, claim, &["fail", &interval, &self.failed_spends.burst().to_string()]).await
    }

    async fn bind(&self, token: TokenHash, claim: Uuid, binding: Binding) -> Result<(), Error> {
        let organization = binding.organization_id.uuid().to_string();
        let member = binding.member_id.uuid().to_string();
        self.finish(token, claim, &["bind", &organization, &member]).await
    }

    async fn spend(&self, token: TokenHash, claim: Uuid) -> Result<(), Error> {
        self.finish(token, claim, &["spend"]).await
    }

    async fn remove(&self, token: TokenHash) -> Result<(), Error> {
        let mut delete = redis::cmd("DEL");
        delete.arg(self.key(token));
        let removing = bounded(self.link.run(async |connection| delete.query_async(connection).await));
        observed(&self.metrics, command("DEL"), |error| Some(error.kind()), removing).await
    }

    async fn ping(&self) -> Result<(), Error> {
        let writing = self.link.ping_keys().map(|number| {
            let mut ping = redis::cmd("SET");
            let key = format!("vestibule:{}:ping:{number}", self.project.uuid());
            ping.arg(key).arg("").arg("PX").arg(milliseconds(PING_LIFETIME));
            self.link.run(async move |connection| ping.query_async::<()>(connection).await).boxed()
        });
        let asking = bounded(async { select_ok(writing).await.map(|((), _)| ()) });
        observed(&self.metrics, command("SET"), |error| Some(error.kind()), asking).await
    }
}

/// A script that deals with token buckets.
pub(super) fn with_buckets(script: &str) -> Script {
    Script::new(&[include_str!("redis/gcra.lua"), script].concat())
}

/// As scripts take the interval of a rate.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn factor_json(factor: &VerifiedFactor) -> Result<String, Error> {
    serde_json::to_string(factor).map_err(|_| Error::Corrupt("factor"))
}

/// What every script answers: a word, and what it is about.
struct Reply {
    status: String,
    rest: Option<redis::Value>,
}

impl Reply {
    fn rest_of_lease(self) -> Result<Duration, Error> {
        self.number().map(Duration::from_millis).ok_or(Error::Corrupt("claim_until"))
    }

    fn until_next(self) -> Result<Duration, Error> {
        self.number().map(Duration::from_nanos).ok_or(Error::Corrupt("attempts"))
    }

    fn number(self) -> Option<u64> {
        self.rest.and_then(|rest| redis::from_redis_value(rest).ok())
    }

    fn entry(self) -> Result<IntermediateSession, Error> {
        let fields: HashMap<String, String> =
            self.rest.and_then(|rest| redis::from_redis_value(rest).ok()).ok_or(Error::Corrupt("fields"))?;
        let field = |name: &'static str| fields.get(name).ok_or(Error::Corrupt(name));
        let count: usize = field("factors")?.parse().map_err(|_| Error::Corrupt("factors"))?;
        let factors = (1..=count)
            .map(|number| {
                let json = fields.get(&format!("factor:{number}")).ok_or(Error::Corrupt("factor"))?;
                serde_json::from_str(json).map_err(|_| Error::Corrupt("factor"))
            })
            .collect::<Result<_, _>>()?;
        let binding = match (fields.get("organization_id"), fields.get("member_id")) {
            (Some(organization), Some(member)) => Some(Binding {
                organization_id: OrganizationId::new(uuid(organization)?),
                member_id: MemberId::new(uuid(member)?),
            }),
            _ => None,
        };
        let email_address =
            EmailAddress::parse(field("email_address")?).map_err(|_| Error::Corrupt("email_address"))?;
        let hint = fields.get("hint").map(|hint| uuid(hint).map(OrganizationId::new)).transpose()?;
        Ok(IntermediateSession {
            evidence: Evidence { email_address, factors },
            binding,
            hint,
            created_at: timestamp(field("created_at")?)?,
            expires_at: timestamp(field("expires_at")?)?,
        })
    }
}

fn uuid(text: &str) -> Result<Uuid, Error> {
    Uuid::try_parse(text).map_err(|_| Error::Corrupt("id"))
}

fn timestamp(milliseconds: &str) -> Result<OffsetDateTime, Error> {
    let milliseconds: i128 = milliseconds.parse().map_err(|_| Error::Corrupt("time"))?;
    OffsetDateTime::from_unix_timestamp_nanos(milliseconds * 1_000_000).map_err(|_| Error::Corrupt("time"))
}
