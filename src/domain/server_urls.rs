//! URLs that name several servers, as libpq writes them: `scheme://user:password@one:1,two:2/path?query`.

/// A URL for each server, of this scheme; `rest` is what stands behind `://`. What is not the servers' is the same
/// in all.
#[must_use]
pub fn one_by_one(scheme: &str, rest: &str) -> Vec<String> {
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, servers) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    servers.split(',').map(|server| format!("{scheme}://{user}{server}{path}")).collect()
}
