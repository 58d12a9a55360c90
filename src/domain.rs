//! Words and rules: what an organization, a member, a token and a factor are, and which values they
//! may have. Pure: no I/O, no async, no clock, no transport.

pub mod admission;
pub mod authentication_factor;
pub mod call;
pub mod claims;
pub mod default_names;
pub mod email_address;
pub mod email_domain;
pub mod event;
pub mod evidence;
pub mod ids;
pub mod intermediate_session;
pub mod json;
pub mod jwt_algorithm;
pub mod key_rotation;
pub mod member;
pub mod member_update;
pub mod organization;
pub mod organization_settings;
pub mod organization_update;
pub mod permission;
pub mod phone_number;
pub mod rate;
pub mod rbac;
pub mod reason;
pub mod recent;
pub mod search;
pub mod seed;
pub mod server_urls;
pub mod session;
pub mod slug;
