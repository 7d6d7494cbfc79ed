//! Bytes on words: whole words, the last one filled with zeroes.

#![forbid(unsafe_code)]

/// How many words so many bytes take.
pub(super) fn words(length: usize) -> usize {
    length.div_ceil(size_of::<u64>())
}

/// Bytes as words.
pub(super) fn pack(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks(size_of::<u64>()).map(|chunk| {
        let mut word = [0; size_of::<u64>()];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    })
}

/// Words as so many bytes, after what is there.
pub(super) fn unpack(from: impl Iterator<Item = u64>, length: usize, into: &mut Vec<u8>) {
    let end = into.len() + length;
    into.reserve(words(length) * size_of::<u64>());
    for word in from.take(words(length)) {
        into.extend_from_slice(&word.to_le_bytes());
    }
    into.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive() {
        for length in [0, 1, 7, 8, 9, 63, 64, 1000] {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8 ^ 0x5a).collect();
            let packed: Vec<u64> = pack(&bytes).collect();
            assert_eq!(packed.len(), words(bytes.len()));
            let mut back = b"before".to_vec();
            unpack(packed.into_iter().chain([u64::MAX]), bytes.len(), &mut back);
            assert_eq!(&back[6..], &bytes);
        }
    }
}
