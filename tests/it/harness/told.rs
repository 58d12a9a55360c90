//! What the service tells, of itself and of those who call: every log line, span and metric of the whole suite is
//! looked through for tokens, keys and addresses.
//!
//! Some are known by their looks. Others are known because a client of the harness sent or received them: every
//! long word that a client has seen, ids aside, must be in nothing that is told.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// How many letters in a row tell that two words are the same.
const PIECE: usize = 16;

/// From this length on, a word that a client sends or receives is taken for a secret: tokens have 43 letters.
const SECRET: usize = 40;

/// How many words are kept of what is told.
const MAX_WORDS: usize = 1_000_000;

/// What all servers of this process tell, and what the clients of the harness know.
static SUITE: LazyLock<Arc<Told>> = LazyLock::new(Arc::default);

/// What is told.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// How many texts there were.
    texts: u64,
    /// Texts that must not be told, with their numbers.
    faults: Vec<(u64, String)>,
    /// The words of texts that could be secrets, with the numbers of the texts.
    words: VecDeque<(u64, String)>,
    /// Pieces of what clients know.
    secrets: HashSet<[u8; PIECE]>,
    /// From which texts on somebody listens, and how many do.
    listeners: BTreeMap<u64, usize>,
}

/// Looks at everything that is told while it lives.
#[derive(Debug)]
pub(crate) struct Listener {
    told: Arc<Told>,
    since: u64,
}

/// Listens to all servers of this process from now on.
pub(crate) fn listen() -> Listener {
    static STARTED: Once = Once::new();
    // The most that the service itself tells. Of libraries what they tell people who look for a fault, except
    // those whose words are of the tests' own statements and connections as well.
    STARTED.call_once(|| {
        let targets = Targets::new()
            .with_target("vestibule", LevelFilter::TRACE)
            .with_default(LevelFilter::DEBUG)
            .with_targets(["h2", "hyper", "hyper_util", "sqlx"].map(|quiet| (quiet, LevelFilter::OFF)));
        subscriber(&SUITE, targets).init();
    });
    SUITE.listen()
}

/// Hears a text of a process that a test has started, or what a server has sent.
pub(crate) fn hear(text: &str) {
    SUITE.hear(text);
}

/// Where the spans of traces go.
pub(crate) fn traces() -> SdkTracerProvider {
    traces_to(&SUITE)
}

/// Traces whose spans are heard.
pub(crate) fn traces_to(told: &Arc<Told>) -> SdkTracerProvider {
    SdkTracerProvider::builder().with_simple_exporter(Spans(Arc::clone(told))).build()
}

/// Remembers what a client sends or receives.
pub(crate) fn remember(bytes: &[u8]) {
    SUITE.remember(bytes);
}

/// Hears every span.
#[derive(Debug)]
struct Spans(Arc<Told>);

impl SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        for span in batch {
            let mut text = format!("{}\n{:?}\n", span.name, span.status);
            for KeyValue { key, value, .. } in &span.attributes {
                writeln!(text, "{key}: {value}").unwrap();
            }
            self.0.hear(&text);
        }
        Ok(())
    }
}

/// Hears every field of every span and event of log lines, whatever becomes of them later.
pub(crate) fn subscriber(told: &Arc<Told>, targets: Targets) -> impl Subscriber + Send + Sync + use<> {
    tracing_subscriber::registry().with(targets).with(Ear(Arc::clone(told)))
}

struct Ear(Arc<Told>);

impl<S: Subscriber> Layer<S> for Ear {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let mut text = String::new();
        attributes.record(&mut Written(&mut text));
        self.0.hear(&text);
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut text = String::new();
        values.record(&mut Written(&mut text));
        self.0.hear(&text);
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = String::new();
        event.record(&mut Written(&mut text));
        self.0.hear(&text);
    }
}

/// Fields as text.
struct Written<'a>(&'a mut String);

impl Visit for Written<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.extend([field.name(), ": ", value, "\n"]);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(self.0, "{}: {value:?}", field.name()).unwrap();
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        writeln!(self.0, "{}: {}", field.name(), vestibule::telemetry::chain(value)).unwrap();
    }

    // Numbers are no secrets.
    fn record_f64(&mut self, _: &Field, _: f64) {}
    fn record_i64(&mut self, _: &Field, _: i64) {}
    fn record_u64(&mut self, _: &Field, _: u64) {}
}

impl Told {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens from now on.
    pub(crate) fn listen(self: &Arc<Self>) -> Listener {
        let mut inner = self.inner();
        let since = inner.texts;
        *inner.listeners.entry(since).or_default() += 1;
        Listener { told: Arc::clone(self), since }
    }

    /// Hears a text.
    pub(crate) fn hear(&self, text: &str) {
        let fault = looks_secret(text);
        let mut found = words(text.as_bytes(), PIECE);
        found.retain(|word| !is_name(word));
        let mut inner = self.inner();
        let number = inner.texts;
        inner.texts += 1;
        if let Some(why) = fault {
            inner.faults.push((number, format!("{why}: {text}")));
        }
        if !inner.listeners.is_empty() {
            let found = found.into_iter().map(|word| (number, String::from_utf8_lossy(word).into_owned()));
            inner.words.extend(found);
            let excess = inner.words.len().saturating_sub(MAX_WORDS);
            inner.words.drain(..excess);
        }
    }

    /// Remembers long words, ids aside.
    pub(crate) fn remember(&self, bytes: &[u8]) {
        let mut found = words(bytes, SECRET);
        // Protobuf has the length of a text before it: 43 letters are the id of a key.
        let key_id = |word: &[u8]| {
            let start = word.as_ptr().addr() - bytes.as_ptr().addr();
            start > 0 && bytes[start - 1] == 43
        };
        found.retain(|word| !is_name(word) && !key_id(word));
        if !found.is_empty() {
            let pieces = found.into_iter().flat_map(|word| word.as_chunks().0);
            self.inner().secrets.extend(pieces);
        }
    }
}

impl Listener {
    /// What was told so far and must not be.
    pub(crate) fn faults(&self) -> Vec<String> {
        let inner = self.told.inner();
        let looks = inner.faults.iter().filter(|(number, _)| *number >= self.since);
        let mut faults: Vec<_> = looks.map(|(_, fault)| fault.clone()).collect();
        let first = inner.words.partition_point(|(number, _)| *number < self.since);
        for (_, word) in inner.words.range(first..) {
            if word.as_bytes().array_windows().any(|piece| inner.secrets.contains(piece)) {
                faults.push(format!("a client knows this: {word}"));
            }
        }
        faults
    }

    /// Panics if anything was told that must not be, unless the test has failed already.
    #[track_caller]
    pub(crate) fn check(&self) {
        let faults = self.faults();
        assert!(faults.is_empty() || std::thread::panicking(), "secrets are told:\n{}", faults.join("\n"));
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut inner = self.told.inner();
        if let Some(count) = inner.listeners.get_mut(&self.since) {
            *count -= 1;
            if *count == 0 {
                inner.listeners.remove(&self.since);
            }
        }
        // What nobody looks at any more.
        let first = inner.listeners.keys().next().copied().unwrap_or(u64::MAX);
        let past = inner.words.partition_point(|(number, _)| *number < first);
        inner.words.drain(..past);
    }
}

/// Whether a byte is in base64url: a letter, a digit, `-` or `_`.
const BASE64URL: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], 0_u8);
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        byte += 1;
    }
    table
};

/// The words of a text: base64url, at least so many in a row. A plain loop: the whole suite waits for it.
fn words(bytes: &[u8], least: usize) -> Vec<&[u8]> {
    let (mut words, mut start, mut index) = (Vec::new(), 0, 0);
    while index <= bytes.len() {
        if index == bytes.len() || !BASE64URL[bytes[index] as usize] {
            if index - start >= least {
                words.push(&bytes[start..index]);
            }
            start = index + 1;
        }
        index += 1;
    }
    words
}

/// Whether a word is no secret by its looks: an id with a UUID at its end, a name in the code, a number of W3C
/// Trace Context.
fn is_name(word: &[u8]) -> bool {
    let hexadecimal = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
    let uuid = word.len().checked_sub(36).is_some_and(|start| {
        let tail = &word[start..];
        let parts: Vec<_> = tail.split(|byte| *byte == b'-').collect();
        parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.into_iter().all(hexadecimal)
    });
    let code = !word.iter().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    uuid || code || (word.len() <= 32 && hexadecimal(word))
}

/// Why a text holds what must not be told, as far as its looks say.
fn looks_secret(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    let letter = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_alphanumeric);
    let address = |at: usize| at > 0 && letter(at - 1) && letter(at + 1);
    if bytes.contains(&b'@') && (0..bytes.len()).any(|index| bytes[index] == b'@' && address(index)) {
        return Some("an address, or a URL with a password");
    }
    for word in words(bytes, "-----BEGIN".len()) {
        if word.ends_with(b"-----BEGIN") {
            return Some("a key");
        }
        if word.len() > 20 && word.starts_with(b"eyJ") {
            return Some("a JWT");
        }
        // 32 bytes with their padding, or 33. Without padding, 32 bytes are the id of a key.
        let end = word.as_ptr_range().end.addr() - bytes.as_ptr().addr();
        if !is_name(word) && (word.len() == 44 || word.len() == 43 && bytes.get(end) == Some(&b'=')) {
            return Some("a token");
        }
        // An API key is its id, a dot, and the secret.
        if word.starts_with(b"api-key-") && bytes.get(end) == Some(&b'.') && letter(end + 1) {
            return Some("an API key");
        }
    }
    None
}
