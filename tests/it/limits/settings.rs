//! What limits may be.

use clap::Parser as _;
use vestibule::config::CommandLine;
use vestibule::domain::rate::Rate;

#[test]
fn no_limit_can_be_switched_off() {
    let most = [
        ("--caller-rate", "1000000"),
        ("--caller-burst", "1000000"),
        ("--vouches-per-minute", "100000"),
        ("--failed-spends-per-minute", "100000"),
    ];
    for (flag, most) in most {
        for (value, accepted) in [("0", false), ("1", true), (most, true), (&format!("{most}0"), false)] {
            let parsed = CommandLine::try_parse_from(["vestibule", flag, value]);
            assert_eq!(parsed.is_ok(), accepted, "{flag} {value}");
        }
    }
}

#[test]
fn a_burst_is_twice_the_rate_unless_it_is_said() {
    let limits = |flags: &[&str]| CommandLine::parse_from([&["vestibule"], flags].concat()).config.limits;
    assert_eq!(limits(&[]).calls(), Rate::per_second(5_000, 10_000));
    assert_eq!(limits(&["--caller-rate", "7"]).calls(), Rate::per_second(7, 14));
    assert_eq!(limits(&["--caller-rate", "7", "--caller-burst", "3"]).calls(), Rate::per_second(7, 3));
    assert_eq!(limits(&[]).vouches(), Rate::per_minute(30));
    assert_eq!(limits(&[]).failed_spends(), Rate::per_minute(20));
}
