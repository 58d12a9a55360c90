mod create_organization;
mod get_organization;

pub(crate) use create_organization::everything;
