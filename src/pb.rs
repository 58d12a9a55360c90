//! Generated from `proto/vestibule/v1`. Documented there.

#![expect(
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    clippy::doc_lazy_continuation,
    reason = "generated code"
)]

tonic::include_proto!("vestibule.v1");

/// The compiled `.proto` files with their comments and imports, for reflection and for tests.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("descriptor");
