use secrecy::SecretString;

use super::{History, Hosts, HostsError};

fn servers(url: &str) -> Option<Vec<(String, u16)>> {
    match Hosts::parse(&SecretString::from(url)) {
        Ok(hosts) => {
            let of = |options: &sqlx::postgres::PgConnectOptions| {
                (options.get_host().to_owned(), options.get_port())
            };
            Some(hosts.options.iter().map(of).collect())
        }
        Err(error) => {
            assert!(matches!(error, HostsError::Url), "{error:?}");
            None
        }
    }
}

#[test]
fn a_url_names_one_server_or_several() {
    let one = |host: &str, port| (host.to_owned(), port);
    assert_eq!(servers("postgres://u:p@one:5433/name"), Some(vec![one("one", 5433)]));
    let several = Some(vec![one("one", 5433), one("two", 5432)]);
    assert_eq!(servers("postgresql://u:p%40@one:5433,two/name?sslmode=require"), several);
    // What stands before the last @ is the user's.
    assert_eq!(servers("postgres://u:p,q@one:5433,two:5432/name"), several);
    let six = Some(vec![one("[::1]", 5433), one("[::2]", 5432)]);
    assert_eq!(servers("postgres://u@[::1]:5433,[::2]/name"), six);
}

#[test]
fn what_holds_for_one_server_holds_for_all() {
    let url = SecretString::from("postgres://u@one,two/name?sslmode=verify-full");
    let hosts = Hosts::parse(&url).unwrap();
    assert!(hosts.are_several());
    for options in &hosts.options {
        assert_eq!((options.get_username(), options.get_database()), ("u", Some("name")));
        assert!(matches!(options.get_ssl_mode(), sqlx::postgres::PgSslMode::VerifyFull));
    }
}

#[test]
fn other_urls_are_refused() {
    for url in ["", "postgres:", "mysql://u@one/name", "one,two", "postgres://u@one:port,two/name"] {
        assert_eq!(servers(url), None, "{url}");
    }
}

#[test]
fn what_the_driver_does_not_know_is_left_out() {
    let known = super::understood(
        "postgres://u@one/n?sslmode=require&sslpassword=x&target_session_attrs=any&options[a]=b",
    );
    assert_eq!(known, "postgres://u@one/n?sslmode=require&options[a]=b");
    assert_eq!(super::understood("postgres://u@one/n"), "postgres://u@one/n");
}

#[test]
fn the_primary_is_the_one_that_was_promoted_last() {
    let hosts = Hosts::parse(&SecretString::from("postgres://u@one,two,three/name")).unwrap();
    let says = |server: usize, system, timeline| (&hosts.options[server], History { system, timeline });
    let chosen = |writable: &[_]| {
        hosts.choose(writable).map(|chosen| chosen.map(|options| options.get_host().to_owned()))
    };
    let host = |name: &str, found: Option<Result<String, HostsError>>| {
        assert_eq!(found.unwrap().unwrap(), name);
    };
    assert!(chosen(&[]).is_none());
    host("one", chosen(&[says(0, 7, 1), says(1, 7, 1)]));
    host("two", chosen(&[says(0, 7, 1), says(1, 7, 2), says(2, 8, 9)]));
    // It was left behind, and the one that was promoted is away.
    assert!(matches!(chosen(&[says(0, 7, 1)]), Some(Err(HostsError::LeftBehind))));
    assert!(matches!(chosen(&[says(2, 8, 9), says(0, 7, 1)]), Some(Err(HostsError::LeftBehind))));
    // Others, where nobody of before is left.
    host("three", chosen(&[says(2, 8, 1)]));
    host("three", chosen(&[says(0, 7, 2), says(2, 8, 1)]));
}
