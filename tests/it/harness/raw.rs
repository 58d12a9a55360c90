//! Calls as bytes, for what no generated client would send.

use std::net::SocketAddr;

use h2::client::SendRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use prost::bytes::Bytes;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Response, Status};

/// A call that creates an organization.
pub(crate) const CREATE: &str = "/vestibule.v1.OrganizationService/CreateOrganization";

/// An HTTP/2 connection to a server.
#[derive(Debug)]
pub(crate) struct RawClient {
    requests: SendRequest<Bytes>,
    address: SocketAddr,
    /// Dropping it ends the connection.
    _connection: JoinSet<()>,
}

impl RawClient {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        let mut connections = JoinSet::new();
        connections.spawn(async move { connection.await.unwrap() });
        Self { requests, address, _connection: connections }
    }

    /// Sends a call with these headers, which come in place of the usual ones, and this body. A header may be
    /// there several times.
    pub(crate) async fn call(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response<Vec<u8>>, Status> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = format!("http://{}{path}", self.address).parse().unwrap();
        let usual = [("content-type", "application/grpc"), ("te", "trailers")];
        for (name, value) in usual {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        for (name, value) in headers {
            let (name, value) =
                (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
            if usual.iter().any(|(usual, _)| name == *usual) {
                request.headers_mut().insert(name, value);
            } else {
                request.headers_mut().append(name, value);
            }
        }
        let body: Bytes = body.into();
        let mut requests = self.requests.clone().ready().await.unwrap();
        let (answer, mut sending) = requests.send_request(request, body.is_empty()).unwrap();
        if !body.is_empty() {
            // A server that has answered already takes no body any more.
            drop(sending.send_data(body, true));
        }
        let (head, mut receiving) = answer.await.unwrap().into_parts();
        let mut message = Vec::new();
        while let Some(chunk) = receiving.data().await {
            let chunk = chunk.unwrap();
            receiving.flow_control().release_capacity(chunk.len()).unwrap();
            message.extend_from_slice(&chunk);
        }
        let trailers = receiving.trailers().await.unwrap().unwrap_or_default();
        finished(&head.headers, &trailers)?;
        Ok(Response::from_parts(MetadataMap::from_headers(head.headers), message, Extensions::default()))
    }
}

/// The status of a call that failed. Panics when the call has no status at all.
fn finished(headers: &HeaderMap, trailers: &HeaderMap) -> Result<(), Status> {
    let status = Status::from_header_map(trailers).or_else(|| Status::from_header_map(headers));
    let status = status.unwrap_or_else(|| panic!("no grpc-status: {headers:?} {trailers:?}"));
    if status.code() == tonic::Code::Ok { Ok(()) } else { Err(status) }
}

/// A message as it is sent: uncompressed, with its length before it.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0], length.to_be_bytes().as_slice(), message].concat()
}
