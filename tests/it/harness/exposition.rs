//! Metrics as Prometheus reads them: a strict reader of the text format 0.0.4.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::collector::Attributes;

/// What was served at `/metrics` at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Exposition(pub(crate) BTreeMap<(String, Attributes), f64>);

/// Asks the HTTP port of a server for a page: the status, and what comes with it.
pub(crate) async fn page(address: SocketAddr, path: &str) -> (u16, String) {
    let asking = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: vestibule\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = timeout(Duration::from_secs(30), asking).await.expect("an answer in time");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

impl Exposition {
    /// Reads the metrics of a server.
    pub(crate) async fn of(address: SocketAddr) -> Self {
        let (status, text) = page(address, "/metrics").await;
        assert_eq!(status, 200, "{text}");
        Self::parse(&text)
    }

    fn parse(text: &str) -> Self {
        let (mut kinds, mut told) = (HashMap::new(), HashSet::new());
        let mut samples = BTreeMap::new();
        assert!(text.ends_with('\n'), "the last line has an end");
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                assert!(told.insert(name.to_owned()) && !help.is_empty(), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
            } else {
                let (name, labels, value) = sample(line);
                let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
                let family =
                    family.filter(|family| kinds.get(*family).is_some_and(|kind| kind == "histogram"));
                let kind = kinds.get(family.unwrap_or(&name)).unwrap_or_else(|| panic!("no kind: {line}"));
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                assert!(samples.insert((name, labels), value).is_none(), "twice: {line}");
            }
        }
        Self(samples)
    }

    /// The value of a metric with exactly these labels.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.0.get(&(name.to_owned(), labels)).copied()
    }

    /// The same; it must be there.
    #[track_caller]
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.get(name, labels).unwrap_or_else(|| panic!("{name} {labels:?} in {:#?}", self.of_name(name)))
    }

    /// Every value of a metric.
    pub(crate) fn of_name(&self, name: &str) -> Vec<(&Attributes, f64)> {
        let all = self.0.iter().filter(|((found, _), _)| found == name);
        all.map(|((_, labels), value)| (labels, *value)).collect()
    }
}

/// A line with a value.
fn sample(line: &str) -> (String, Attributes, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"))),
        None => (series, ""),
    };
    let good = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    assert!(good(name) && !name.is_empty(), "{line}");
    let mut read = Attributes::new();
    // No value here has a quote or a comma followed by a name in it.
    for label in labels.split("\",").filter(|label| !label.is_empty()) {
        let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        let value = value.trim_end_matches('"');
        assert!(good(name) && !value.contains(['"', '\\', '\n']), "{line}");
        assert!(!value.is_empty() || name == "service_instance_id", "an empty label: {line}");
        assert!(read.insert(name.to_owned(), value.to_owned()).is_none(), "{line}");
    }
    (name.to_owned(), read, value)
}
