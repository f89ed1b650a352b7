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

/// A body of more than one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixture {
    /// That of its beginning.
    pub first: u64,
    /// The next one in it; the same if it is only of the wrong length.
    pub then: u64,
    /// Whether it is these two, one after the other, at the right length.
    pub is_cut_once: bool,
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

    /// The generation of a body.
    pub fn generation_of(self, body: &[u8]) -> Result<u64, Mixture> {
        let (numbers, rest) = body.as_chunks::<NUMBER_BYTES>();
        let first = numbers.first().map_or(0, |first| u64::from_le_bytes(*first));
        let same = first.to_le_bytes();
        let is_whole = numbers.len() == self.numbers(first) && rest.is_empty();
        let Some(border) = numbers.iter().position(|number| *number != same) else {
            // All one number, and perhaps of another generation's length.
            let mixture = Mixture { first, then: first, is_cut_once: false };
            return if is_whole { Ok(first) } else { Err(mixture) };
        };
        let then = numbers[border];
        let is_cut_once = is_whole && numbers[border..].iter().all(|number| *number == then);
        Err(Mixture { first, then: u64::from_le_bytes(then), is_cut_once })
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
            let cut = |first, then, is_cut_once| Err(Mixture { first, then, is_cut_once });
            assert_eq!(contents.generation_of(&mixture), cut(7, 8, !varies));
            assert_eq!(contents.generation_of(&old[..40]), cut(7, 7, false));
            let twice = [&old[..16], &new[16..32], &old[32..]].concat();
            assert_eq!(contents.generation_of(&twice), cut(7, 8, false));
            assert!(contents.generation_of(&[]).is_err());
        }
    }
}
