//! Owns telling messages apart in a stream: STUN says its length, and so does channel data, which is padded to four
//! bytes there (RFC 8656 section 12.5).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The next whole message; none when the stream has ended.
pub async fn read_message(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; HEAD_BYTES];
    match stream.read_exact(&mut head).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    let [kind, _, high, low] = head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let (rest, padding) = match kind >> 6 {
        0 => (STUN_HEADER_BYTES - HEAD_BYTES + length, 0),
        1 => (length, padding_of(length)),
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    if rest > MESSAGE_BYTES_MAX - HEAD_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; HEAD_BYTES + rest + padding];
    message[..HEAD_BYTES].copy_from_slice(&head);
    stream.read_exact(&mut message[HEAD_BYTES..]).await?;
    message.truncate(HEAD_BYTES + rest);
    Ok(Some(message))
}

/// What a message is followed by in a stream.
pub fn padding_of(length: usize) -> usize {
    length.next_multiple_of(4) - length
}

/// Media and ICE keep to what fits into a datagram of a usual network.
pub const MESSAGE_BYTES_MAX: usize = 4_096;
/// Type or channel, and length.
const HEAD_BYTES: usize = 4;
const STUN_HEADER_BYTES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_told_apart_and_padding_is_taken_off() {
        let stun = [&[0, 1, 0, 4][..], &[7; 20]].concat();
        let channel = [&[0x40, 0, 0, 3][..], &[1, 2, 3, 0]].concat();
        let both = [&stun[..], &channel, &stun[..10]].concat();
        let mut stream = &both[..];
        assert_eq!(read_message(&mut stream).await.unwrap(), Some(stun));
        assert_eq!(read_message(&mut stream).await.unwrap(), Some(channel[..7].to_vec()));
        assert!(read_message(&mut stream).await.is_err(), "half a message");
        assert_eq!(read_message(&mut &[][..]).await.unwrap(), None);
        assert!(read_message(&mut &[0x40, 0, 0x10, 0][..]).await.is_err(), "more than there is place for");
        assert!(read_message(&mut &[0x80, 0, 0, 0][..]).await.is_err(), "neither of both");
    }
}
