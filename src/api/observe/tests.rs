use super::*;

#[test]
fn timeouts_are_read_as_the_protocol_says() {
    let rows = [
        ("1H", Some(Duration::from_hours(1))),
        ("2M", Some(Duration::from_mins(2))),
        ("3S", Some(Duration::from_secs(3))),
        ("4m", Some(Duration::from_millis(4))),
        ("5u", Some(Duration::from_micros(5))),
        ("6n", Some(Duration::from_nanos(6))),
        ("99999999H", Some(Duration::from_hours(99_999_999))),
        ("100000000S", None),
        ("", None),
        ("S", None),
        ("-1S", None),
        ("1", None),
        ("1x", None),
        ("1é", None),
    ];
    for (text, duration) in rows {
        assert_eq!(timeout(text), duration, "{text}");
    }
}

#[test]
fn every_method_of_ours_has_a_known_path() {
    assert!(METHODS.contains("vestibule.v1.DiscoveryService/CreateOrganization"), "{METHODS:?}");
    assert!(METHODS.contains("grpc.health.v1.Health/Check"), "{METHODS:?}");
}
