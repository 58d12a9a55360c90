mod authenticate_session;
mod common;
mod exchange_session;
mod fresh;
mod get_jwks;
mod get_sessions;
mod revoke_session;
