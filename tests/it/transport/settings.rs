//! Settings of TLS that the program refuses, and says why.

use crate::harness::certificates::Authority;
use crate::harness::program::{Folder, run};

/// Asserts that neither the check nor the start accepts the settings.
async fn refuses(folder: &Folder, arguments: &[&str], sentence: &str) {
    for command in ["check-config", "serve"] {
        let ports = ["--listen-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"];
        let output = run(folder.path(), &[&[command], arguments, &ports].concat()).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command} {arguments:?}: {said}");
        assert!(said.contains(sentence), "{command} {arguments:?} should say {sentence:?}:\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_go_together() {
    let folder = Folder::new();
    let pair = "--tls-certificate-file and --tls-key-file go together";
    refuses(&folder, &["--tls-certificate-file", "x"], pair).await;
    refuses(&folder, &["--tls-key-file", "x"], pair).await;
    refuses(&folder, &["--tls-key-file", "x", "--tls-client-ca-file", "x"], pair).await;
    refuses(&folder, &["--tls-client-ca-file", "x"], "--tls-client-ca-file needs --tls-certificate-file")
        .await;
    assert!(!folder.path().join("vestibule-data").exists(), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_not_usable() {
    let folder = Folder::new();
    let authority = Authority::new("root");
    let (one, other) = (authority.server(), authority.server());
    folder.file("one.crt", &one.certificate);
    folder.file("one.key", &one.key);
    folder.file("other.key", &other.key);
    folder.file("empty", "");
    folder.file("cut", &one.certificate[..one.certificate.len() / 2]);
    let rows = [
        (["missing", "one.key"], "the file of --tls-certificate-file can't be read: missing"),
        (["one.crt", "missing"], "the file of --tls-key-file can't be read: missing"),
        (["empty", "one.key"], "the file of --tls-certificate-file has no certificate in PEM"),
        (["cut", "one.key"], "the file of --tls-certificate-file has no certificate in PEM"),
        (["one.crt", "empty"], "the file of --tls-key-file has no private key in PEM"),
        (["one.crt", "one.crt"], "the file of --tls-key-file has no private key in PEM"),
        (["one.crt", "other.key"], "--tls-certificate-file and the key of --tls-key-file can't be used"),
    ];
    for ([certificate, key], sentence) in rows {
        refuses(&folder, &["--tls-certificate-file", certificate, "--tls-key-file", key], sentence).await;
    }
    let good = ["--tls-certificate-file", "one.crt", "--tls-key-file", "one.key", "--tls-client-ca-file"];
    let rows = [
        ("missing", "the file of --tls-client-ca-file can't be read: missing"),
        ("empty", "the file of --tls-client-ca-file has no certificate in PEM"),
        ("one.key", "the file of --tls-client-ca-file has no certificate in PEM"),
    ];
    for (clients, sentence) in rows {
        refuses(&folder, &[&good[..], &[clients]].concat(), sentence).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_out_of_range() {
    let folder = Folder::new();
    for (flag, value, sentence) in [
        ("--max-connections", "0", "0 is not in 1..=1000000"),
        ("--handshake-timeout", "99ms", "not within 100ms to 365days"),
        ("--write-timeout", "0s", "not within 100ms to 365days"),
        ("--keep-alive-interval", "0s", "not within 100ms to 365days"),
        ("--keep-alive-timeout", "10years", "not within 100ms to 365days"),
        ("--max-connection-age", "1", "time unit needed"),
        ("--max-concurrent-streams", "99", "99 is not in 100..=10000"),
        ("--max-header-bytes", "1023", "1023 is not in 1024..=1048576"),
        ("--max-message-bytes", "67108865", "67108865 is not in 65536..=67108864"),
        ("--max-pending-accept-reset-streams", "0", "not within 1 to 10000"),
        ("--max-local-error-reset-streams", "many", "invalid digit"),
    ] {
        let output = run(folder.path(), &["check-config", flag, value]).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flag} {value}: {said}");
        assert!(said.contains(sentence), "{flag} {value} should say {sentence:?}:\n{said}");
    }
}
