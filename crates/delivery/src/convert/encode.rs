//! Quoted-printable and base64 (RFC 2045 §6.7, §6.8).

/// The longest encoded line, without its CRLF.
const LINE_LEN: usize = 76;

/// Encodes as what suits it, and names the encoding.
pub(super) fn best(octets: &[u8], is_text: bool) -> (&'static str, Vec<u8>) {
    if is_text {
        ("quoted-printable", quoted_printable(octets))
    } else {
        ("base64", base64(octets))
    }
}

/// CRLF stays a line end; everything else that is not plain is quoted.
pub(super) fn quoted_printable(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 2);
    let mut column = 0;
    let mut at = 0;
    while let Some(&octet) = octets.get(at) {
        let rest = &octets[at + 1..];
        if octet == b'\r' && rest.first() == Some(&b'\n') {
            out.extend_from_slice(b"\r\n");
            column = 0;
            at += 2;
            continue;
        }
        let ends_line = rest.is_empty() || rest.starts_with(b"\r\n");
        let plain = match octet {
            b' ' | b'\t' => !ends_line,
            b'=' => false,
            octet => octet.is_ascii_graphic(),
        };
        let width = if plain { 1 } else { 3 };
        // The last place of a line is for the "=" of a soft break, unless the line ends here.
        if column + width > LINE_LEN - usize::from(!ends_line) {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if plain {
            out.push(octet);
        } else {
            out.extend_from_slice(&[b'=', hex(octet >> 4), hex(octet & 15)]);
        }
        column += width;
        at += 1;
    }
    out
}

fn hex(nibble: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(nibble)]
}

/// In lines; each ends with CRLF.
pub(super) fn base64(octets: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::with_capacity(octets.len() / 3 * 4 + octets.len() / 28 + 8);
    for line in octets.chunks(LINE_LEN / 4 * 3) {
        for group in line.chunks(3) {
            let get = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
            let bits = get(0) << 16 | get(1) << 8 | get(2);
            for place in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
                out.push(if place <= group.len() { digit } else { b'=' });
            }
        }
        out.extend_from_slice(b"\r\n");
    }
    out
}
