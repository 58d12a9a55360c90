//! `vestibule healthcheck` of a server with TLS.

use super::write;
use crate::harness::certificates::Authority;
use crate::harness::program::{Folder, Program, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_needs_no_authority_and_no_certificate() {
    let folder = Folder::new();
    write(&folder, &Authority::new("root").server());
    folder.file("ca.crt", &Authority::new("clients").certificate);
    let tls = ["--tls-certificate-file", "tls.crt", "--tls-key-file", "tls.key"];
    for clients in [&[][..], &["--tls-client-ca-file", "ca.crt"]] {
        let settings = [&tls[..], clients].concat();
        let mut program = Program::serve(folder.path(), &settings).await;
        let port = program.grpc.port();
        for address in [format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}")] {
            let arguments = [&["healthcheck", "--listen-address", &address], &settings[..]].concat();
            let output = run(folder.path(), &arguments).await;
            assert_eq!(output.status.code(), Some(0), "{address}: {output:?}");
        }
        let plain = ["healthcheck", "--listen-address", &program.grpc.to_string()];
        assert_eq!(run(folder.path(), &plain).await.status.code(), Some(1), "the port speaks TLS");
        program.kill().await;
    }
}
