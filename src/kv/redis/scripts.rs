//! Scripts, each for one key, so that a cluster knows which of its nodes runs it.

use redis::{ErrorKind, FromRedisValue, RedisResult, ServerErrorKind, ToRedisArgs};

use super::link::Connection;

/// A script, known to Redis by its SHA-1 once it has run.
pub(in crate::kv) struct Script {
    source: String,
    sha1: String,
}

/// A script with its key and arguments.
pub(in crate::kv) struct Invocation<'a> {
    script: &'a Script,
    key: String,
    arguments: Vec<Vec<u8>>,
}

impl Script {
    pub(in crate::kv) fn new(source: &str) -> Self {
        Self { source: source.to_owned(), sha1: redis::Script::new(source).get_hash().to_owned() }
    }

    pub(in crate::kv) fn key(&self, key: String) -> Invocation<'_> {
        Invocation { script: self, key, arguments: Vec::new() }
    }
}

impl Invocation<'_> {
    pub(in crate::kv) fn arg(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    /// Runs it. A server that does not know it yet is sent its text. The driver's own way, `SCRIPT LOAD`, needs all
    /// nodes of a cluster to answer.
    pub(in crate::kv) async fn run<T: FromRedisValue>(&self, connection: &mut Connection) -> RedisResult<T> {
        match self.send("EVALSHA", &self.script.sha1, connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.send("EVAL", &self.script.source, connection).await
            }
            outcome => outcome,
        }
    }

    async fn send<T: FromRedisValue>(
        &self,
        command: &str,
        script: &str,
        connection: &mut Connection,
    ) -> RedisResult<T> {
        redis::cmd(command)
            .arg(script)
            .arg(1)
            .arg(&self.key)
            .arg(&self.arguments)
            .query_async(connection)
            .await
    }
}
