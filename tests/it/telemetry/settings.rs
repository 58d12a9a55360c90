//! How the collector is reached: what is refused, TLS, and metadata that is secret.

use super::{SOON, beside};
use crate::faults::until;
use crate::harness::Harness;
use crate::harness::certificates::Authority;
use crate::harness::collector::Collector;
use crate::harness::program::{Folder, run};

const SECRET: &str = "the-secret-of-the-collector";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_used_is_refused() {
    let folder = Folder::new();
    let broken = folder.file("broken", &format!("x-tenant: 7\n{SECRET}\n"));
    let worse = folder.file("worse", &format!("na me: {SECRET}\n"));
    let plain = ["--otlp-endpoint", "http://127.0.0.1:4317"];
    let tls = ["--otlp-endpoint", "https://127.0.0.1:4317"];
    let with_password = format!("http://vestibule:{SECRET}@127.0.0.1:4317");
    let no_certificate = folder.file("ca", "no certificate");
    let ports = ["--listen-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"];
    for (arguments, code, sentence) in [
        (
            [&plain[..], &["--otlp-headers-file", &broken]].concat(),
            1,
            "line 2 of the file of --otlp-headers-file",
        ),
        (
            [&plain[..], &["--otlp-headers-file", &worse]].concat(),
            1,
            "line 1 of the file of --otlp-headers-file",
        ),
        ([&plain[..], &["--otlp-headers-file", "missing"]].concat(), 1, "--otlp-headers-file can't be read"),
        ([&tls[..], &["--otlp-ca-file", "missing"]].concat(), 1, "--otlp-ca-file can't be read"),
        (
            [&tls[..], &["--otlp-ca-file", &no_certificate]].concat(),
            1,
            "the file of --otlp-ca-file has no certificate",
        ),
        (vec!["--otlp-endpoint", "collector:4317"], 1, "not http://host:port or https://host:port"),
        (vec!["--otlp-endpoint", &with_password], 1, "not http://host:port or https://host:port"),
        ([&plain[..], &["--otlp-metrics-interval", "10ms"]].concat(), 2, "not within 1s to 1h"),
        ([&plain[..], &["--trace-sample-ratio", "1.5"]].concat(), 2, "not within 0 to 1"),
    ] {
        for command in [&["check-config"][..], &["serve"]] {
            let output = run(folder.path(), &[command, &ports, &arguments].concat()).await;
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_eq!(output.status.code(), Some(code), "{command:?} {arguments:?}: {said}");
            assert!(said.contains(sentence), "{command:?} {arguments:?}: {said}");
            assert!(!said.contains(SECRET), "{command:?} {arguments:?}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_and_metadata() {
    let t = Harness::postgres().await;
    let (authority, stranger) = (Authority::new("root"), Authority::new("stranger"));
    let metadata = vec![("authorization", format!("Bearer {SECRET}")), ("x-tenant", "7".to_owned())];
    let collector = Collector::guarded(&authority.local_server(), metadata).await;
    let folder = Folder::new();
    let ca = folder.file("ca.crt", &authority.certificate);
    let other = folder.file("other.crt", &stranger.certificate);
    let headers = folder.file("headers", &format!("Authorization: Bearer {SECRET}\nx-tenant: 7\n"));
    let poor = folder.file("poor", "x-tenant: 7\n");
    let endpoint = collector.endpoint();
    for (ca, headers, heard) in [(&other, &headers, false), (&ca, &poor, false), (&ca, &headers, true)] {
        let files = ["--otlp-ca-file", ca.as_str(), "--otlp-headers-file", headers];
        let more = ["--otlp-endpoint", &endpoint, "--otlp-metrics-interval", "1s", "--log-filter", "trace"];
        let mut program = beside(&t, &[&files[..], &more].concat(), &SOON).await;
        let clients = program.clients().await;
        clients.get("nobody").await.unwrap_err();
        if heard {
            until("everything", async || {
                !collector.spans().is_empty()
                    && !collector.logs().is_empty()
                    && !collector.metrics().is_empty()
            })
            .await;
        } else {
            let complaint = |line: &serde_json::Value| {
                line["target"].as_str().unwrap().starts_with("opentelemetry") && line["level"] == "ERROR"
            };
            program.line(complaint).await;
            assert!(collector.spans().is_empty() && collector.metrics().is_empty());
        }
        drop(clients);
        program.signal("TERM").await;
        assert!(program.ended().await.success());
        let output = program.output();
        let told: Vec<_> = output.iter().filter(|line| line.contains(SECRET)).collect();
        assert!(told.is_empty(), "{told:#?}");
    }
    assert!(!collector.text().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_in_plain_text_is_warned_of() {
    let t = Harness::postgres().await;
    let folder = Folder::new();
    let headers = folder.file("headers", "x-tenant: 7\n");
    let more = ["--otlp-endpoint", "http://127.0.0.1:1", "--otlp-headers-file", &headers];
    let mut program = beside(&t, &more, &SOON).await;
    let warning = |line: &serde_json::Value| {
        line["level"] == "WARN"
            && line["message"].as_str().is_some_and(|message| message.starts_with("what the collector wants"))
    };
    program.line(warning).await;
}
