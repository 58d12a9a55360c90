//! Addresses: what is none, and who is who.

use tonic::Code;

use super::create;
use crate::harness::fixtures::{creation, magic_link};
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(a_malformed_address_is_refused, every_spelling_of_an_address_is_one_person);

async fn a_malformed_address_is_refused(t: Harness) {
    let clients = t.clients();
    let long_local = format!("{}@acme.com", "l".repeat(65));
    let long = format!("{}@{}.com", "l".repeat(64), ["d".repeat(62).as_str(); 4].join("."));
    let long_label = format!("ada@{}.com", "d".repeat(64));
    let addresses = [
        "",
        " ",
        "ada",
        "@",
        "ada@",
        "@acme.com",
        "ada@acme",
        "ada@acme..com",
        "ada@.acme.com",
        "ada@-",
        "ada@-acme.com",
        "ada@acme-.com",
        "ada@acme.com..",
        "ada@@acme.com",
        "a@b@victim.com",
        "a＠b@victim.com",
        "a﹫b@victim.com",
        "a@b＠victim.com",
        "\"ada\"@acme.com",
        "\"a@b\"@acme.com",
        "ada(comment)@acme.com",
        "Ada <ada@acme.com>",
        "ada@acme.com ",
        " ada@acme.com",
        "ada @acme.com",
        "ada@acme.com\n",
        "ada\0@acme.com",
        "ada@ac\0me.com",
        ".ada@acme.com",
        "ada.@acme.com",
        "a..da@acme.com",
        "ada,bob@acme.com",
        "adä@acme.com",
        "аda@acme.com",
        "ａda@acme.com",
        "ada@127.0.0.1",
        "ada@[127.0.0.1]",
        "ada@[IPv6:::1]",
        "ada@0x7f.1",
        "ada@acme.123",
        "ada@acme_corp.com",
        "ada@ac me.com",
        "ada@acme\u{200b}.com",
        "ada@ac\u{200d}me.com",
        "ada@\u{202e}moc.emca",
        "ada@ac\u{ad}me.com",
        "ada@аcme.com",
        "ada@xn--cme-7cd.com",
        "ada@xn--a.com",
        "ada@acme.com/evil",
        "ada@acme.com:25",
        "ada@acme%2ecom",
        &long_local,
        &long,
        &long_label,
    ];
    for address in addresses {
        let answer = create(&clients, address, vec![magic_link()]).await;
        let refusal = refused(answer, Code::InvalidArgument, "INVALID_EMAIL");
        assert_eq!(refusal.violations(), [("email_address", "INVALID_EMAIL")], "{address:?}");
        // Addresses are told to nobody, not even to whoever sent them.
        assert!(address.len() < 8 || !refusal.message.contains(address), "{refusal:?}");
    }
}

async fn every_spelling_of_an_address_is_one_person(t: Harness) {
    let clients = t.clients();
    let longest = format!("{}@{}.com", "l".repeat(64), ["d".repeat(61).as_str(); 3].join("."));
    let cases = [
        ("ADA@ACME.COM", "ada@acme.com"),
        ("ada@acme.com.", "ada@acme.com"),
        ("ada＠acme.com", "ada@acme.com"),
        ("ada﹫acme.com", "ada@acme.com"),
        ("ada@ａｃｍｅ．ｃｏｍ", "ada@acme.com"),
        ("ada@acme。com", "ada@acme.com"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"),
        ("ada@bu\u{308}cher.example", "ada@xn--bcher-kva.example"),
        ("ada@straße.example", "ada@xn--strae-oqa.example"),
        // Never merged: tags and dots are names of mailboxes.
        ("a.da+tag@gmail.com", "a.da+tag@gmail.com"),
        ("o'brien{}|~@acme.com", "o'brien{}|~@acme.com"),
        (&longest, &longest),
    ];
    for (address, spelling) in cases {
        let token = clients.token(address).await;
        let session = clients.inspect(&token).await.unwrap().into_inner().intermediate_session.unwrap();
        assert_eq!(session.email_address, spelling, "{address}");
        let created = clients.spend(creation(&token)).await.unwrap().into_inner();
        assert_eq!(created.member.unwrap().email_address, spelling, "{address}");
    }
}
