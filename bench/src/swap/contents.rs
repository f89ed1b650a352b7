//! What stands in the file: the number of its generation, again and again, so that a body of two
//! generations gives itself away wherever the border lies.

const NUMBER_BYTES: usize = size_of::<u64>();

/// How long a file is.
#[derive(Clone, Copy, Debug)]
pub struct Contents {
    /// In bytes; a multiple of 8.
    pub length: usize,
    /// Whether generations differ in length, by a few numbers.
    pub varies: bool,
}

impl Contents {
    /// The file of a generation.
    pub fn of(self, generation: u64) -> Vec<u8> {
        generation.to_le_bytes().repeat(self.numbers(generation))
    }

    fn numbers(self, generation: u64) -> usize {
        let more = if self.varies { (generation % 7) as usize } else { 0 };
        self.length / NUMBER_BYTES + more
    }

    /// The generation of a body; of one that is not whole, the first and another number in it.
    pub fn generation_of(self, body: &[u8]) -> Result<u64, [u64; 2]> {
        let (numbers, rest) = body.as_chunks::<NUMBER_BYTES>();
        let first = numbers.first().map_or(0, |first| u64::from_le_bytes(*first));
        let same = first.to_le_bytes();
        match numbers.iter().find(|number| **number != same) {
            Some(other) => Err([first, u64::from_le_bytes(*other)]),
            None if numbers.len() == self.numbers(first) && rest.is_empty() => Ok(first),
            // All one number, and of another generation's length.
            None => Err([first, first]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixture_gives_itself_away() {
        for varies in [false, true] {
            let contents = Contents { length: 64, varies };
            let (old, new) = (contents.of(7), contents.of(8));
            assert_eq!(contents.generation_of(&old), Ok(7));
            let mixture = [&old[..32], &new[32..]].concat();
            assert_eq!(contents.generation_of(&mixture), Err([7, 8]));
            assert_eq!(contents.generation_of(&old[..40]), Err([7, 7]));
            assert!(contents.generation_of(&[]).is_err());
        }
    }
}
