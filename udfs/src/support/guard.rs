//! Keeps a codec's panic from becoming the query's: one bad image costs one row.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::bad_image::BadImage;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a codec whose panics are caught.
///
/// A program's panic hook can ask this to stay quiet about panics that become a rejected image.
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// Runs `work` of a library that may panic on bad data, and turns a panic into its message.
///
/// # Errors
/// The panic's message.
pub fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let outer = GUARDED.replace(true);
    // Whatever `work` was changing is scratch memory that the next image overwrites.
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    result.map_err(|panic| panic_message(&*panic).to_string())
}

/// Runs `work` and turns a panic into a [`BadImage`].
pub(crate) fn guarded<T>(what: &str, work: impl FnOnce() -> Result<T, BadImage>) -> Result<T, BadImage> {
    catch_panic(work).unwrap_or_else(|message| Err(BadImage::codec_panic(what, &message)))
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_reason() {
        let result: Result<(), _> = guarded("png decoder", || {
            assert!(is_guarded());
            let values: Vec<u8> = Vec::new();
            let index = values.len() + 3;
            Err(BadImage::not_an_image(format!("{}", values[index])))
        });
        assert_eq!(
            result.expect_err("panicked").reason,
            "the png decoder panicked: index out of bounds: the len is 0 but the index is 3"
        );
        assert!(!is_guarded());
    }
}
