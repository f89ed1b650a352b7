//! Comparing what must be secret with what somebody said.

/// Whether two texts are the same. It looks at every byte, whatever the first of them are, so that how
/// long it takes tells nothing but how long they are.
pub(crate) fn is_equal(a: &[u8], b: &[u8]) -> bool {
    let pairs = a.iter().zip(b);
    let difference = pairs.fold(0, |sum, (a, b)| core::hint::black_box(sum | (a ^ b)));
    a.len() == b.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_bytes_are_equal() {
        assert!(is_equal(b"", b"") && is_equal(b"ab", b"ab"));
        for (a, b) in [("a", "b"), ("ab", "a"), ("a", "ab"), ("ab", "aa"), ("ab", "bb"), ("", "a")]
        {
            assert!(!is_equal(a.as_bytes(), b.as_bytes()), "{a:?} {b:?}");
        }
    }
}
