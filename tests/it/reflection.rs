//! Server reflection, in both versions: what is there, and what it looks like.

use futures_util::stream;
use prost::Message as _;
use prost_types::FileDescriptorProto;

use crate::harness::{Harness, on_both_backends};

on_both_backends!(v1_describes_every_service, v1alpha_describes_every_service);

const SERVICES: [&str; 6] = [
    "grpc.health.v1.Health",
    "vestibule.v1.DiscoveryService",
    "vestibule.v1.IntermediateSessionService",
    "vestibule.v1.MemberService",
    "vestibule.v1.OrganizationService",
    "vestibule.v1.SessionService",
];

/// The two versions are the same messages in two packages.
macro_rules! describes_every_service {
    ($test:ident, $version:ident) => {
        async fn $test(t: Harness) {
            use tonic_reflection::pb::$version::ServerReflectionRequest;
            use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
            use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;

            let questions = [
                MessageRequest::ListServices(String::new()),
                MessageRequest::FileContainingSymbol(
                    "vestibule.v1.DiscoveryService.CreateOrganization".to_owned(),
                ),
                MessageRequest::FileContainingSymbol("google.rpc.ErrorInfo".to_owned()),
            ];
            let requests = questions.map(|question| ServerReflectionRequest {
                host: String::new(),
                message_request: Some(question),
            });
            let mut client = ServerReflectionClient::new(t.channel());
            let answers = client.server_reflection_info(stream::iter(requests)).await.unwrap();
            let mut answers = answers.into_inner();
            let mut next = async || answers.message().await.unwrap().unwrap().message_response.unwrap();

            let MessageResponse::ListServicesResponse(list) = next().await else { panic!("no list") };
            let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
            names.sort();
            // Whether reflection lists itself is its own affair.
            names.retain(|name| !name.starts_with("grpc.reflection."));
            assert_eq!(names, SERVICES);

            let MessageResponse::FileDescriptorResponse(files) = next().await else { panic!("no file") };
            let files = files.file_descriptor_proto.iter();
            let files: Vec<_> =
                files.map(|bytes| FileDescriptorProto::decode(bytes.as_slice()).unwrap()).collect();
            describes_the_creation(&files);

            assert!(matches!(next().await, MessageResponse::FileDescriptorResponse(_)));
            let unknown = client.server_reflection_info(stream::iter([ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::FileContainingSymbol("vestibule.v1.Nobody".to_owned())),
            }]));
            let status = unknown.await.unwrap().into_inner().message().await.unwrap_err();
            assert_eq!(status.code(), tonic::Code::NotFound);
        }
    };
}

describes_every_service!(v1_describes_every_service, v1);
describes_every_service!(v1alpha_describes_every_service, v1alpha);

/// One of the files has the method, with its request and its answer.
fn describes_the_creation(files: &[FileDescriptorProto]) {
    let services = files.iter().flat_map(|file| &file.service);
    let service = services.into_iter().find(|service| service.name() == "DiscoveryService").unwrap();
    let method = service.method.iter().find(|method| method.name() == "CreateOrganization").unwrap();
    assert_eq!(method.input_type(), ".vestibule.v1.DiscoveryServiceCreateOrganizationRequest");
    assert_eq!(method.output_type(), ".vestibule.v1.DiscoveryServiceCreateOrganizationResponse");
    assert!(!method.client_streaming() && !method.server_streaming());
}
