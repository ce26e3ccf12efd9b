//! Content by content, however it is cut.

use mail_parser::MessageParser;
use proptest::prelude::*;

use super::*;

/// Whole, and octet by octet where that is not too much.
fn to_seven_bit(content: &[u8]) -> Result<Vec<u8>, CannotConvert> {
    let read = |body: &Body| {
        let converted = super::to_seven_bit(body)?;
        let Body::File(file) = &converted else {
            panic!("{converted:?}")
        };
        let mut octets = Vec::new();
        file.open().unwrap().read_to_end(&mut octets).unwrap();
        assert_eq!(octets.len() as u64, file.len());
        assert!(octets.is_ascii(), "{:?}", String::from_utf8_lossy(&octets));
        Ok(octets)
    };
    let whole = read(&Body::Inline(content.into()));
    let cut = Body::File(Arc::new(Cut(content.into())));
    assert_eq!(read(&cut), whole);
    whole
}

/// Content that comes in pieces of some octets.
#[derive(Clone, Debug)]
struct Cut(Arc<[u8]>);

impl BodyFile for Cut {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Pieces(Cursor::new(self.0.clone()))))
    }
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

struct Pieces(Cursor<Arc<[u8]>>);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(1 + self.0.position() as usize % 7);
        self.0.read(&mut buffer[..room])
    }
}

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
fn a_message_within_that_is_no_mime_becomes_text_of_an_unknown_charset() {
    check(
        "Content-Type: multipart/digest; boundary=\"b b\"\n\n--b b \n\nSubject: inner\n\nü\n--b b--\n",
        "Content-Type: multipart/digest; boundary=\"b b\"\n\n--b b \n\nSubject: inner\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=unknown-8bit\nContent-Transfer-Encoding: quoted-printable\n\n=C3=BC\n\
         --b b--\n",
    );
}

#[test]
fn a_boundary_is_a_line_of_its_own() {
    check(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--bb ü\n --b\n\n--b\nContent-Type: image/png\n\nü\n--b--",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: quoted-printable\n\n\
         --bb =C3=BC\n --b\n\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\nw7w=\n\n--b--",
    );
}

/// An outer boundary ends all that is open within.
#[test]
fn a_part_that_was_not_closed_ends_with_what_is_around_it() {
    check(
        "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/mixed; boundary=i\n\
         Content-Transfer-Encoding: 8bit\n\n--i\n\nü\n--o\n\nä\n--o--\n",
        "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/mixed; boundary=i\n\
         Content-Transfer-Encoding: 7bit\n\n--i\nContent-Transfer-Encoding: quoted-printable\n\n=C3=BC\n--o\n\
         Content-Transfer-Encoding: quoted-printable\n\n=C3=A4\n--o--\n",
    );
}

/// No limit on the size: nothing of it is held.
#[test]
fn large_content_is_converted_as_it_is_read() {
    const LINES: u64 = 600_000;
    #[derive(Debug)]
    struct Large;
    impl BodyFile for Large {
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            let start =
                "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nü\r\n--b\r\n\r\n";
            let line = [b"x".repeat(62), b"\r\n".to_vec()].concat();
            let lines = (0..LINES / 1000).map(move |_| Cursor::new(line.repeat(1000)));
            let lines: Box<dyn Read + Send> = Box::new(Chained(lines, None));
            Ok(Box::new(start.as_bytes().chain(lines)))
        }
        fn len(&self) -> u64 {
            LINES * 64
        }
    }
    let Body::File(converted) = super::to_seven_bit(&Body::File(Arc::new(Large))).unwrap() else {
        panic!("no file");
    };
    let start = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
                 Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n--b\r\n\r\n";
    assert_eq!(converted.len(), start.len() as u64 + LINES * 64);
    let mut found = vec![0; start.len()];
    converted.open().unwrap().read_exact(&mut found).unwrap();
    assert_eq!(String::from_utf8(found).unwrap(), start);
}

/// Readers one after the other.
struct Chained<I, R>(I, Option<R>);

impl<R: Read, I: Iterator<Item = R>> Read for Chained<I, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(reader) = self.1.as_mut() else {
                self.1 = self.0.next();
                if self.1.is_none() {
                    return Ok(0);
                }
                continue;
            };
            match reader.read(buffer)? {
                0 => self.1 = None,
                length => return Ok(length),
            }
        }
    }
}

#[test]
fn content_that_can_not_be_read_is_no_fault_of_its_own() {
    #[derive(Debug)]
    struct Torn;
    impl BodyFile for Torn {
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            Err(io::ErrorKind::NotFound.into())
        }
        fn len(&self) -> u64 {
            1
        }
    }
    let torn = super::to_seven_bit(&Body::File(Arc::new(Torn))).unwrap_err();
    assert_eq!(
        torn,
        CannotConvert::Unreadable("entity not found".to_owned())
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
        &"Content-Type: message/rfc822\n\n".repeat(1000),
        CannotConvert::TooComplex,
    );
}

#[test]
fn what_is_too_much_to_look_at() {
    refused(&"X-Long: x\n".repeat(110_000), CannotConvert::TooComplex);
    let many = "--b\n\nx\n".repeat(10_001);
    refused(
        &format!("Content-Type: multipart/mixed; boundary=b\n\n{many}"),
        CannotConvert::TooComplex,
    );
    let long = "b".repeat(400);
    refused(
        &format!("Content-Type: multipart/mixed; boundary={long}\n\n--{long}\n\nü\n"),
        CannotConvert::TooComplex,
    );
    refused(
        "Content-Type: multipart/mixed\n\n--b\n\nü\n--b--\n",
        CannotConvert::OutsideParts,
    );
    refused(
        "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nü\n",
        CannotConvert::OutsideParts,
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
        let _ = to_seven_bit(text.as_bytes());
    }
}
