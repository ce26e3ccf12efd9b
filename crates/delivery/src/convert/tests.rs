use mail_parser::MessageParser;
use proptest::prelude::*;

use super::*;

fn lines(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn check(content: &str, expected: &str) {
    let converted =
        to_seven_bit(&lines(content)).map(|converted| String::from_utf8(converted).unwrap());
    assert_eq!(
        converted.as_deref(),
        Ok(expected.replace('\n', "\r\n").as_str())
    );
}

fn refused(content: &str, expected: CannotConvert) {
    assert_eq!(to_seven_bit(&lines(content)), Err(expected));
}

#[test]
fn text_becomes_quoted_printable() {
    check(
        "Subject: a\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\
         X-Last: b\n\ngrün = teuer \n.\n\nEnde\n",
        "Subject: a\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: quoted-printable\nX-Last: b\n\ngr=C3=BCn =3D teuer=20\n.\n\nEnde\n",
    );
}

#[test]
fn a_missing_label_is_added() {
    check(
        "MIME-Version: 1.0\nContent-Type: text/plain;\n charset=utf-8\n\nü\n",
        "MIME-Version: 1.0\nContent-Type: text/plain;\n charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n\
         =C3=BC\n",
    );
}

#[test]
fn what_is_no_mime_becomes_text_of_an_unknown_charset() {
    check(
        "Subject: a\n\nü\n",
        "Subject: a\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n\
         Content-Transfer-Encoding: quoted-printable\n\n=C3=BC\n",
    );
}

#[test]
fn only_the_parts_that_need_it_are_touched() {
    check(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=outer\nContent-Transfer-Encoding: 8bit\n\n\
         preamble\n--outer\nContent-Type: text/plain\n\nplain = as it was \n--outer\n\
         Content-Type: multipart/alternative; boundary=inner\n\n--inner\nContent-Type: text/html; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\n\n<p>ü</p>\n--inner--\n\n--outer\nContent-Type: application/octet-stream\n\
         Content-Transfer-Encoding: 8BIT\n\nüüü\n--outer--\nepilogue\n",
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=outer\nContent-Transfer-Encoding: 7bit\n\n\
         preamble\n--outer\nContent-Type: text/plain\n\nplain = as it was \n--outer\n\
         Content-Type: multipart/alternative; boundary=inner\n\n--inner\nContent-Type: text/html; charset=utf-8\n\
         Content-Transfer-Encoding: quoted-printable\n\n<p>=C3=BC</p>\n--inner--\n\n--outer\n\
         Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\nw7zDvMO8\n\n--outer--\nepilogue\n",
    );
}

#[test]
fn a_message_within_is_converted_as_well() {
    check(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\
         Content-Transfer-Encoding: 8bit\n\nSubject: inner\nMIME-Version: 1.0\nContent-Type: text/plain\n\
         Content-Transfer-Encoding: 8bit\n\nü\n--b--\n",
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\
         Content-Transfer-Encoding: 7bit\n\nSubject: inner\nMIME-Version: 1.0\nContent-Type: text/plain\n\
         Content-Transfer-Encoding: quoted-printable\n\n=C3=BC\n--b--\n",
    );
}

#[test]
fn what_must_not_be_converted() {
    refused(
        "MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=b\n\n--b\nContent-Type: text/plain\n\
         Content-Transfer-Encoding: 8bit\n\nü\n--b\nContent-Type: application/pgp-signature\n\nx\n--b--\n",
        CannotConvert::Signed,
    );
    refused(
        "Subject: ü\nMIME-Version: 1.0\n\nx\n",
        CannotConvert::OutsideParts,
    );
    refused(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\nü\n--b\n\nx\n--b--\n",
        CannotConvert::OutsideParts,
    );
    refused(
        &"Content-Type: message/rfc822\n\n".repeat(100_000),
        CannotConvert::TooManyParts,
    );
}

#[test]
fn seven_bits_pass_as_they_are() {
    let content =
        "MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=b\n\n--b\n\nx = \n--b--\n";
    check(content, content);
}

proptest! {
    #[test]
    fn the_text_comes_back(text in "([ -~]|[ä=\t €]|\r\n){1,300}") {
        let header = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
                      Content-Transfer-Encoding: 8bit\r\n\r\n";
        let converted = to_seven_bit(format!("{header}ä{text}").as_bytes()).unwrap();
        prop_assert!(converted.is_ascii());
        let longest = converted.split(|&octet| octet == b'\n').map(<[u8]>::len).max();
        prop_assert!(longest <= Some(77));
        let message = MessageParser::new().parse(&converted).unwrap();
        let body = message.body_text(0).unwrap().into_owned();
        prop_assert_eq!(body, format!("ä{text}"));
    }

    #[test]
    fn octets_come_back(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut content = b"MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\xff"
            .to_vec();
        let start = content.len() - 1;
        content.extend(&octets);
        let converted = to_seven_bit(&content).unwrap();
        let message = MessageParser::new().parse(&converted).unwrap();
        prop_assert_eq!(message.parts[0].contents(), &content[start..]);
    }

    #[test]
    fn nothing_makes_it_panic(text in "(content-type: |multipart/mixed; boundary=b|message/rfc822|--b|--b--|ü|a|\r\n){0,40}") {
        if let Ok(converted) = to_seven_bit(text.as_bytes()) {
            prop_assert!(converted.is_ascii());
        }
    }
}
