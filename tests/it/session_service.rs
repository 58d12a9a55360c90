mod authenticate_session;
mod common;
mod get_jwks;
mod get_sessions;
mod revoke_session;
