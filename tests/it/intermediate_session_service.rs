mod add_factor;
mod create_intermediate_session;
mod get_intermediate_session;
mod revoke_intermediate_session;
