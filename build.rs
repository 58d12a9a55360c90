//! Compiles the `.proto` files without protoc, and keeps their descriptor set for reflection.

use std::path::PathBuf;

use prost::Message as _;

const SERVICES: [&str; 6] = [
    "vestibule/v1/discovery_service.proto",
    "vestibule/v1/error_reason.proto",
    "vestibule/v1/intermediate_session_service.proto",
    "vestibule/v1/member_service.proto",
    "vestibule/v1/organization_service.proto",
    "vestibule/v1/session_service.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=migrations");
    let descriptors = protox::compile(SERVICES, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptor.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
