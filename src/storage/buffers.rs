//! Buffers for what is read: they are used again, because touching fresh memory costs more than reading a cached file.

use std::mem::take;
use std::sync::{Mutex, PoisonError};

use prost::bytes::Bytes;

/// Bytes of buffers that wait for their next use, at most.
const MOST_KEPT: usize = 32 << 20;

/// Buffers that nothing is in.
static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// An empty buffer with room for so many bytes, and for not many more: rows may hold it for long.
pub(crate) fn empty_buffer(capacity: usize) -> Vec<u8> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = |buffer: &Vec<u8>| (capacity..=capacity.saturating_mul(2)).contains(&buffer.capacity());
    match kept.iter().rposition(fits) {
        Some(found) => kept.swap_remove(found),
        // Batches differ in size a little. Room that nothing is written to takes no memory.
        None => Vec::with_capacity(capacity.checked_next_power_of_two().unwrap_or(capacity)),
    }
}

/// The bytes of a buffer, which is used again when nobody looks at them any more.
pub(crate) fn shared_bytes(buffer: Vec<u8>) -> Bytes {
    Bytes::from_owner(Used(buffer))
}

struct Used(Vec<u8>);

impl AsRef<[u8]> for Used {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        let mut buffer = take(&mut self.0);
        buffer.clear();
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(buffer);
        // What wasn't used for longest goes.
        while kept.iter().map(Vec::capacity).sum::<usize>() > MOST_KEPT {
            kept.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_by_what_has_about_its_size() {
        let mut buffer = empty_buffer(5_000_000);
        buffer.extend_from_slice(b"photo");
        let place = buffer.as_ptr();
        let bytes = shared_bytes(buffer);
        let of_it = bytes.slice(1..3);
        assert_eq!(bytes, b"photo"[..]);
        drop(bytes);
        let other = empty_buffer(5_000_001);
        assert_ne!(other.as_ptr(), place);
        assert_eq!(of_it, b"ho"[..]);
        drop(of_it);
        assert!(empty_buffer(1_000_000).capacity() < 2_000_001);
        let again = empty_buffer(5_000_002);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
    }

    #[test]
    fn no_more_than_so_many_bytes_are_kept() {
        for _ in 0..3 {
            drop(shared_bytes(Vec::with_capacity(MOST_KEPT - 1)));
        }
        let kept = KEPT.lock().expect("the buffers").iter().map(Vec::capacity).sum::<usize>();
        assert!(kept <= MOST_KEPT, "{kept}");
    }
}
