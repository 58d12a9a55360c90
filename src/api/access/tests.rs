use std::collections::BTreeSet;

use prost::Message as _;
use prost_types::FileDescriptorSet;

use super::*;
use crate::pb::FILE_DESCRIPTOR_SET;

/// The path of every method that is served.
fn served() -> BTreeSet<String> {
    let sets = [
        FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let mut paths = BTreeSet::new();
    for file in sets.iter().flat_map(|set| FileDescriptorSet::decode(*set).unwrap().file) {
        for service in &file.service {
            for method in &service.method {
                paths.insert(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
            }
        }
    }
    paths
}

#[test]
fn every_call_has_a_row_and_every_row_a_call() {
    let rows: Vec<_> = TABLE.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(rows, served().into_iter().collect::<Vec<_>>(), "in order, for the binary search");
}

#[test]
fn what_needs_no_credential_tells_nothing_about_anybody() {
    let open: Vec<_> = TABLE
        .iter()
        .filter(|(_, access)| *access == Access::Open)
        .map(|(path, _)| path.rsplit_once('/').unwrap().1)
        .collect();
    assert_eq!(open, ["Check", "Watch", "ServerReflectionInfo", "ServerReflectionInfo", "GetJwks"]);
}

#[test]
fn vouching_is_apart() {
    for (path, access) in TABLE {
        let vouches = path.contains("IntermediateSessionService");
        assert_eq!(vouches, *access == Access::Needs(&[Vouch]), "{path}");
    }
}
