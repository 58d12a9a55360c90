//! The floors: what no check of a session can go without, and nothing else.

use std::collections::HashMap;
use std::str::FromStr as _;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, TokenData, Validation};
use serde_json::{Map, Value};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use vestibule::pb;
use vestibule::pb::session_service_server::{SessionService, SessionServiceServer};
use vestibule::tokens::opaque::SessionToken;

use crate::logins::Login;
use crate::server::{Channels, Server, listen};

/// A bare service that answers with the service's own answers, freshly signed.
pub(crate) struct Floor {
    pub(crate) channels: Channels,
    /// A JWT that it has signed, for each session.
    pub(crate) jwts: Vec<String>,
    _tasks: JoinSet<()>,
}

struct Bare {
    pool: PgPool,
    header: Header,
    private: EncodingKey,
    public: DecodingKey,
    validation: Validation,
    /// The answers and what to sign, by token.
    answers: HashMap<String, (pb::AuthenticateSessionResponse, Map<String, Value>)>,
    /// The token of a session, by its id.
    tokens: HashMap<String, String>,
}

impl Floor {
    pub(crate) async fn start(server: &Server, url: &str, logins: &[Login]) -> Self {
        let pool = pool(url, server.config.database_max_connections).await;
        let (private, public) = key_pair();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_aud = false;
        validation.validate_exp = false;
        let header = Header { kid: Some("jwk-test-".to_owned()), ..Header::new(Algorithm::ES256) };
        let (answers, tokens) = (HashMap::new(), HashMap::new());
        let mut bare = Bare { pool, header, private, public, validation, answers, tokens };
        let mut jwts = Vec::new();
        for login in logins {
            let request = pb::AuthenticateSessionRequest {
                session_token: Some(login.token.clone()),
                ..pb::AuthenticateSessionRequest::default()
            };
            let answer = server.sessions().authenticate_session(request).await.unwrap().into_inner();
            let jwt = jsonwebtoken::dangerous::insecure_decode::<Map<String, Value>>(&answer.session_jwt);
            let claims = jwt.unwrap().claims;
            jwts.push(bare.sign(&claims));
            let id = answer.member_session.as_ref().unwrap().member_session_id.clone();
            bare.tokens.insert(id, login.token.clone());
            bare.answers.insert(login.token.clone(), (answer, claims));
        }
        let listener = listen().await;
        let channels = Channels::to(listener.local_addr().unwrap());
        let serving = tonic::transport::Server::builder().add_service(SessionServiceServer::new(bare));
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let mut tasks = JoinSet::new();
        tasks.spawn(async { serving.serve_with_incoming(incoming).await.unwrap() });
        Self { channels, jwts, _tasks: tasks }
    }
}

impl Bare {
    fn sign(&self, claims: &Map<String, Value>) -> String {
        jsonwebtoken::encode(&self.header, claims, &self.private).unwrap()
    }

    fn answer(&self, token: &str) -> pb::AuthenticateSessionResponse {
        let (answer, claims) = &self.answers[token];
        pb::AuthenticateSessionResponse { session_jwt: self.sign(claims), ..answer.clone() }
    }
}

#[tonic::async_trait]
impl SessionService for Bare {
    async fn authenticate_session(
        &self,
        request: Request<pb::AuthenticateSessionRequest>,
    ) -> Result<Response<pb::AuthenticateSessionResponse>, Status> {
        let request = request.into_inner();
        if let Some(jwt) = request.session_jwt {
            let verified: TokenData<Map<String, Value>> =
                jsonwebtoken::decode(&jwt, &self.public, &self.validation).unwrap();
            let id = verified.claims["https://stytch.com/session"]["id"].as_str().unwrap();
            return Ok(Response::new(self.answer(&self.tokens[id])));
        }
        let token = request.session_token.unwrap();
        let hash = SessionToken::parse(&token).unwrap().hash().to_vec();
        let sql = if request.session_duration_minutes.is_some() {
            "UPDATE sessions SET last_accessed_at = now(), expires_at = now() + interval '1 hour' \
             WHERE token_hash = $1 RETURNING *"
        } else {
            "SELECT * FROM sessions WHERE token_hash = $1"
        };
        sqlx::query(sql).bind(hash).fetch_one(&self.pool).await.unwrap();
        Ok(Response::new(self.answer(&token)))
    }

    async fn get_sessions(
        &self,
        _: Request<pb::GetSessionsRequest>,
    ) -> Result<Response<pb::GetSessionsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn revoke_session(
        &self,
        _: Request<pb::RevokeSessionRequest>,
    ) -> Result<Response<pb::RevokeSessionResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn exchange_session(
        &self,
        _: Request<pb::ExchangeSessionRequest>,
    ) -> Result<Response<pb::ExchangeSessionResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_jwks(
        &self,
        _: Request<pb::GetJwksRequest>,
    ) -> Result<Response<pb::GetJwksResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// As many connections as the service has for everything but searches, that are planned as its are.
async fn pool(url: &str, connections: u32) -> PgPool {
    let options = PgConnectOptions::from_str(url).unwrap();
    let options = options.options([("plan_cache_mode", "force_generic_plan")]);
    PgPoolOptions::new()
        .max_connections(connections - connections / 4)
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the library makes key pairs from its own randomness only")]
fn key_pair() -> (EncodingKey, DecodingKey) {
    let random = aws_lc_rs::rand::SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let private = EncodingKey::from_ec_der(pkcs8.as_ref());
    let public = jsonwebtoken::jwk::Jwk::from_encoding_key(&private, Algorithm::ES256).unwrap();
    let public = DecodingKey::from_jwk(&public).unwrap();
    (private, public)
}
