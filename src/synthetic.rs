//! Placeholder
/// x
pub struct PhotoSet { /// x
pub images: usize, /// x
pub classes: usize, /// x
pub size: Option<(u16, u16)>, /// x
pub seed: u64 }
impl PhotoSet { /// x
pub fn write(&self, _dir: &std::path::Path, _threads: usize, _done: &(dyn Fn(u64) + Sync)) -> std::io::Result<()> { Ok(()) } }
