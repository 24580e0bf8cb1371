//! Waiting for files on a thread that others want to use, too.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does work that may wait for files, on this thread; other tasks of its runtime go on elsewhere meanwhile.
///
/// Planning is called by DataFusion in places that can't await another thread.
pub(crate) fn while_others_go_on<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // There is no other thread.
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_works_wherever_it_is_called() {
        assert_eq!(while_others_go_on(|| while_others_go_on(|| 1)), 1);
        let single = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        assert_eq!(single.block_on(async { while_others_go_on(|| 2) }), 2);
        let several = tokio::runtime::Runtime::new().expect("a runtime");
        assert_eq!(several.block_on(async { while_others_go_on(|| 3) }), 3);
        let nested = async { while_others_go_on(|| while_others_go_on(|| 4)) };
        assert_eq!(several.block_on(several.spawn(nested)).expect("a task"), 4);
        assert_eq!(several.block_on(several.spawn_blocking(|| while_others_go_on(|| 5))).expect("a task"), 5);
    }
}
