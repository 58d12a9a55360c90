use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;

use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::Url;

use super::*;

/// Stands still until it is moved.
#[derive(Debug, Default)]
struct StandingClock(std::sync::Mutex<Duration>);

impl StandingClock {
    fn advance(&self, duration: Duration) {
        *self.0.lock().unwrap() += duration;
    }
}

impl Clock for StandingClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

/// What the issuer's server does, and how often it was asked.
#[derive(Debug, Default)]
struct Script {
    answer: std::sync::Mutex<String>,
    asked: AtomicUsize,
    /// Answers wait as long as this is so.
    held: AtomicBool,
}

impl Script {
    fn say(&self, answer: String) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let script = Arc::clone(&self);
            connections.spawn(async move { script.answer(stream).await });
        }
    }

    async fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await?);
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut turn = tokio::time::interval(Duration::from_millis(1));
        while self.held.load(Ordering::SeqCst) {
            turn.tick().await;
        }
        let answer = self.answer.lock().unwrap().clone();
        stream.write_all(answer.as_bytes()).await
    }
}

/// An issuer with its server and the time.
struct Scene {
    script: Arc<Script>,
    issuer: Arc<Issuer>,
    clock: Arc<StandingClock>,
    tasks: TaskTracker,
    address: SocketAddr,
    server: JoinSet<()>,
}

impl Scene {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (script, address) = (Arc::new(Script::default()), listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(Arc::clone(&script).serve(listener));
        let url = Url::parse(&format!("http://{address}/jwks")).unwrap();
        let source = Source::Url { url, ca_file: None, bearer_token_file: None };
        let issuer = Arc::new(Issuer::open(settings(source), Duration::ZERO).unwrap());
        script.say(ok(&jwks(&["one"])));
        Self { script, issuer, clock: Arc::default(), tasks: TaskTracker::new(), address, server }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    async fn find(&self, key_id: &str) -> &'static str {
        word(&self.issuer.keys_with(key_id, &self.clock(), &self.tasks).await)
    }

    async fn refresh(&self) {
        self.issuer.refresh_if_due(&*self.clock).await;
    }

    /// The server is gone, and nothing listens any more.
    async fn go_away(&mut self) {
        self.server.shutdown().await;
    }

    async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.server.spawn(Arc::clone(&self.script).serve(listener));
    }

    async fn until_asked(&self, times: usize) {
        let mut turn = tokio::time::interval(Duration::from_millis(1));
        while self.script.asked() < times {
            turn.tick().await;
        }
    }
}

/// A millisecond less.
fn all_but_a_moment(duration: Duration) -> Duration {
    duration.checked_sub(Duration::from_millis(1)).unwrap()
}

fn word(found: &Found) -> &'static str {
    match found {
        Found::Keys(_) => "keys",
        Found::NoSuchKey => "no such key",
        Found::Away => "away",
    }
}

fn settings(source: Source) -> IssuerSettings {
    IssuerSettings { issuer: "https://id.acme.com".to_owned(), audience: "vestibule".to_owned(), source }
}

/// Keys of these ids; all of them the example of RFC 8037, appendix A.2.
fn jwks(ids: &[&str]) -> String {
    let key = |id: &&str| {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        serde_json::json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x})
    };
    serde_json::json!({"keys": ids.iter().map(key).collect::<Vec<_>>()}).to_string()
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn same(one: &Found, other: &Found) -> bool {
    matches!((one, other), (Found::Keys(one), Found::Keys(other)) if Arc::ptr_eq(one, other))
}

#[tokio::test]
async fn keys_are_read_ahead_of_the_calls() {
    let scene = Scene::new().await;
    scene.refresh().await;
    assert_eq!(scene.script.asked(), 1);
    assert_eq!((scene.find("one").await, scene.script.asked()), ("keys", 1), "known before the first call");
    scene.clock.advance(all_but_a_moment(URL_INTERVAL));
    scene.refresh().await;
    assert_eq!(scene.script.asked(), 1, "not yet");
    scene.script.say(ok(&jwks(&["one", "two"])));
    scene.clock.advance(Duration::from_millis(1));
    scene.refresh().await;
    scene.refresh().await;
    assert_eq!(scene.script.asked(), 2);
    assert_eq!((scene.find("two").await, scene.script.asked()), ("keys", 2), "published before it is used");
    // A key that is withdrawn is gone with the next look.
    scene.script.say(ok(&jwks(&["two"])));
    scene.clock.advance(URL_INTERVAL);
    scene.refresh().await;
    assert_eq!((scene.find("one").await, scene.find("two").await), ("no such key", "keys"));
    assert_eq!(scene.script.asked(), 3, "asked a moment ago");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_calls_with_a_new_key_ask_once() {
    let scene = Arc::new(Scene::new().await);
    scene.refresh().await;
    scene.clock.advance(UNKNOWN_KEY_INTERVAL);
    scene.script.say(ok(&jwks(&["one", "two"])));
    scene.script.held.store(true, Ordering::SeqCst);
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let scene = Arc::clone(&scene);
        calls.spawn(async move { scene.find("two").await });
    }
    scene.until_asked(2).await;
    // Whoever has a key that is known waits for nobody.
    assert_eq!(scene.find("one").await, "keys");
    scene.script.held.store(false, Ordering::SeqCst);
    let found = calls.join_all().await;
    assert!(found.iter().all(|found| *found == "keys"), "{found:?}");
    assert_eq!(scene.script.asked(), 2, "once ahead, and once for all of them");
}

#[tokio::test]
async fn made_up_keys_ask_once_in_ten_seconds() {
    let scene = Scene::new().await;
    scene.refresh().await;
    scene.clock.advance(UNKNOWN_KEY_INTERVAL);
    for turn in 2..5 {
        for number in 0..20 {
            assert_eq!(scene.find(&format!("made-up-{number}")).await, "no such key");
            assert_eq!(scene.script.asked(), turn);
        }
        scene.clock.advance(all_but_a_moment(UNKNOWN_KEY_INTERVAL));
        assert_eq!((scene.find("made-up").await, scene.script.asked()), ("no such key", turn));
        scene.clock.advance(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn known_keys_outlast_an_issuer_that_is_away_for_a_day() {
    let mut scene = Scene::new().await;
    scene.refresh().await;
    scene.go_away().await;
    let hour = Duration::from_hours(1);
    for passed in 1..24 {
        scene.clock.advance(hour);
        scene.refresh().await;
        assert_eq!(scene.find("one").await, "keys", "after {passed} hours");
        assert_eq!(scene.find("two").await, "no such key", "after {passed} hours");
    }
    scene.clock.advance(all_but_a_moment(hour));
    assert_eq!(scene.find("one").await, "keys");
    scene.clock.advance(Duration::from_millis(1));
    assert_eq!((scene.find("one").await, scene.find("two").await), ("away", "away"));
    scene.come_back().await;
    assert_eq!(scene.find("one").await, "away", "tried a moment ago");
    scene.clock.advance(RETRY_INTERVAL);
    scene.refresh().await;
    assert_eq!((scene.find("one").await, scene.script.asked()), ("keys", 2));
}

#[tokio::test]
async fn failures_are_tried_again_every_ten_seconds() {
    let scene = Scene::new().await;
    scene.script.say("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned());
    for turn in 1..4 {
        scene.refresh().await;
        assert_eq!((scene.find("one").await, scene.script.asked()), ("away", turn));
        scene.clock.advance(all_but_a_moment(RETRY_INTERVAL));
        scene.refresh().await;
        assert_eq!((scene.find("one").await, scene.script.asked()), ("away", turn));
        scene.clock.advance(Duration::from_millis(1));
    }
}

/// Whoever asks and hangs up, again and again, takes the keys from nobody.
#[tokio::test]
async fn keys_are_read_for_all_when_the_one_who_asked_is_gone() {
    let scene = Scene::new().await;
    scene.script.held.store(true, Ordering::SeqCst);
    let impatient = tokio::time::timeout(Duration::ZERO, async {
        scene.find("made-up").await;
    });
    assert!(impatient.await.is_err());
    scene.until_asked(1).await;
    scene.script.held.store(false, Ordering::SeqCst);
    assert_eq!((scene.find("one").await, scene.script.asked()), ("keys", 1));
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_keeps_calls_for_five_seconds() {
    let scene = Arc::new(Scene::new().await);
    scene.script.held.store(true, Ordering::SeqCst);
    let mut calls = JoinSet::new();
    for number in 0..MAX_WAITING + 50 {
        let scene = Arc::clone(&scene);
        calls.spawn(async move { scene.find(&format!("key-{number}")).await });
    }
    let bound = Duration::from_secs(10);
    let found = tokio::time::timeout(bound, calls.join_all()).await.unwrap();
    assert!(found.iter().all(|found| *found == "away"), "{found:?}");
    assert!(scene.script.asked() <= 1, "{}", scene.script.asked());
    assert_eq!(scene.issuer.waiting.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn calls_beyond_those_that_may_wait_are_sent_away_at_once() {
    let scene = Arc::new(Scene::new().await);
    scene.script.held.store(true, Ordering::SeqCst);
    let mut calls = JoinSet::new();
    for _ in 0..MAX_WAITING {
        let scene = Arc::clone(&scene);
        calls.spawn(async move { scene.find("one").await });
    }
    scene.until_asked(1).await;
    let mut turn = tokio::time::interval(Duration::from_millis(1));
    while scene.issuer.waiting.load(Ordering::SeqCst) < MAX_WAITING {
        turn.tick().await;
    }
    assert_eq!(scene.find("one").await, "away");
    scene.script.held.store(false, Ordering::SeqCst);
    let found = calls.join_all().await;
    assert!(found.iter().all(|found| *found == "keys"), "{found:?}");
    assert_eq!(scene.find("one").await, "keys");
}

/// What is known stays, and only an answer that is a JWKS counts.
#[tokio::test]
async fn answers_that_are_no_jwks() {
    let scene = Scene::new().await;
    scene.refresh().await;
    let good = jwks(&["two"]);
    let large = jwks(&["two"]).replacen(
        '{',
        &format!("{{\"filling\": \"{}\",", "x".repeat(super::super::jwks::MAX_BYTES)),
        1,
    );
    let moved = |status: &str| {
        format!(
            "HTTP/1.1 {status}\r\nlocation: http://{}/elsewhere\r\ncontent-length: {}\r\n\r\n{good}",
            scene.address,
            good.len()
        )
    };
    for (turn, answer) in (2..).zip([
        moved("301 Moved Permanently"),
        moved("302 Found"),
        moved("307 Temporary Redirect"),
        format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n{good}", good.len()),
        format!("HTTP/1.1 500 Internal Server Error\r\ncontent-length: {}\r\n\r\n{good}", good.len()),
        ok(&large),
        format!("HTTP/1.1 200 OK\r\n\r\n{large}"),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{good}", good.len() + 1),
        format!("HTTP/1.1 200 OK\r\ncontent-length: 9999999999\r\n\r\n{good}"),
        ok("no JSON"),
        ok(r#"{"keys": []}"#),
        ok(&good[1..]),
        "nonsense\r\n\r\n".to_owned(),
        String::new(),
    ]) {
        scene.script.say(answer.clone());
        scene.clock.advance(UNKNOWN_KEY_INTERVAL);
        let shown = &answer[..answer.len().min(80)];
        assert_eq!(scene.find("two").await, "no such key", "{shown}");
        assert_eq!(scene.script.asked(), turn, "{shown}");
        assert_eq!(scene.find("one").await, "keys", "{shown}");
    }
    scene.script.say(ok(&good));
    scene.clock.advance(UNKNOWN_KEY_INTERVAL);
    assert_eq!((scene.find("two").await, scene.find("one").await), ("keys", "no such key"));
}

#[tokio::test]
async fn keys_in_a_file_are_read_every_two_seconds() {
    let folder = std::env::temp_dir().join(format!("vestibule-jwks-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("jwks.json");
    Issuer::open(settings(Source::File(path.clone())), Duration::ZERO).unwrap_err();
    std::fs::write(&path, jwks(&["one"])).unwrap();
    let clock = Arc::new(StandingClock::default());
    clock.advance(2 * MAX_AGE);
    let issuer = Arc::new(Issuer::open(settings(Source::File(path.clone())), clock.monotonic()).unwrap());
    let (of, tasks) = (Arc::clone(&clock) as Arc<dyn Clock>, TaskTracker::new());
    let find = async |key_id: &str| issuer.keys_with(key_id, &of, &tasks).await;
    let first = find("one").await;
    assert_eq!(word(&first), "keys", "read at the start, however long the server has been up");
    issuer.refresh_if_due(&*clock).await;
    assert!(same(&first, &find("one").await), "what has not changed keeps what it remembers");
    std::fs::write(&path, jwks(&["two"])).unwrap();
    issuer.refresh_if_due(&*clock).await;
    assert_eq!(word(&find("one").await), "keys", "not yet");
    clock.advance(FILE_INTERVAL);
    issuer.refresh_if_due(&*clock).await;
    assert_eq!((word(&find("one").await), word(&find("two").await)), ("no such key", "keys"));
    std::fs::write(&path, "{").unwrap();
    clock.advance(FILE_INTERVAL);
    issuer.refresh_if_due(&*clock).await;
    assert_eq!(word(&find("two").await), "keys");
    std::fs::remove_dir_all(&folder).unwrap();
    clock.advance(FILE_INTERVAL);
    issuer.refresh_if_due(&*clock).await;
    assert_eq!(word(&find("two").await), "keys");
}

#[tokio::test]
async fn what_has_not_changed_is_taken_over() {
    let scene = Scene::new().await;
    scene.refresh().await;
    let own = scene.issuer.settings.clone();
    let known = Issuers([(own.issuer.clone(), Arc::clone(&scene.issuer))].into());
    let now = Duration::ZERO;
    let taken = Issuers::open(vec![own.clone()], Some(&known), now).unwrap();
    assert!(Arc::ptr_eq(taken.get("https://id.acme.com").unwrap(), &scene.issuer));
    let other = IssuerSettings { audience: "other".to_owned(), ..own };
    let changed = Issuers::open(vec![other], Some(&known), now).unwrap();
    assert!(!Arc::ptr_eq(changed.get("https://id.acme.com").unwrap(), &scene.issuer));
    assert!(Issuers::open(vec![], Some(&known), now).unwrap().get("https://id.acme.com").is_none());
}
