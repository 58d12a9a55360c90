mod create_organization;
mod exchange_intermediate_session;
mod explain_discovery;
mod life;
mod list_discovered_organizations;
mod people;
